"""The rate and the latency of sales."""

import asyncio
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from benchmarks.filling import fill_estimates
from benchmarks.load import Request, Run, load, warm_load, warming
from benchmarks.measures import Results, Row, console, median, typical
from benchmarks.payloads import CREATE_SALE, SALE, SALES
from benchmarks.servers import PORT, database_name, serving
from benchmarks.signing_in import SignedIn, sign_in

SECTION = "Sales"


@dataclass(frozen=True, slots=True)
class Contender:
    """A contestant of a round.

    :ivar bodies: sent in turn.
    :ivar is_extra: whether a quick run leaves it out.
    """

    app: str
    path: str = CREATE_SALE
    workers: int = 1
    bodies: Sequence[Any] = tuple(SALES)
    is_signed_in: bool = False
    is_extra: bool = False


CONTENDERS = {
    "echo": Contender("benchmarks.yardsticks:echo"),
    "validation": Contender("benchmarks.yardsticks:validation"),
    "obvious": Contender("benchmarks.yardsticks:database", "/obvious"),
    "sale": Contender("asgi:app"),
    "signed in": Contender("asgi:app", is_signed_in=True),
    "one customer": Contender("asgi:app", bodies=(SALE,), is_extra=True),
    "2 workers": Contender("asgi:app", workers=2, is_extra=True),
    "4 workers": Contender("asgi:app", workers=4),
}
#: For a single till, which sells to them repeatedly.
REGULARS = SALES[:100]
#: More than are converted in a second, so that none is converted twice.
_MOST_CONVERSIONS = 8_000

Runs = dict[str, list[Run]]


def measure(url: str, results: Results, *, connections: Sequence[int], rounds: int, seconds: float) -> None:
    for count in connections:
        measured = _in_turn(url, count, rounds, seconds)
        is_few = count == 64
        rates = {name: [run.rate for run in each] for name, each in measured.items()}
        suffix = f", {count} connections"
        results.series[f"Requests a second{suffix}"] = {
            "requests a second": [(name, median(each)) for name, each in rates.items()]
        }

        add = partial(_add, results, rates)
        if is_few:
            add("validation and reply only" + suffix, "validation", "echo", "echo", ">= 0.45")
        targets = (">= 0.25", ">= 0.65", ">= 5") if is_few else (">= 0.35", ">= 0.8", ">= 6")
        for yardstick, target in zip(("echo", "validation", "obvious"), targets, strict=True):
            name = {"validation": "validation only", "obvious": "obvious design"}.get(yardstick, yardstick)
            add("create-sale" + suffix, "sale", name, yardstick, target)
        p50, p99 = (median([getattr(run, name) for run in measured["sale"]]) for name in ("p50", "p99"))
        results.add(SECTION, Row("create-sale p99" + suffix, p99, "ms", "its p50", p50, "<= 2.5" if is_few else None))
        if "one customer" in rates:
            add(f"create-sale, always to one customer{suffix}", "one customer", "to 5,000 in turn", "sale", None)
        add(f"create-sale, signed in{suffix}", "signed in", "open", "sale", ">= 0.9")
        for workers, hoped_for in (("2 workers", None), ("4 workers", ">= 1.0")):
            if workers in rates:
                add(f"create-sale, {workers}{suffix}", workers, "one worker", "sale", hoped_for)
    _measure_alone(url, results, rounds, seconds)
    _measure_conversion(url, results, rounds, seconds)


def _add(
    results: Results, rates: dict[str, list[float]], what: str, ours: str, name: str, theirs: str, target: str | None
) -> None:
    rate, their_rate = typical(rates[ours], rates[theirs])
    results.add(SECTION, Row(what, rate, "/s", name, their_rate, target))


def _in_turn(url: str, connections: int, rounds: int, seconds: float) -> Runs:
    """Measure each contestant in turn, round after round, each time on an empty store."""
    contenders = {name: each for name, each in CONTENDERS.items() if rounds > 1 or not each.is_extra}
    runs: Runs = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            runs[name].append(_run(url, contender, connections, seconds))
            console.print(f"  {name:12} {connections:4} connections: {runs[name][-1].rate:8,.0f}/s", style="dim")
    return runs


def _run(url: str, contender: Contender, connections: int, seconds: float) -> Run:
    database = database_name()
    till = sign_in(url, database) if contender.is_signed_in else SignedIn({}, {})
    with serving(contender.app, url, database, workers=contender.workers, settings=till.settings):
        request = Request.post([contender.path], contender.bodies, till.headers)
        run = warm_load(PORT, request, connections=connections, seconds=seconds)
        if contender.app == "asgi:app":
            check_numbers(connections, till.headers)
    return run


def check_numbers(connections: int, headers: dict[str, str]) -> None:
    """Check that the numbers of the newest sales have no gap. Every response was a success, so none may be missing."""
    path = f"http://127.0.0.1:{PORT}/api/orders/orders-only?limit=500"
    asked = urllib.request.Request(path, headers=headers)
    orders = orjson.loads(urllib.request.urlopen(asked, timeout=30).read())["orders"]
    numbers = [int(order["sale_number"].lstrip("#")) for order in orders["items"]]
    assert numbers == list(range(numbers[0], numbers[0] - len(numbers), -1)), "numbers with gaps"
    # Requests that wrk no longer waited for may be committed after the count.
    assert orders["count"] <= numbers[0] <= orders["count"] + connections, "numbers are missing"


def _measure_alone(url: str, results: Results, rounds: int, seconds: float) -> None:
    """Measure the sales of a single till, compared with one durable insert."""
    ours, theirs = [], []
    for _ in range(rounds):
        database = database_name()
        with serving("asgi:app", url, database):
            regular = Request.post([CREATE_SALE], REGULARS)
            ours.append(warm_load(PORT, regular, connections=1, seconds=seconds).p50)
        with serving("benchmarks.yardsticks:database", url, database):
            theirs.append(load(PORT, Request.post(["/inserting"], REGULARS), connections=1, seconds=seconds).p50)
    p50, their_p50 = typical(ours, theirs)
    results.add(SECTION, Row("create-sale, one connection, p50", p50, "ms", "one durable insert", their_p50, "<= 2"))


def _measure_conversion(url: str, results: Results, rounds: int, seconds: float) -> None:
    conversions, sales = [], []
    for _ in range(rounds):
        database = database_name()
        warmers = round(_MOST_CONVERSIONS * warming(seconds))
        count = warmers + round(_MOST_CONVERSIONS * seconds)
        ids = asyncio.run(fill_estimates(url, database, "main", count))
        paths = [f"/api/estimates/{each}/convert-to-order" for each in ids]
        with serving("asgi:app", url, database):
            warm, rest = (Request.post(share, [{}]) for share in (paths[:warmers], paths[warmers:]))
            load(PORT, warm, connections=64, seconds=warming(seconds))
            conversions.append(load(PORT, rest, connections=64, seconds=seconds).rate)
            # Requests that wrk no longer waited for are done by then.
            time.sleep(0.5)
            sales.append(load(PORT, Request.post([CREATE_SALE], SALES), connections=64, seconds=seconds).rate)
    rate, their_rate = typical(conversions, sales)
    results.add(SECTION, Row("convert-to-order, 64 connections", rate, "/s", "create-sale", their_rate, ">= 0.8"))
