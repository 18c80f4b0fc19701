"""Archives of version 1, with a line for each event and for each idempotency key, are restored to the log."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.archive.archive_files import check_archive
from repositories.archive.restore import Restore
from repositories.auditing.verification import verify
from repositories.database.client import Database
from repositories.database.errors import DatabaseRefused
from repositories.migrations.log_conversion import convert_log
from tests.support.archives import SALE, busy_week, contents, empty_database, read, settings_of, write
from tests.support.earlier_store import chained, earlier_hash, make_earlier, write_version_1
from tests.support.event_log import groups_of, keys_of
from tests.support.payloads import line, sale_body
from tests.support.shop import opened

Json = dict[str, Any]
Documents = dict[str, list[Json]]

STORE = "main"
CREATE = "/api/orders/create-sale"
CART = sale_body([line(id=1_790_000_000_001)])
#: The number of events of the store.
HEAD = 12


@pytest.fixture(scope="module")
async def source(mongodb_url: str) -> AsyncIterator[tuple[Database, Documents, list[Json]]]:
    """Yield a database with a store of an earlier version, its content, and the events that clients received."""
    async with empty_database(mongodb_url) as database:
        async with opened(mongodb_url, database_name=database.name, store_id=STORE) as shop:
            await busy_week(shop)
            await shop.ok("POST", CREATE, json=CART)
            events = (await shop.get("/api/events", since=0))["events"]
            assert len(events) == HEAD
        await make_earlier(database, STORE)
        names = [name for name in await database.list_collection_names() if not name.startswith("system.")]
        yield database, {name: await database[name].find({}).to_list(None) for name in names}, events


@pytest.fixture
def documents(source: tuple[Database, Documents, list[Json]]) -> Documents:
    """Return a copy of the store's documents, which a test may change."""
    return {name: [dict(each) for each in rows] for name, rows in source[1].items()}


@pytest.fixture
def file(documents: Documents, tmp_path: Path) -> Path:
    return write_version_1(documents, STORE, tmp_path / "version-1")


@pytest.mark.parametrize("store", [STORE, "branch"])
async def test_a_store_continues_where_it_was(
    mongodb_url: str, source: Any, file: Path, target: Database, store: str
) -> None:
    assert check_archive(file, lambda _: None).head == HEAD
    await read(file, target, store)
    assert await verify(target, store) == []
    async with opened(mongodb_url, database_name=target.name, store_id=store) as shop:
        assert (await shop.get("/api/events", since=0))["events"] == source[2]
        for body, key in ((SALE, {"Idempotency-Key": "first"}), (CART, {})):
            again = await shop.http.post(CREATE, json=body, headers=key)
            assert again.headers["idempotent-replayed"] == "true"
        [cart] = [key for key in await keys_of(target, store) if key["key"].startswith("lines:")]
        await shop.ok("DELETE", f"/api/orders/{cart['id']}")
        assert (await shop.http.post(CREATE, json=CART)).headers.get("idempotent-replayed") is None
        assert await verify(target, store) == []
    counts = [await target[name].count_documents({}) for name in ("events", "requests")]
    assert counts == [0, 0]


async def test_a_restored_log_is_that_of_a_conversion(source: Any, file: Path, target: Database) -> None:
    await read(file, target, STORE)
    restored = await groups_of(target, STORE)
    await convert_log(source[0], STORE)
    converted = await groups_of(source[0], STORE)
    for groups in (restored, converted):
        groups[-1]["requests"].sort(key=lambda request: request["key"])
    assert restored == converted
    both = [await database.counters.find_one({"_id": STORE}) for database in (target, source[0])]
    assert len({(each["head"], each["hash"], each["at"], each["log"]) for each in both if each is not None}) == 1


async def test_a_backup_of_a_restored_store_has_version_2(
    mongodb_url: str, file: Path, target: Database, tmp_path: Path
) -> None:
    await read(file, target, STORE)
    second = await write(target, STORE, tmp_path / "version-2")
    assert b'"version":2' in second.read_bytes().split(b"\n", 1)[0]
    async with empty_database(mongodb_url) as other:
        await read(second, other, STORE)
        assert await verify(other, STORE) == []
        assert contents(await write(other, STORE, tmp_path / "again")) == contents(second)


