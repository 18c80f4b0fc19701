"""Reports, pages and whole lists of a store with ten years of sales, compared with a new store."""

import asyncio
import http.client
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote

import orjson

from benchmarks.filling import ZONE, fill
from benchmarks.load import Request, Run, load, warm_load
from benchmarks.measures import Results, Row, median, typical
from benchmarks.payloads import CREATE_SALE, SALES
from benchmarks.servers import PORT, database_name, kilobytes, serving
from repositories.database.client import connect
from schemas.core.collections import ORDERS
from schemas.sales.listing import DocumentCursor

SMALL, MIDDLE, LARGE = "small", "middle", "large"
PAGE = "/api/orders/orders-only?limit=50"
#: About 20 kB.
TWENTY_KB = "/api/orders/orders-only?limit=22"

#: Paths that differ in a parameter that means nothing, so that no answer is a copy.
ANEW = 20_000


def measure(url: str, results: Results, *, orders: int, rounds: int, seconds: float) -> None:
    database = database_name()
    sizes = {SMALL: 1_000, MIDDLE: orders // 10, LARGE: orders}
    for store, size in sizes.items():
        asyncio.run(fill(url, database, store, size))
    _measure_sales(url, database, results, orders, rounds, seconds)
    _measure_reports(url, database, results, orders, rounds, seconds)
    _measure_pages(url, database, results, orders, rounds, seconds)
    _measure_whole_list(url, database, results, sizes[MIDDLE], rounds, seconds)


def _measure_sales(url: str, database: str, results: Results, orders: int, rounds: int, seconds: float) -> None:
    rates: dict[str, list[float]] = {"empty": [], LARGE: []}
    for _ in range(rounds if rounds == 1 else rounds + 2):
        for store, measured in rates.items():
            # In a database of its own: the collections are to be empty too.
            with serving("asgi:app", url, database if store == LARGE else database_name(), store=store):
                run = warm_load(PORT, Request.post([CREATE_SALE], SALES), connections=64, seconds=seconds)
                measured.append(run.rate)
    what = f"create-sale with {orders:,} orders stored, 64 connections"
    ours, theirs = typical(rates[LARGE], rates["empty"])
    results.add("Ten years", Row(what, ours, "/s", "empty store", theirs, ">= 0.95"))


def reports() -> dict[str, str]:
    """Return the paths by name."""
    today = datetime.now(ZONE).date()
    return {
        "today": "/api/reports/today",
        "one-year range": f"/api/reports/date-range?start_date={today - timedelta(days=364)}&end_date={today}",
        "monthly": f"/api/reports/monthly/{today.year}/{today.month}",
        "staff": "/api/reports/staff-performance",
    }


def anew(path: str) -> list[str]:
    """Return the path with a parameter that makes the service compute the response again."""
    joint = "&" if "?" in path else "?"
    run = secrets.token_hex(4)
    return [f"{path}{joint}_={run}{number}" for number in range(ANEW)]


def alone(paths: list[str], seconds: float) -> Run:
    return load(PORT, Request(paths), connections=1, seconds=seconds)


def _measure_reports(url: str, database: str, results: Results, orders: int, rounds: int, seconds: float) -> None:
    pings: list[float] = []
    again: dict[str, list[float]] = {name: [] for name in reports()}
    computed: dict[str, dict[str, list[float]]] = {store: {name: [] for name in again} for store in (SMALL, LARGE)}
    for _ in range(rounds):
        with serving("benchmarks.yardsticks:database", url, database):
            pings.append(alone(["/pinging"], seconds).p50)
        for store, measured in computed.items():
            with serving("asgi:app", url, database, store=store):
                for name, path in reports().items():
                    measured[name].append(alone(anew(path), seconds / 2).p50)
                    if store == LARGE:
                        again[name].append(alone([path], seconds / 2).p50)
    for name, times in again.items():
        ours, ping = typical(times, pings)
        results.add("Ten years", Row(f"{name} report, cached, p50", ours, "ms", "database ping", ping, "<= 2"))
    for name in again:
        what = f"{name} report, not cached, p50"
        ours, ping = typical(computed[LARGE][name], pings)
        results.add("Ten years", Row(what, ours, "ms", "database ping", ping, "<= 2"))
        ours, small = typical(computed[LARGE][name], computed[SMALL][name])
        results.add("Ten years", Row(what, ours, "ms", "at 1,000 orders", small, "<= 1.5"))
    results.series["Reports that are not cached, p50 in ms"] = {
        name: [(1_000, median(computed[SMALL][name])), (orders, median(computed[LARGE][name]))] for name in again
    }


async def _last_page(url: str, database: str, store: str) -> str:
    """Return the path of the page with the oldest order."""
    client = connect(url)
    oldest = await client[database][ORDERS].find({"store": store}).sort([("created_at", 1), ("number", 1)]).to_list(51)
    client.close()
    return f"{PAGE}&cursor={quote(DocumentCursor.of(ORDERS, oldest[-1]).encode())}"


def _measure_pages(url: str, database: str, results: Results, orders: int, rounds: int, seconds: float) -> None:
    paths = {"first": PAGE, "last": asyncio.run(_last_page(url, database, LARGE))}
    echo: list[float] = []
    p50, copied, computed = ({name: list[float]() for name in paths} for _ in range(3))
    again: dict[str, list[float]] = {}
    for _ in range(rounds):
        with serving("benchmarks.yardsticks:echo", url, database):
            echo.append(load(PORT, Request.post([CREATE_SALE], SALES), connections=64, seconds=seconds).rate)
        with serving("asgi:app", url, database, store=LARGE):
            for name, path in paths.items():
                p50[name].append(alone(anew(path), seconds / 2).p50)
            for name, path in paths.items():
                copied[name].append(load(PORT, Request([path]), connections=64, seconds=seconds / 2).rate)
                computed[name].append(load(PORT, Request(anew(path)), connections=64, seconds=seconds / 2).rate)
            for what, rate in _ask_again(seconds).items():
                again.setdefault(what, []).append(rate)
    last, first = typical(p50["last"], p50["first"])
    row = Row(f"last page of 50 of {orders:,}, not cached, p50", last, "ms", "first page", first, "<= 1.5")
    results.add("Ten years", row)
    for name in paths:
        for how, rates in (("cached", copied[name]), ("not cached", computed[name])):
            ours, theirs = typical(rates, echo)
            what = f"{name} page of 50, 64 connections, {how}"
            results.add("Ten years", Row(what, ours, "/s", "echo", theirs, ">= 0.15"))
    for (what, rates), target in zip(again.items(), (">= 0.4", ">= 0.3"), strict=True):
        ours, theirs = typical(rates, echo)
        row = Row(f"{what}, 64 connections", ours, "/s", "echo", theirs, target)
        results.add("Cached responses", row)


def _ask_again(seconds: float) -> dict[str, float]:
    """Return the responses a second, by kind of request."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    connection.request("GET", TWENTY_KB)
    answer = connection.getresponse()
    tag, size = answer.headers["ETag"], len(answer.read())
    connection.close()
    ways = {"with If-None-Match": {"If-None-Match": tag}, f"a cached response of {size / 1000:.0f} kB": {}}
    return {
        what: load(PORT, Request([TWENTY_KB], headers=headers), connections=64, seconds=seconds).rate
        for what, headers in ways.items()
    }


@dataclass
class Memory:
    """The maximum memory of a process, in MB."""

    begun: float
    most: float = 0.0
    is_over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def watched(pid: int) -> Iterator[Memory]:
    memory = Memory(kilobytes(pid) / 1024)

    def watch() -> None:
        while not memory.is_over.wait(0.01):
            memory.most = max(memory.most, kilobytes(pid) / 1024)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield memory
    finally:
        memory.is_over.set()
        watcher.join()


def _measure_whole_list(url: str, database: str, results: Results, orders: int, rounds: int, seconds: float) -> None:
    firsts, rates = [], []
    with serving("asgi:app", url, database, store=MIDDLE) as pid:
        with watched(pid) as memory:
            read_whole("/api/orders/orders-only")
            for _ in range(rounds):
                first, whole, body = read_whole("/api/orders/orders-only")
                assert len(orjson.loads(body)["orders"]["items"]) == orders
                firsts.append(first)
                rates.append(orders / whole)
        with _reading_on():
            others = load(PORT, Request(["/api/orders/number/1"]), connections=1, seconds=seconds)
    what = f"the whole list of {orders:,} orders"
    results.add(
        "Ten years",
        Row(f"{what}: first byte", 1_000 * median(firsts), "ms", target="<= 100"),
        Row(f"{what}: documents", median(rates), "/s", target=">= 60000"),
        Row(f"{what}: memory grows by", memory.most - memory.begun, "MB", target="<= 64"),
        Row(f"{what}: other requests meanwhile, p99", others.p99, "ms", target="<= 50"),
    )


def read_whole(path: str) -> tuple[float, float, bytes]:
    """Return the seconds to the first byte and to the last one, and the content."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    began = time.monotonic()
    connection.request("GET", path)
    answer = connection.getresponse()
    parts = [answer.read1(65_536)]
    first = time.monotonic() - began
    while part := answer.read1(1 << 20):
        parts.append(part)
    whole = time.monotonic() - began
    connection.close()
    return first, whole, b"".join(parts)


@contextmanager
def _reading_on() -> Iterator[None]:
    """Read the whole list again and again until the end of the block."""
    is_over = threading.Event()

    def read_on() -> None:
        while not is_over.is_set():
            read_whole("/api/orders/orders-only")

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        yield
    finally:
        is_over.set()
        reader.join()
