"""`pos demo`: fill a store with generated documents."""

import time as clock
from collections.abc import Sequence
from dataclasses import replace as replace_settings
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer
from marshmallow import ValidationError
from rich.progress import Progress

from app.commands.database import Data, any_database, command_settings, with_database
from app.commands.dates import day
from app.config.settings import Settings
from app.config.validators import is_store
from app.console.terminal import console
from app.demo.plan import Plan, makes_order
from repositories.database.client import Database
from repositories.demo import TimedCommand, fill, mark_store, record_position

_DAYS_A_MONTH = 30.44
_EARLIEST = date(1970, 1, 1)
# The largest integer of MongoDB, which stores the seed in the counters.
_MOST_SEED = 2**63 - 1


class Trade(StrEnum):
    HARDWARE = "hardware"
    GROCERY = "grocery"
    CLOTHING = "clothing"


def _store(name: str) -> str:
    """Return the name, or raise BadParameter if it is none by the rule of STORE_ID: the store could not be opened."""
    try:
        is_store(name)
    except ValidationError as error:
        raise typer.BadParameter(" ".join(map(str, error.messages))) from None
    return name


def demo(
    orders: Annotated[
        int, typer.Option(min=1, max=2_000_000, help="Number of orders. Estimates are added to them.")
    ] = 1_000,
    months: Annotated[int, typer.Option(min=1, max=240, help="Period in months.")] = 12,
    trade: Annotated[Trade, typer.Option(help="What the store sells.")] = Trade.HARDWARE,
    seed: Annotated[
        int, typer.Option(min=-_MOST_SEED, max=_MOST_SEED, help="The same seed generates the same documents.")
    ] = 1,
    until: Annotated[
        date | None, typer.Option(parser=day, metavar="YYYY-MM-DD", help="Last day.  \\[default: today]")
    ] = None,
    store: Annotated[
        str, typer.Option(help="Store to fill. One that has documents is refused.", callback=_store)
    ] = "demo",
    replace: Annotated[
        bool, typer.Option("--replace", help="First empty the store, if it has only documents of `pos demo`.")
    ] = False,
    data: Data = None,
) -> None:
    """Fill a separate store with generated documents: months of an Indian shop, its staff, customers and festivals.

    Generated documents are never mixed with real ones. The store is `demo`, whatever STORE_ID is, and a store that has
    documents is refused. Open it with `STORE_ID=demo pos serve`.

    \b
      pos demo --orders 10000 --months 24
      pos demo --trade grocery --seed 7 --store corner-shop
      pos demo --orders 500 --replace
    """
    chosen = replace_settings(command_settings(), store_id=store)
    first, last = _period(until, months, datetime.now(chosen.timezone).date())
    with any_database(chosen, data) as settings:
        zone = settings.timezone
        end = min(datetime.now(UTC), datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC))
        plan = Plan(trade, orders, _days(first, last), zone, end, seed)
        facts = {
            "trade": str(trade),
            "orders": orders,
            "first": first.isoformat(),
            "last": last.isoformat(),
            "seed": seed,
        }
        began = clock.perf_counter()
        with_database(settings, lambda database: _fill(database, settings, plan, facts, replace=replace))
    seconds = clock.perf_counter() - began
    console.print(
        f"Store {store!r} has {orders:,} orders from {first} to {last} "
        f"({seconds:.1f} s, {orders / seconds:,.0f} a second). Open it with STORE_ID={store} pos serve.",
        markup=False,
    )


def _period(until: date | None, months: int, today: date) -> tuple[date, date]:
    """Return the first and the last day.

    :raises BadParameter: the last day is in the future, or the first day is before 1970.
    """
    last = until or today
    span = timedelta(days=round(months * _DAYS_A_MONTH) - 1)
    if not _EARLIEST + span <= last <= today:
        raise typer.BadParameter(
            f"the last day may be today, and the first one, {months} months before, {_EARLIEST}.", param_hint="--until"
        )
    return last - span, last


async def _fill(database: Database, settings: Settings, plan: Plan, facts: dict[str, Any], *, replace: bool) -> None:
    await mark_store(database, settings.store_id, facts, replace=replace)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("Selling", total=int(facts["orders"]))

        def tell(group: Sequence[TimedCommand]) -> None:
            progress.advance(task, sum(makes_order(each) for each in group))

        await fill(database, settings.store_id, settings.timezone, plan.steps(), tell)
    await record_position(database, settings.store_id)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
