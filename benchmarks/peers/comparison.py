"""The rate of our sales, compared with other products that insert the same sale as one document.

Each product runs in one process with its usual options for production, on the same mongod, and checks the fields
against a schema. None assigns a number, writes an event or totals, logs the request, or repeats its response for the
same idempotency key, as we do. Each insert waits for the disk:

Parse Server (`parse.json`): its own command on Node.js, with `w: "majority", j: true`. Eve (`eve_app.py`): gunicorn
with eight threads, with `w: "majority"`. FastAPI with Beanie (`beanie_app.py`): uvicorn with uvloop and httptools, with
`w: "majority", j: true`.
"""

import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pymongo import MongoClient

from benchmarks.load import Request, Run, load
from benchmarks.measures import Results, Row, console, typical
from benchmarks.payloads import CREATE_SALE, SALES
from benchmarks.servers import PORT, database_name, running, serving

SECTION = "Peers"
FOLDER = Path(__file__).parent
ENVIRONMENT = FOLDER.parents[1] / ".venv-peers"
#: The collection of sales in each product.
SALE = "Sale"
CONNECTIONS = 64

_PYTHON = str(ENVIRONMENT / "bin" / "python")
_UVICORN = ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning", "--no-access-log"]
_GUNICORN = ["--workers", "1", "--worker-class", "gthread", "--threads", "8", "--log-level", "warning"]


@dataclass(frozen=True, slots=True)
class Peer:
    """A product.

    :ivar command: starts its server.
    :ivar path: of the request that inserts a sale.
    """

    command: Sequence[str]
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


PEERS = {
    "Parse Server": Peer(
        ["node", str(ENVIRONMENT / "node_modules" / ".bin" / "parse-server"), str(FOLDER / "parse.json")],
        "/parse/classes/Sale",
        {"X-Parse-Application-Id": "pos"},
    ),
    "Eve": Peer(
        [_PYTHON, "-m", "gunicorn", "benchmarks.peers.eve_app:app", *_GUNICORN, "--bind", f"127.0.0.1:{PORT}"],
        "/Sale",
    ),
    "FastAPI with Beanie": Peer(
        [_PYTHON, "-m", "uvicorn", "benchmarks.peers.beanie_app:app", *_UVICORN, "--port", str(PORT)], "/sales"
    ),
}


def are_installed() -> bool:
    return (ENVIRONMENT / "ready").exists()


def measure(url: str, results: Results, *, rounds: int, seconds: float) -> None:
    """Measure our sales and each product in turn, round after round, each time on an empty database."""
    rates: dict[str, list[float]] = {name: [] for name in ("create-sale", *PEERS)}
    for _ in range(rounds):
        for name, measured in rates.items():
            measured.append(_run(url, PEERS.get(name), seconds).rate)
            console.print(f"  {name:20} {measured[-1]:8,.0f}/s", style="dim")
    for name in PEERS:
        rate, their_rate = typical(rates["create-sale"], rates[name])
        results.add(SECTION, Row(f"create-sale, {CONNECTIONS} connections", rate, "/s", f"{name} insert", their_rate))


def _run(url: str, peer: Peer | None, seconds: float) -> Run:
    """Measure a product; ours if it is None."""
    database = database_name()
    with serving("asgi:app", url, database) if peer is None else _serving(peer, url, database):
        request = Request.post([peer.path if peer else CREATE_SALE], SALES, peer.headers if peer else None)
        # Node.js compiles what runs often, so each warms up for as long as it is measured.
        load(PORT, request, connections=CONNECTIONS, seconds=seconds)
        run = load(PORT, request, connections=CONNECTIONS, seconds=seconds)
        # Requests that wrk no longer waited for are done by then.
        time.sleep(1)
    if peer is not None:
        _check_count(url, database, run)
    return run


@contextmanager
def _serving(peer: Peer, url: str, database: str) -> Iterator[None]:
    """Run a product on PORT until the end of the block, in the folder of mongod's socket.

    Parse Server does not read an address that contains the path of a socket. It takes the name of a file instead.
    """
    socket = Path(unquote(urlsplit(url).netloc))
    environment = {
        **os.environ,
        "MONGODB_URL": url,
        "DATABASE_NAME": database,
        "PYTHONPATH": str(FOLDER.parents[1]),
        "NODE_ENV": "production",
        "PARSE_SERVER_DATABASE_URI": f"mongodb://{socket.name}/{database}?directConnection=true",
        "PARSE_SERVER_LOGS_FOLDER": "null",
        "PARSE_SERVER_MASTER_KEY": secrets.token_hex(32),
        "PARSE_SERVER_URL": f"http://127.0.0.1:{PORT}/parse",
        "PORT": str(PORT),
    }
    with running(peer.command, environment, socket.parent):
        yield


def _check_count(url: str, database: str, run: Run) -> None:
    """Check that each response stands for a document."""
    with MongoClient[dict[str, Any]](url) as client:
        assert client[database][SALE].count_documents({}) >= run.requests, "documents are missing"
