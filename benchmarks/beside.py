"""A sale while paper is set and messages go out: fifty sheets asked for at any time, fifty messages under way."""

import asyncio
import csv
import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any
from uuid import uuid4

import httpx
import orjson

from benchmarks.measures import Results, Row, median, p99, typical
from benchmarks.payloads import CREATE_SALE, SALE
from benchmarks.servers import PORT, database_name, serving
from schemas.shop_head import PAPERS

SECTION = "Beside paper and messages"
_AT_ONCE = 50
_PROVIDER_PORT = PORT + 1
# How long the provider takes for a message: four go out at a time, so that fifty last for as long as a run does.
_PROVIDER_SECONDS = 1.0
_SETTINGS = {
    "WHATSAPP_PROVIDER": "cloud",
    "WHATSAPP_TOKEN": "token-of-the-benchmark",
    "WHATSAPP_PHONE_NUMBER_ID": "1",
    "WHATSAPP_BASE_URL": f"http://127.0.0.1:{_PROVIDER_PORT}",
    "MESSAGE_RATE_LIMIT": "100000",
}
#: A busy shop many times over, and no more than the machine can do beside paper.
_TILLS = 8
_SALES_A_SECOND = 100
#: More than are set within a run.
_ORDERS = 400
_LINE = {"name": "Basmati rice 5 kg", "price": 100, "quantity": 1}
_TEN_LINES: dict[str, Any] = {
    **SALE,
    "items": [{"id": number, **_LINE} for number in range(10)],
    "subtotal": 1000,
    "total": 1000,
}


def measure(url: str, results: Results, *, rounds: int, seconds: float) -> None:
    alone, beside, spinning = [], [], []
    sheets = 0
    for _ in range(rounds):
        with serving("asgi:app", url, database_name(), **_SETTINGS):
            _sell(1)
            alone.append(_sell(seconds))
            with _other_work() as work:
                beside.append(_sell(seconds))
            sheets += work.sheets
            with _spinner():
                spinning.append(_sell(seconds))
    worst, alone_worst = typical([p99(times) for times in beside], [p99(times) for times in alone])
    p50, alone_p50 = typical([median(times) for times in beside], [median(times) for times in alone])
    what = f"a sale beside {_AT_ONCE} PDFs and {_AT_ONCE} messages"
    results.add(
        SECTION,
        Row(f"{what}, p99", worst, "ms", "alone", alone_worst, "<= 1.5"),
        Row(f"{what}, p50", p50, "ms", "alone", alone_p50),
        Row("a sale beside a process that only spins, p99", *_spun(spinning, alone)),
        Row("PDFs meanwhile", sheets / (rounds * seconds), "/s"),
    )


def _sell(seconds: float) -> list[float]:
    """Milliseconds of each sale."""
    hey = shutil.which("hey") or sys.exit("hey is needed: apt-get install hey")
    with tempfile.NamedTemporaryFile() as body:
        body.write(orjson.dumps(SALE))
        body.flush()
        command = [hey, "-z", f"{seconds:g}s", "-c", str(_TILLS), "-q", f"{_SALES_A_SECOND / _TILLS:g}", "-o", "csv"]
        command += ["-m", "POST", "-T", "application/json", "-D", body.name, f"http://127.0.0.1:{PORT}{CREATE_SALE}"]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = list(csv.DictReader(io.StringIO(run.stdout)))
    if not rows or any(row["status-code"] != "201" for row in rows):
        sys.exit(f"Not every answer was a success:\n{run.stdout[-1000:]}")
    return [1_000 * float(row["response-time"]) for row in rows]


def _spun(spinning: list[list[float]], alone: list[list[float]]) -> tuple[float, str, str, float]:
    """What the machine makes of it that a core is never idle, whoever keeps it busy at the lowest priority."""
    worst, alone_worst = typical([p99(times) for times in spinning], [p99(times) for times in alone])
    return worst, "ms", "alone", alone_worst


@contextmanager
def _spinner() -> Iterator[None]:
    code = "from services.typesetter import stand_back\nstand_back()\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        yield
    finally:
        process.kill()
        process.wait()


class _Work:
    """What is asked for beside the sales, in a thread of its own."""

    def __init__(self) -> None:
        self.sheets = 0
        self.begun = threading.Event()
        self._is_over = threading.Event()

    def run(self) -> None:
        # On the machines of those who ask, in truth: here it takes only what nobody else wants.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        asyncio.run(self._run())

    def end(self) -> None:
        self._is_over.set()

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=2 * _AT_ONCE)
        address = f"http://127.0.0.1:{PORT}"
        async with _provider(), httpx.AsyncClient(base_url=address, timeout=30, limits=limits) as http:
            orders = [await _an_order(http, number) for number in range(_ORDERS)]
            # Each of them once: what was set before is kept.
            wanted = iter([f"/api/orders/{order}/pdf?paper={paper}" for paper in PAPERS for order in orders])
            await asyncio.gather(*(_message(http, number) for number in range(_AT_ONCE)))
            readers = [asyncio.create_task(self._read_paper(http, wanted)) for _ in range(_AT_ONCE)]
            self.begun.set()
            await asyncio.gather(*readers)

    async def _read_paper(self, http: httpx.AsyncClient, wanted: Iterator[str]) -> None:
        while not self._is_over.is_set():
            paper = await http.get(next(wanted))
            assert paper.raise_for_status().content.startswith(b"%PDF-")
            self.sheets += 1


async def _an_order(http: httpx.AsyncClient, number: int) -> str:
    sold = await http.post(CREATE_SALE, json=_TEN_LINES, headers={"Idempotency-Key": f"paper-{number}"})
    return str(sold.raise_for_status().json()["order_id"])


async def _message(http: httpx.AsyncClient, number: int) -> None:
    body = {"phone_number": f"98450{number:05}", "message": "Your bill is ready."}
    (await http.post("/api/whatsapp/send", json=body)).raise_for_status()


@asynccontextmanager
async def _provider() -> AsyncIterator[None]:
    """One that takes its time, and then every message."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):
            await answer(reader, writer)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        await asyncio.sleep(_PROVIDER_SECONDS)
        body = orjson.dumps({"messages": [{"id": f"wamid.{uuid4()}"}]})
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", _PROVIDER_PORT):
        yield


@contextmanager
def _other_work() -> Iterator[_Work]:
    """It has begun when the block does, and is over soon after it."""
    work = _Work()
    thread = threading.Thread(target=work.run)
    thread.start()
    try:
        if not work.begun.wait(30):
            sys.exit("Paper and messages did not begin.")
        yield work
    finally:
        work.end()
        thread.join()
