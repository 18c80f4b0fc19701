"""Sales during other work: fifty PDFs requested at any time, fifty messages being sent."""

import asyncio
import csv
import io
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import httpx
import orjson

from benchmarks.load import Request, Run, load, loading, warming
from benchmarks.measures import Results, Row, median, p99, typical
from benchmarks.payloads import CREATE_SALE, SALE, SALES
from benchmarks.servers import PORT, database_name, serving
from schemas.printing.letterhead import PAPERS

SECTION = "Sales with PDFs and messages"
_AT_ONCE = 50
_PROVIDER_PORT = PORT + 1
# Seconds that the provider needs for a message. Four are sent at a time, so fifty last for a round.
_PROVIDER_SECONDS = 1.0
# Seconds until PDFs and messages are in progress, since the PDF workers must start first.
_BEGINNING_SECONDS = 1.0
_SETTINGS = {
    "WHATSAPP_PROVIDER": "cloud",
    "WHATSAPP_TOKEN": "token-of-the-benchmark",
    "WHATSAPP_PHONE_NUMBER_ID": "1",
    "WHATSAPP_BASE_URL": f"http://127.0.0.1:{_PROVIDER_PORT}",
    "MESSAGE_RATE_LIMIT": "100000",
}
#: As in the table of sales.
_CONNECTIONS = 64
#: Far more than a busy store, but no more than the machine can do beside PDFs.
_TILLS = 8
_SALES_A_SECOND = 100
#: More than are rendered in a second, each in every paper size.
_ORDERS_A_SECOND = 40
_LINE = {"name": "Basmati rice 5 kg", "price": 100, "quantity": 1}
_TEN_LINES: dict[str, Any] = {
    **SALE,
    "items": [{"id": number, **_LINE} for number in range(10)],
    "subtotal": 1000,
    "total": 1000,
}

#: p50 and p99, milliseconds.
Times = tuple[float, float]


def measure(url: str, results: Results, *, rounds: int, seconds: float) -> None:
    ways: dict[str, Callable[[float], Times]] = {
        f"{_CONNECTIONS} connections": _sell,
        f"{_SALES_A_SECOND} sales a second": _sell_at_tills,
    }
    alone: dict[str, list[Times]] = {way: [] for way in ways}
    during: dict[str, list[Times]] = {way: [] for way in ways}
    spinning: dict[str, list[Times]] = {way: [] for way in ways}
    sheets, asked_for = 0, 0.0
    for _ in range(rounds):
        with serving("asgi:app", url, database_name(), settings=_SETTINGS):
            _sell(warming(seconds))
            for way, sell in ways.items():
                alone[way].append(sell(seconds))
            with _other_work(len(ways) * seconds) as runs:
                for way, sell in ways.items():
                    during[way].append(sell(seconds))
            sheets, asked_for = sheets + runs[0].requests, asked_for + runs[0].seconds
            with _spinner():
                for way, sell in ways.items():
                    spinning[way].append(sell(seconds))
    what = f"a sale with {_AT_ONCE} PDFs and {_AT_ONCE} messages"
    for way in ways:
        results.add(
            SECTION,
            _row(f"{what}, {way}, p99", during[way], alone[way], 1, "<= 1.5"),
            _row(f"{what}, {way}, p50", during[way], alone[way], 0),
            _row(f"a sale with a spinning process, {way}, p99", spinning[way], alone[way], 1),
        )
    results.add(SECTION, Row("PDFs meanwhile", sheets / asked_for, "/s"))


def _row(what: str, times: list[Times], alone: list[Times], place: int, target: str | None = None) -> Row:
    ours, theirs = typical([each[place] for each in times], [each[place] for each in alone])
    return Row(what, ours, "ms", "alone", theirs, target)


def _sell(seconds: float) -> Times:
    run = load(PORT, Request.post([CREATE_SALE], SALES), connections=_CONNECTIONS, seconds=seconds)
    return run.p50, run.p99


def _sell_at_tills(seconds: float) -> Times:
    """Sell at a steady pace, each till at its own times; the clients of one `hey` would all sell at once."""
    hey = shutil.which("hey") or sys.exit("hey is needed: apt-get install hey")
    with tempfile.NamedTemporaryFile() as body:
        body.write(orjson.dumps(SALE))
        body.flush()
        command = [hey, "-cpus", "1", "-z", f"{seconds:g}s", "-c", "1", "-q", f"{_SALES_A_SECOND / _TILLS:g}"]
        command += ["-o", "csv", "-m", "POST", "-T", "application/json", "-D", body.name]
        address = f"http://127.0.0.1:{PORT}{CREATE_SALE}"
        tills = []
        for _ in range(_TILLS):
            tills.append(subprocess.Popen([*command, address], stdout=subprocess.PIPE, text=True))
            time.sleep(1 / _SALES_A_SECOND)
        outputs = [till.communicate()[0] for till in tills]
    rows = [row for output in outputs for row in csv.DictReader(io.StringIO(output))]
    if not rows or any(row["status-code"] != "201" for row in rows):
        sys.exit(f"Not every answer was a success:\n{outputs[0][-1000:]}")
    times = [1_000 * float(row["response-time"]) for row in rows]
    return median(times), p99(times)


@contextmanager
def _spinner() -> Iterator[None]:
    """Keep the cores busy at the lowest priority, to show what the machine itself costs."""
    code = "from services.printing.worker import stand_back\nstand_back()\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _other_work(seconds: float) -> Iterator[list[Run]]:
    """Start enough work for some seconds. It runs when the block begins, and ends soon after it."""
    with _provider():
        paths = asyncio.run(_asked_for(round(_ORDERS_A_SECOND * (_BEGINNING_SECONDS + seconds))))
        with loading(PORT, Request(paths), connections=_AT_ONCE) as runs:
            time.sleep(_BEGINNING_SECONDS)
            yield runs


async def _asked_for(count: int) -> list[str]:
    """Request messages, and return PDFs that were never rendered before."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", timeout=30) as http:
        orders = [await _an_order(http, number) for number in range(count)]
        await asyncio.gather(*(_message(http, number) for number in range(_AT_ONCE)))
    return [f"/api/orders/{order}/pdf?paper={paper}" for paper in PAPERS for order in orders]


async def _an_order(http: httpx.AsyncClient, number: int) -> str:
    sold = await http.post(CREATE_SALE, json=_TEN_LINES, headers={"Idempotency-Key": f"pdf-{number}"})
    return str(sold.raise_for_status().json()["order_id"])


async def _message(http: httpx.AsyncClient, number: int) -> None:
    body = {"phone_number": f"98450{number:05}", "message": "Your bill is ready."}
    (await http.post("/api/whatsapp/send", json=body)).raise_for_status()


class _Provider(BaseHTTPRequestHandler):
    """A provider that answers slowly, and accepts every message."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(_PROVIDER_SECONDS)
        body = orjson.dumps({"messages": [{"id": f"wamid.{uuid4()}"}]})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _provider() -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", _PROVIDER_PORT), _Provider)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
