"""`pos demo`: realistic made-up documents in their own store, reproducible by a seed."""

import asyncio
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo.database import Database
from typer.testing import CliRunner, Result

from app.cli import cli
from app.demo.plan import Plan, makes_order
from app.demo.seasons import weight
from repositories.database.client import temporary_client
from repositories.database.errors import DatabaseRefused, NotFound
from repositories.demo import TimedCommand, fill
from repositories.journal.journal import GROUP_LIMIT
from repositories.sales.commands import ConvertEstimate, CreateDocument
from repositories.sales.void_commands import VoidEstimate
from schemas.core.calendar import business_date
from schemas.core.collections import ESTIMATES
from tests.support.shop import Shop, opened

ZONE = ZoneInfo("Asia/Kolkata")
DAYS = [date(2025, 9, 1) + timedelta(days=number) for number in range(91)]
END = datetime(2025, 11, 30, 18, 30, tzinfo=UTC)


@pytest.fixture
def own(mongodb_url: str) -> Iterator[Database[Any]]:
    with temporary_client(mongodb_url, tz_aware=True) as client:
        name = f"pos_demo_{secrets.token_hex(4)}"
        yield client[name]
        client.drop_database(name)


def demo(database: Database[Any], url: str, *options: str) -> Result:
    environment = {"MONGODB_URL": url, "DATABASE_NAME": database.name, "STORE_ID": "main"}
    return CliRunner().invoke(cli, ["demo", "--until", "2025-11-30", "--months", "3", *options], env=environment)


def test_the_same_seed_gives_the_same_documents() -> None:
    first, again, other = (list(Plan("grocery", 200, DAYS, ZONE, END, seed).steps()) for seed in (5, 5, 6))
    assert first == again != other


@pytest.mark.parametrize("trade", ["hardware", "grocery", "clothing"])
def test_a_plan_is_sorted_and_contains_its_orders(trade: str) -> None:
    steps = list(Plan(trade, 400, DAYS, ZONE, END, 1).steps())
    moments = [step.moment for step in steps]
    assert moments == sorted(set(moments))
    assert all("2025-09-01" <= business_date(moment, ZONE) <= "2025-11-30" for moment in moments)
    assert sum(map(makes_order, steps)) == 400


@pytest.mark.parametrize("clock", [time(4), time(9, 1), time(9, 40), time(13), time(18, 30), time(20, 59), time(23)])
def test_today_is_as_busy_as_any_day_until_the_same_hour(clock: time) -> None:
    """Check that later sales are left out, and not moved to the last minutes."""
    until = datetime.combine(DAYS[-1], clock, ZONE).astimezone(UTC)
    steps = list(Plan("hardware", 2_000, DAYS, ZONE, until, 3).steps())
    moments = [step.moment for step in steps]
    assert max(moments) < until
    assert moments == sorted(set(moments))
    orders = [step.moment for step in steps if makes_order(step)]
    assert len(orders) == 2_000

    def until_then(day: date) -> int:
        """Return the number of orders of a day until the same hour."""
        end = datetime.combine(day, clock, ZONE)
        return sum(end - timedelta(hours=end.hour, minutes=end.minute) <= moment < end for moment in orders)

    usual = sum(map(until_then, DAYS[-15:-1])) / 14 * weight(DAYS[-1]) / (sum(map(weight, DAYS[-15:-1])) / 14)
    today = until_then(DAYS[-1])
    assert usual / 3 - 1 <= today <= usual * 2 + 3
    assert today == 0 or clock > time(9)
    # There are minutes between them, as on other days.
    close = [later - earlier < timedelta(seconds=5) for earlier, later in pairwise(orders)]
    assert sum(close[-100:]) <= 5 + 2 * sum(close[:-100]) / len(close) * 100


def test_estimates_of_the_last_days_are_open() -> None:
    """Check that estimates stay open if their order would be after the end."""
    steps = list(Plan("hardware", 2_000, DAYS, ZONE, datetime.combine(DAYS[-1], time(18), ZONE), 3).steps())
    commands = [step.command for step in steps]
    closed = {each.document_id for each in commands if isinstance(each, ConvertEstimate | VoidEstimate)}
    written = [each.document_id for each in commands if isinstance(each, CreateDocument) and each.kind == ESTIMATES]
    is_open = [estimate not in closed for estimate in written]
    assert sum(is_open[-20:]) / 20 > 1.2 * sum(is_open) / len(is_open)
    assert not all(is_open[-20:])


def test_weekends_and_the_days_before_diwali_are_busy() -> None:
    assert weight(date(2025, 7, 12)) > 1.3 * weight(date(2025, 7, 9))
    assert weight(date(2025, 10, 18)) > 2 * weight(date(2025, 7, 12))
    assert weight(date(2025, 10, 20)) < weight(date(2025, 7, 14))