def set_field(events: list[Json]) -> None:
    events[2]["data"] = {**events[2]["data"], "total": 1}


def rehash(events: list[Json]) -> None:
    events[2]["by"] = {**events[2]["by"], "name": "Another user"}
    events[2]["hash"] = earlier_hash(events[2])


def rehash_newest(events: list[Json]) -> None:
    events[-1]["data"] = {**events[-1]["data"], "total": 1}
    events[-1]["hash"] = earlier_hash(events[-1])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(set_field, "Event 3 was altered", id="a field"),
        pytest.param(rehash, "Event 4 was altered", id="one rehashed"),
        pytest.param(rehash_newest, f"Event {HEAD} was altered", id="the newest rehashed"),
        pytest.param(
            lambda events: events.pop(4), "Events 5 to 5 are missing, the last of them of", id="a missing one"
        ),
        pytest.param(lambda events: events.pop(0), "Events 1 to 1 are missing", id="the oldest missing"),
        pytest.param(lambda events: events.pop(), f"The newest event is {HEAD - 1}, but the head", id="no end"),
    ],
)
async def test_altered_events_are_still_named(
    documents: Documents, target: Database, tmp_path: Path, change: Callable[[list[Json]], Any], sentence: str
) -> None:
    documents["events"].sort(key=lambda event: int(event["seq"]))
    change(documents["events"])
    await read(write_version_1(documents, STORE, tmp_path / "altered"), target, STORE)
    found = [each for each in await verify(target, STORE) if "vent" in each]
    assert found
    assert found[0].startswith(sentence), found


@pytest.mark.parametrize("unhashed", [0, 5])
async def test_an_expired_beginning_is_not_missed(
    mongodb_url: str, documents: Documents, target: Database, tmp_path: Path, unhashed: int
) -> None:
    """Earlier archives recorded in the counters since when the beginning had expired."""
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    bare = [
        {name: each[name] for name in each if name not in ("prev_at", "prev", "hash")} for each in documents["events"]
    ]
    bare.sort(key=lambda event: int(event["seq"]))
    events = chained(({**each, **({"at": long_ago} if each["seq"] <= 4 else {})} for each in bare), unhashed)
    [counters] = documents["counters"]
    counters |= {"hash": events[-1]["hash"], "expired": long_ago + timedelta(days=1)}
    documents["events"] = events[4:]
    await read(write_version_1(documents, STORE, tmp_path / "expired"), target, STORE)
    assert [each for each in await verify(target, STORE) if "issing" in each or "altered" in each] == []
    async with opened(mongodb_url, database_name=target.name, store_id=STORE) as shop:
        assert (await shop.http.get("/api/events", params={"since": 3})).status_code == 410
        assert len((await shop.get("/api/events", since=4))["events"]) == HEAD - 4


async def test_an_archive_without_events_is_restored(
    mongodb_url: str, documents: Documents, target: Database, tmp_path: Path
) -> None:
    documents |= {"events": [], "requests": []}
    documents["counters"][0]["expired"] = datetime.now(UTC) + timedelta(days=1)
    await read(write_version_1(documents, STORE, tmp_path / "expired"), target, STORE)
    async with opened(mongodb_url, database_name=target.name, store_id=STORE) as shop:
        assert await verify(target, STORE) == []
        await shop.sale()
        assert await verify(target, STORE) == []


async def test_an_overtaken_restore_adds_no_keys(documents: Documents, target: Database) -> None:
    restores = []
    for _ in range(2):
        restore = Restore(target, STORE)
        await restore.begin(datetime.now(UTC), settings_of(target, STORE).event_retention_days)
        await restore.add("events", documents["events"])
        while not await groups_of(target, STORE):
            await asyncio.sleep(0.01)
        restores.append(restore)
    first, second = restores
    await first.add("requests", documents["requests"])
    with pytest.raises(DatabaseRefused, match="Another restore of this store has begun"):
        await first.add("requests", documents["requests"])
    await second.add("requests", documents["requests"][:1])
    assert await second.discard()
    assert await groups_of(target, STORE) == []
