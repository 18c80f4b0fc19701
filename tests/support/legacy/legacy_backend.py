"""The earlier backend, which writes during and after an import, and checks of what was imported."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from bson import CodecOptions, decode, encode
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError
from typer.testing import CliRunner

from app.cli import cli
from repositories.database.client import close_in_background
from repositories.legacy.late_documents import id_bytes
from tests.support.legacy import legacy_documents as legacy
from tests.support.legacy.import_command import ImportCommand, plain

Json = dict[str, Any]
KINDS = ("estimates", "orders")
#: Sales a second of the earlier backend, during an import.
RATE = 50
LATER = datetime(2025, 9, 1, 4, 0)  # noqa: DTZ001  (naive, as the earlier backend wrote them: UTC)


class EarlierBackend(threading.Thread):
    """Writes sales and estimates continuously, as the earlier backend does; `written` holds the acknowledged ones."""

    def __init__(self, url: str, database: str, first: int) -> None:
        super().__init__(daemon=True)
        self._client: MongoClient[Any] = MongoClient(url)
        self._database = self._client[database]
        self._next = first
        self._stopping = threading.Event()
        self.written: dict[str, list[Json]] = {kind: [] for kind in KINDS}
        self.refused: list[str] = []
        self._news = threading.Condition()

    def run(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            self.write("orders", legacy.order(self._next))
            if self._next % 5 == 0:
                self.write("estimates", legacy.estimate(self._next))
            self._next += 1
            due += 1 / RATE
            self._stopping.wait(max(0.0, due - time.monotonic()))
        close_in_background(self._client)

    def write(self, kind: str, document: Json) -> None:
        try:
            self._database[kind].insert_one(document)
        except PyMongoError as error:
            self.refused.append(str(error))
        else:
            with self._news:
                self.written[kind].append(document)
                self._news.notify_all()

    def go_on(self, more: int = 5) -> None:
        """Wait until more sales and an estimate are written."""
        enough = len(self.written["orders"]) + more
        with self._news:
            assert self._news.wait_for(lambda: len(self.written["orders"]) >= enough, 60), self.refused

    def stop(self) -> None:
        self._stopping.set()
        self.join(30)


@contextmanager
def earlier_backend(url: str, database: str, first: int) -> Iterator[EarlierBackend]:
    backend = EarlierBackend(url, database, first)
    backend.start()
    try:
        yield backend
    finally:
        backend.stop()


def differences(own: Database[Any], acknowledged: dict[str, list[Json]]) -> tuple[int, int]:
    """Return how many acknowledged documents were not imported, and how many were imported twice."""
    rows = own.adopted.find({}, {"kind": 1, "original._id": 1})
    kept = Counter((row["kind"], id_bytes(row["original"]["_id"])) for row in rows)
    written = [(kind, id_bytes(each["_id"])) for kind, documents in acknowledged.items() for each in documents]
    return sum(not kept[each] for each in written), sum(times - 1 for times in kept.values())


def refuse_loss(own: Database[Any], acknowledged: dict[str, list[Json]]) -> None:
    """Check that each acknowledged document was imported once, unchanged."""
    for kind, documents in acknowledged.items():
        kept = [each["original"] for each in own.adopted.find({"kind": kind})]
        assert sorted(map(plain, kept)) == sorted(map(plain, own_times(documents))), kind
        assert own[kind].count_documents({"store": "main"}) == len(documents), kind
        numbers = [each["number"] for each in own[kind].find({"store": "main"})]
        assert len(set(numbers)) == len(numbers)


def own_times(documents: list[Json]) -> list[Json]:
    """Return a document as the tests' client reads it, with times in UTC."""
    return [decode(encode(each), CodecOptions(tz_aware=True)) for each in documents]


def raw(database: Database[Any]) -> list[str]:
    """Return all estimates and orders of the earlier backend, from its own collections."""
    return [plain(sorted(database[kind].find({}), key=lambda each: str(each["_id"]))) for kind in KINDS]


def verified(import_legacy: ImportCommand) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["verify"], env=import_legacy.environment)
    return done.exit_code, done.stdout


def doctor(import_legacy: ImportCommand) -> Json:
    done = CliRunner().invoke(cli, ["doctor", "--json"], env=import_legacy.environment)
    return next(each for each in json.loads(done.stdout) if each["check"] == "earlier backend")


def late_order(number: int, **changes: Any) -> Json:
    """Return a sale by an instance that was still running some months later."""
    return legacy.order(number, LATER + timedelta(minutes=number), **changes)