async def test_a_demo_is_consistent_and_realistic(own: Database[Any], mongodb_url: str) -> None:
    made = await asyncio.to_thread(demo, own, mongodb_url, "--orders", "600")
    assert made.exit_code == 0, made.output
    verified = await asyncio.to_thread(
        lambda: CliRunner().invoke(
            cli, ["verify"], env={"MONGODB_URL": mongodb_url, "DATABASE_NAME": own.name, "STORE_ID": "demo"}
        )
    )
    assert verified.exit_code == 0, verified.output
    orders = list(own.orders.find({"store": "demo"}).sort("number"))
    assert [each["number"] for each in orders] == list(range(1, 601))
    assert [each["created_at"] for each in orders] == sorted({each["created_at"] for each in orders})
    assert {each["status"] for each in orders} == {"Completed", "Cancelled", "Refunded"}
    assert any(each["voided_at"] for each in orders)
    assert any(each["estimate_id"] for each in orders)
    assert any(each["amount_paid"] < each["total"] for each in orders)
    assert any(each["round_off"] for each in orders)
    assert {each["payment_group"] for each in orders} >= {"cash", "upi", "card"}
    assert any(not each["customer_name"].isascii() for each in orders)
    # No real phone numbers: no mobile number in India begins with 5.
    assert all(each["customer_phone"].replace(" ", "")[-10] == "5" for each in orders)
    statuses = Counter(each["converted"] for each in own.estimates.find({"store": "demo"}))
    assert statuses[True] > 50
    assert statuses[False] > 50
    async with opened(mongodb_url, database_name=own.name, store_id="demo") as shop:
        month = await shop.get("/api/reports/monthly/2025/10")
        assert month["summary"]["total_orders"] > 100
        assert (await shop.sale())["sale_number"] == "#601"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--store", "corner shop"], "must have 1 to 64 letters, digits, - or _."),
        (["--store", ""], "must have 1 to 64 letters, digits, - or _."),
        (["--store", "[bold]"], "must have 1 to 64 letters, digits, - or _."),
        (["--until", "9999-12-31"], "the last day may be today"),
        (["--until", "0001-01-01"], "the last day may be today"),
        (["--seed", "9" * 26], "less than or equal to 9223372036854775807"),
    ],
)
def test_impossible_options_are_refused(options: list[str], sentence: str) -> None:
    refused = CliRunner().invoke(cli, ["demo", *options])
    assert refused.exit_code == 2
    assert sentence in " ".join(refused.stderr.replace("│", " ").split())


async def test_a_refused_command_ends_the_fill_and_its_journal(shop: Shop) -> None:
    now = datetime.now(UTC)
    nothing = [TimedCommand.of(now, VoidEstimate(f"EST-{number}")) for number in range(2 * GROUP_LIMIT)]
    with pytest.raises(NotFound) as refused:
        await fill(shop.database, shop.store, ZONE, nothing, lambda _: None)
    # The exception references the journal, which would otherwise be garbage-collected with its thread.
    assert refused.traceback
    own = f"journal-{shop.store}"
    async with asyncio.timeout(30):
        while sum(thread.name.startswith(own) for thread in threading.enumerate()) > 0:
            await asyncio.sleep(0.01)


def test_a_store_with_documents_is_refused(own: Database[Any], mongodb_url: str) -> None:
    own.counters.insert_one({"_id": "main", "estimates": 0, "orders": 1, "head": 1, "epoch": "e", "timezone": ZONE.key})
    assert demo(own, mongodb_url, "--orders", "5").exit_code == 0
    assert own.orders.count_documents({"store": "main"}) == 0
    for options, sentence in (
        (["--store", "main", "--replace"], "has documents"),
        ([], "--replace"),
    ):
        refused = demo(own, mongodb_url, "--orders", "5", *options)
        assert isinstance(refused.exception, DatabaseRefused)
        assert sentence in str(refused.exception)
    before = [each["_id"] for each in own.orders.find({"store": "demo"})]
    assert demo(own, mongodb_url, "--orders", "5", "--replace").exit_code == 0
    assert [each["_id"] for each in own.orders.find({"store": "demo"})] == before
    marked: Any = own.counters.find_one({"_id": "demo"})
    assert marked["demo"]["orders"] == 5


async def test_a_demo_with_real_sales_is_not_replaced(own: Database[Any], mongodb_url: str) -> None:
    assert (await asyncio.to_thread(demo, own, mongodb_url, "--orders", "5")).exit_code == 0
    async with opened(mongodb_url, database_name=own.name, store_id="demo") as shop:
        sold = await shop.sale()
    refused = await asyncio.to_thread(demo, own, mongodb_url, "--orders", "5", "--replace")
    assert "was changed after" in str(refused.exception)
    # Nor after an interrupted fill, which stored no position.
    own.counters.update_one({"_id": "demo"}, {"$unset": {"demo.place": ""}})
    refused = await asyncio.to_thread(demo, own, mongodb_url, "--orders", "5", "--replace")
    assert "was changed after" in str(refused.exception)
    assert own.orders.count_documents({"_id": sold["order_id"]}) == 1


def test_an_interrupted_demo_is_replaced(own: Database[Any], mongodb_url: str) -> None:
    assert demo(own, mongodb_url, "--orders", "5").exit_code == 0
    own.counters.update_one({"_id": "demo"}, {"$unset": {"demo.place": ""}})
    # The settings are not of the demo, so they stay.
    own.settings.insert_one({"_id": "demo", "store": "demo", "business_name": "Asha Stores", "version": 1})
    assert demo(own, mongodb_url, "--orders", "6", "--replace").exit_code == 0
    assert own.orders.count_documents({"store": "demo"}) == 6
    assert own.settings.count_documents({"_id": "demo", "business_name": "Asha Stores"}) == 1


def test_an_imported_demo_is_not_marked_as_a_demo(own: Database[Any], mongodb_url: str, tmp_path: Path) -> None:
    assert demo(own, mongodb_url, "--orders", "5").exit_code == 0
    names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": own.name, "STORE_ID": "demo"}
    file = str(tmp_path / "demo.ndjson")
    assert CliRunner().invoke(cli, ["export", "-o", file], env=names).exit_code == 0
    own.client.drop_database(own.name)
    assert CliRunner().invoke(cli, ["import", file], env={**names, "STORE_ID": "branch"}).exit_code == 0
    refused = demo(own, mongodb_url, "--orders", "5", "--store", "branch", "--replace")
    assert "has documents" in str(refused.exception)
    assert own.orders.count_documents({"store": "branch"}) == 5
