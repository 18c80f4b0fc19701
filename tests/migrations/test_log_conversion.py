"""The conversion of the events and idempotency keys of earlier versions to the log."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo.errors import OperationFailure

from repositories.archive.restore import Restore
from repositories.archive.snapshot import open_snapshot
from repositories.auditing.verification import verify
from repositories.database.client import Database, close_in_background, connect
from repositories.database.errors import DatabaseRefused
from repositories.database.running_services import is_running
from repositories.event_log.event_log import EventLog
from repositories.migrations import log_conversion
from repositories.migrations.indexes import prepare
from repositories.migrations.log_conversion import convert_log, count_unconverted
from tests.journal.test_group_commit import journal_of, sale
from tests.server.test_startup import POS, ROOT, environment
from tests.support.account_commands import add_user
from tests.support.archives import busy_week, empty_database
from tests.support.earlier_store import EarlierStore, earlier_hash, make_earlier
from tests.support.event_log import groups_of, keys_of
from tests.support.faults.failpoints import failing
from tests.support.forked_pos import ForkedPos
from tests.support.payloads import line, sale_body
from tests.support.shop import Shop, opened

Json = dict[str, Any]
Change = Callable[[Database], Awaitable[Any]]

STORE = "main"
#: The number of events of the store.
HEAD = 20
CREATE = "/api/orders/create-sale"
#: Requests that have stored their answers, each under another kind of key.
REQUESTS: list[tuple[str, str, Json]] = [
    ("POST", CREATE, {"json": sale_body(customer_name="Ravi"), "headers": {"Idempotency-Key": "first"}}),
    ("POST", CREATE, {"json": sale_body(created_at="2026-12-01T10:20:30.5")}),
    ("POST", CREATE, {"json": sale_body([line(id=1_790_000_000_001)])}),
    ("POST", "/api/customers/create", {"json": {"name": "Asha"}, "headers": {"Idempotency-Key": "second"}}),
]


@dataclass(frozen=True)
class Traded:
    """A database with a store that has documents of each kind.

    :ivar documents: its content, by collection.
    :ivar events: as clients receive them.
    :ivar rows: its audit log.
    :ivar answers: the answers to `REQUESTS`.
    """

    database: Database
    documents: dict[str, list[Json]]
    events: list[Json]
    rows: list[Json]
    answers: list[str]


@pytest.fixture(scope="module")
async def traded(mongodb_url: str) -> AsyncIterator[Traded]:
    """Trade once, since that takes longer than the tests."""
    async with empty_database(mongodb_url) as database:
        async with opened(mongodb_url, database_name=database.name, store_id=STORE) as shop:
            await busy_week(shop)
            await add_user(shop)
            answers = [(await shop.http.request(method, path, **options)).text for method, path, options in REQUESTS]
            journal = shop.state["stores"].home.journal
            await asyncio.gather(*(journal.submit(sale()) for _ in range(5)))
            # Without those that only owners see: of the user and of the customer.
            while len(events := (await shop.get("/api/events", since=0))["events"]) < HEAD - 2:
                await asyncio.sleep(0.02)
            rows = await audit(shop)
        names = [name for name in await database.list_collection_names() if not name.startswith("system.")]
        documents = {name: await database[name].find({}).to_list(None) for name in names}
        yield Traded(database, documents, events, rows, answers)


@pytest.fixture
async def database(traded: Traded) -> Database:
    """Return that database with its first content."""
    for name in ("events", "requests"):
        await traded.database.drop_collection(name)
    for name, documents in traded.documents.items():
        await traded.database[name].delete_many({})
        if documents:
            await traded.database[name].insert_many(documents)
    return traded.database


@pytest.fixture
async def earlier(database: Database) -> Database:
    """Return a database with a store of an earlier version."""
    await make_earlier(database, STORE)
    return database


async def audit(shop: Shop) -> list[Json]:
    """Return the audit log without the hashes."""
    return [{**row, "hash": None} for row in await shop.get("/api/audit", limit=500)]


async def is_converted(database: Database) -> bool:
    return await count_unconverted(database, STORE) == 0


async def test_a_store_of_an_earlier_version_is_converted_when_it_is_opened(
    mongodb_url: str, earlier: Database, traded: Traded
) -> None:
    assert await count_unconverted(earlier, STORE) == HEAD + 5
    async with opened(mongodb_url, database_name=earlier.name, store_id=STORE) as shop:
        assert await is_converted(earlier)
        assert (await shop.get("/api/events", since=0))["events"] == traded.events
        assert await audit(shop) == traded.rows
        assert await verify(earlier, STORE) == []
        for (method, path, options), answer in zip(REQUESTS, traded.answers, strict=True):
            again = await shop.http.request(method, path, **options)
            assert (again.headers["idempotent-replayed"], again.text) == ("true", answer)
        # Keys are still compared, released and used again.
        other = sale_body([line(id=1_790_000_000_001)], payment_mode="Card")
        refused = await shop.http.post(CREATE, json=other)
        assert (refused.status_code, refused.json()["code"]) == (409, "sold_otherwise")
        await shop.ok("DELETE", f"/api/orders/{refused.json()['order_id']}")
        assert (await shop.http.post(CREATE, json=other)).status_code == 201
        assert await verify(earlier, STORE) == []


async def test_another_store_is_converted_when_it_is_used(mongodb_url: str, earlier: Database) -> None:
    async with opened(mongodb_url, database_name=earlier.name, store_id="other") as shop:
        assert not await is_converted(earlier)
        await shop.state["stores"].state(STORE)
        assert await is_converted(earlier)
    assert await verify(earlier, STORE) == []


async def test_consecutive_events_share_documents(earlier: Database) -> None:
    """They expire together, so they are close together in time too."""
    [middle] = await earlier.events.find({"seq": 8}).to_list(None)
    await earlier.events.update_many({"seq": {"$gte": 8}}, {"$set": {"at": middle["at"] + timedelta(hours=2)}})
    await convert_log(earlier, STORE)
    [before, after] = await groups_of(earlier, STORE)
    assert (before["first"], before["_id"]["last"], after["first"]) == (1, 7, 8)
    assert [group["at"] for group in (before, after)] == [group["events"][-1]["at"] for group in (before, after)]
    assert after["prev_at"] == before["at"]
    assert await keys_of(earlier, STORE) == after["requests"]


async def test_a_store_that_is_not_converted_is_refused(mongodb_url: str, earlier: Database) -> None:
    refusal = "run `pos migrate`"
    with pytest.raises(DatabaseRefused, match=refusal):
        await verify(earlier, STORE)
    with pytest.raises(DatabaseRefused, match=refusal):
        async with open_snapshot(earlier, STORE):
            pass
    async with opened(mongodb_url, database_name=earlier.name, store_id="other") as other:
        shop = Shop(other.http, earlier, STORE, other.port, other.app, other.state)
        with pytest.raises(DatabaseRefused, match=refusal):
            await journal_of(shop).submit(sale())
    assert not await is_converted(earlier)


# What the earlier chain shows is not lost.


async def set_field(database: Database, seq: int, **changes: Any) -> None:
    assert (await database.events.update_one({"seq": seq}, {"$set": changes})).modified_count == 1


async def rehash(database: Database, seq: int) -> None:
    """Alter an event, and store the hash of its new content."""
    event = await database.events.find_one({"seq": seq})
    assert event is not None
    event["by"]["name"] = "Another user"
    await database.events.replace_one({"_id": event["_id"]}, {**event, "hash": earlier_hash(event)})


async def strip(database: Database, seq: int) -> None:
    await database.events.update_one({"seq": seq}, {"$unset": {"prev": "", "hash": ""}})


async def swap(database: Database) -> None:
    """Swap two events, which keep their numbers."""
    one, other = await database.events.find({"seq": {"$in": [3, 4]}}).sort("seq", 1).to_list(None)
    for event, place in ((one, other), (other, one)):
        await database.events.replace_one({"_id": place["_id"]}, {**event, "_id": place["_id"], "seq": place["seq"]})


async def remove(database: Database, seq: int) -> None:
    assert (await database.events.delete_one({"seq": seq})).deleted_count == 1


async def remove_newest(database: Database) -> None:
    """Remove the newest event, and set the head back."""
    counters = await database.counters.find_one_and_update({"_id": STORE}, {"$inc": {"head": -1}})
    assert counters is not None
    await remove(database, counters["head"])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        pytest.param(lambda it: set_field(it, 3, **{"data.total": 1}), "Event 3 was altered", id="a field"),
        pytest.param(lambda it: set_field(it, 1, **{"by.name": "X"}), "Event 1 was altered", id="the oldest"),
        pytest.param(lambda it: set_field(it, 3, note="x"), "Event 3 was altered", id="a field more"),
        pytest.param(lambda it: set_field(it, HEAD, action="update"), f"Event {HEAD} was altered", id="the newest"),
        pytest.param(lambda it: remove(it, 4), "Events 4 to 4 are missing, the last of them of", id="a missing one"),
        pytest.param(lambda it: remove(it, 1), "Events 1 to 1 are missing, the last of them of", id="no beginning"),
        pytest.param(lambda it: remove(it, HEAD), f"The newest event is {HEAD - 1}, but the head", id="no end"),
        pytest.param(remove_newest, f"Event {HEAD - 1} was altered", id="the newest missing"),
        pytest.param(swap, "Event 3 was altered", id="two swapped"),
        pytest.param(lambda it: rehash(it, 4), "Event 5 was altered, or the one before", id="one rehashed"),
        pytest.param(lambda it: rehash(it, HEAD), f"Event {HEAD} was altered", id="the newest rehashed"),
        pytest.param(lambda it: strip(it, 4), "Event 4 was altered", id="one without a hash"),
        pytest.param(lambda it: strip(it, 1), "Event 1 was altered", id="the oldest without a hash"),
    ],
)
async def test_altered_events_are_still_named_after_the_conversion(
    mongodb_url: str, earlier: Database, monkeypatch: pytest.MonkeyPatch, change: Change, sentence: str
) -> None:
    monkeypatch.setattr(log_conversion, "_BATCH", 4)
    await change(earlier)
    await convert_log(earlier, STORE)
    found = [each for each in await verify(earlier, STORE) if "vent" in each]
    assert found
    assert found[0].startswith(sentence), found
    async with opened(mongodb_url, database_name=earlier.name, store_id=STORE) as shop:
        await shop.sale()
        assert any("vent" in each for each in await verify(earlier, STORE))


async def test_an_altered_event_is_named_until_it_expires(mongodb_url: str, earlier: Database) -> None:
    await set_field(earlier, 3, **{"data.total": 1})
    async with opened(mongodb_url, database_name=earlier.name, store_id=STORE) as shop:
        assert "Event 3 was altered" in str(await verify(earlier, STORE))
        await shop.sale()
        await shop.expire(HEAD)
        assert await verify(earlier, STORE) == []


@pytest.mark.parametrize("unhashed", [1, 5, HEAD])
async def test_events_from_before_the_chain_are_converted(
    mongodb_url: str, database: Database, traded: Traded, unhashed: int
) -> None:
    await make_earlier(database, STORE, unhashed=unhashed)
    async with opened(mongodb_url, database_name=database.name, store_id=STORE) as shop:
        assert (await shop.get("/api/events", since=0))["events"] == traded.events
        assert [row["seq"] for row in await audit(shop) if row["by"] is None] == list(range(unhashed, 0, -1))
        assert await verify(database, STORE) == []
        await shop.sale()
        assert await verify(database, STORE) == []


@pytest.mark.parametrize(
    ("unhashed", "change", "sentence"),
    [
        pytest.param(5, lambda it: strip(it, 6), "Event 6 was altered", id="without its hash"),
        pytest.param(5, lambda it: set_field(it, 7, note="x"), "Event 7 was altered", id="a field more"),
        pytest.param(5, lambda it: remove(it, 3), "Events 3 to 3 are missing: too young", id="a missing early one"),
        pytest.param(5, lambda it: remove(it, 6), "Events 6 to 6 are missing", id="a missing first one with a hash"),
    ],
)
async def test_events_after_the_chain_began_need_a_hash(
    database: Database, unhashed: int, change: Change, sentence: str
) -> None:
    await make_earlier(database, STORE, unhashed=unhashed)
    await change(database)
    await convert_log(database, STORE)
    assert (await verify(database, STORE))[0].startswith(sentence)


@pytest.mark.parametrize("unhashed", [0, 5])
async def test_what_an_earlier_retention_has_deleted_is_not_missed(
    mongodb_url: str, database: Database, unhashed: int
) -> None:
    """It was one day, and the shop has sold nothing for a week."""
    await make_earlier(database, STORE, unhashed=unhashed, retention_days=1)
    week_ago = datetime.now(UTC) - timedelta(days=7)
    events = await database.events.find({}).sort("seq", 1).to_list(None)
    before, at = bytes(32), None
    for event in events:
        event["at"] = week_ago if event["seq"] <= 7 else event["at"]
        if "hash" in event:
            event |= {"prev_at": at, "prev": before}
            event["hash"] = before = earlier_hash(event)
            at = event["at"]
        await database.events.replace_one({"_id": event["_id"]}, event)
    await database.counters.update_one({"_id": STORE}, {"$set": {"hash": before}})
    await database.events.delete_many({"seq": {"$lte": 7}})
    await convert_log(database, STORE)
    assert [line for line in await verify(database, STORE) if "issing" in line] == []
    async with opened(mongodb_url, database_name=database.name, store_id=STORE) as shop:
        assert await EventLog(database, STORE).oldest_seq() == 8
        assert (await shop.http.get("/api/events", params={"since": 6})).status_code == 410


async def test_a_store_whose_events_have_all_expired_is_converted(mongodb_url: str, earlier: Database) -> None:
    await earlier.events.delete_many({})
    expired = {"expired": datetime.now(UTC) + timedelta(days=1)}
    await earlier.counters.update_one({"_id": STORE}, {"$set": expired})
    async with opened(mongodb_url, database_name=earlier.name, store_id=STORE) as shop:
        assert await verify(earlier, STORE) == []
        await shop.sale()
        assert await verify(earlier, STORE) == []
    # No client repeats a request after so long, so its key is not needed.
    assert await is_converted(earlier)


# Interruptions.


async def outcome(database: Database) -> tuple[list[Json], Json]:
    """Return the log and the counters that a conversion has left."""
    counters = await database.counters.find_one({"_id": STORE})
    assert counters is not None
    return await groups_of(database, STORE), {name: each for name, each in counters.items() if name != "expired"}


#: What the database may fail to do, in which collection.
STEPS = [("insert", "log"), ("update", "log"), ("update", "counters"), ("delete", "requests"), ("delete", "events")]
FAULTS: list[tuple[str, Json]] = [
    *((command, {"namespace": name, "errorCode": 1}) for command, name in STEPS),
    # The commit succeeds, and the process does not learn it.
    ("commitTransaction", {"writeConcernError": {"code": 100, "errmsg": "not enough members"}}),
]


@pytest.mark.parametrize(("command", "how"), FAULTS)
async def test_a_conversion_that_is_interrupted_at_any_step_is_repeated(
    earlier: Database, monkeypatch: pytest.MonkeyPatch, command: str, how: Json
) -> None:
    monkeypatch.setattr(log_conversion, "_BATCH", 4)
    # What is found before an interruption is not forgotten.
    await set_field(earlier, 2, note="x")
    await set_field(earlier, 11, note="x")
    store = EarlierStore(earlier, STORE)
    await store.remember()
    await convert_log(earlier, STORE)
    expected = await outcome(earlier)
    assert expected[1]["altered"] == [2, 11]
    if "namespace" in how:
        how = {**how, "namespace": f"{earlier.name}.{how['namespace']}"}
    for skipped in range(40):
        await store.put_back()
        async with failing(earlier, command, skip=skipped, **how):
            try:
                await convert_log(earlier, STORE)
            except OperationFailure:
                is_interrupted = True
            else:
                is_interrupted = False
        await convert_log(earlier, STORE)
        assert await outcome(earlier) == expected
        assert await is_converted(earlier)
        if not is_interrupted:
            break
    assert 1 <= skipped < 39


async def test_several_processes_may_convert_a_store_at_once(
    mongodb_url: str, earlier: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_conversion, "_BATCH", 4)
    store = EarlierStore(earlier, STORE)
    await store.remember()
    await convert_log(earlier, STORE)
    expected = await outcome(earlier)
    clients = [connect(mongodb_url) for _ in range(4)]
    for _ in range(3):
        await store.put_back()
        await asyncio.gather(*(convert_log(client[earlier.name], STORE) for client in clients))
        assert await outcome(earlier) == expected
        assert await is_converted(earlier)
    for client in clients:
        close_in_background(client)


async def test_a_conversion_leaves_other_stores_and_foreign_documents_alone(earlier: Database) -> None:
    foreign = [{"store": STORE, "name": "concert"}, {"name": "fair"}]
    await earlier.events.drop_indexes()
    await earlier.events.insert_many([dict(each) for each in foreign])
    await earlier.events.insert_one({"store": "branch", "seq": 1})
    await convert_log(earlier, STORE)
    left = await earlier.events.find({}, {"_id": 0}).sort("_id", 1).to_list(None)
    assert left == [*foreign, {"store": "branch", "seq": 1}]
    assert await verify(earlier, STORE) == []


async def test_events_beyond_the_head_are_not_converted_or_deleted(earlier: Database) -> None:
    """A discarded restore of an earlier version left them, or a service that was not stopped wrote them."""
    late = {"store": STORE, "seq": HEAD + 1, "type": "order"}
    await earlier.events.insert_one(dict(late))
    for _ in range(2):
        await convert_log(earlier, STORE)
        assert await earlier.events.find({}, {"_id": 0}).to_list(None) == [late]
        assert await verify(earlier, STORE) == []


async def test_a_discarded_restore_of_an_earlier_version_leaves_nothing(earlier: Database) -> None:
    await Restore(earlier, "branch").begin(datetime.now(UTC), 90)
    await earlier.events.insert_one({"store": "branch", "seq": 1})
    await earlier.requests.insert_one({"store": "branch", "key": "one"})
    assert await Restore(earlier, "branch").discard() is True
    assert await count_unconverted(earlier, "branch") == 0


async def test_a_store_on_which_an_earlier_service_runs_is_not_converted(earlier: Database) -> None:
    async def follow() -> None:
        async for _ in EventLog(earlier, STORE).notifications():
            pass

    service = asyncio.create_task(follow())
    try:
        async with asyncio.timeout(30):
            while not await is_running(earlier, STORE):
                await asyncio.sleep(0.05)
        with pytest.raises(DatabaseRefused, match="A service of an earlier version runs on store 'main'"):
            await convert_log(earlier, STORE)
    finally:
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)
    assert await count_unconverted(earlier, STORE) > 0


async def test_a_collection_of_another_program_with_the_new_name_is_refused(earlier: Database) -> None:
    await earlier.drop_collection("log")
    await earlier.log.insert_one({"at": datetime(2020, 1, 1, tzinfo=UTC), "text": "x"})
    with pytest.raises(DatabaseRefused, match="under names that this service needs: log"):
        await prepare(earlier, STORE, ZoneInfo("Asia/Kolkata"), 90)
    assert await earlier.log.count_documents({}) == 1


async def test_a_demo_can_be_replaced_after_the_conversion(earlier: Database) -> None:
    counters = await earlier.counters.find_one({"_id": STORE})
    assert counters is not None
    await earlier.counters.update_one({"_id": STORE}, {"$set": {"demo": {"place": {"hash": counters["hash"]}}}})
    await convert_log(earlier, STORE)
    converted = await earlier.counters.find_one({"_id": STORE})
    assert converted is not None
    assert converted["demo"]["place"]["hash"] == converted["hash"] != counters["hash"]


async def test_a_malformed_event_is_named_and_a_key_without_an_answer_is_left_out(earlier: Database) -> None:
    await earlier.requests.insert_one({"store": STORE, "key": "odd", "fingerprint": "", "answer": None})
    await set_field(earlier, 3, at="yesterday")
    with pytest.raises(DatabaseRefused, match="Event 3 of an earlier version has not the form of an event"):
        await convert_log(earlier, STORE)
    event = await earlier.events.find_one({"seq": 2})
    assert event is not None
    await set_field(earlier, 3, at=event["at"])
    await convert_log(earlier, STORE)
    assert "odd" not in {each["key"] for each in await keys_of(earlier, STORE)}


async def test_many_keys_are_spread_over_the_newest_documents(
    earlier: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store of 2,000 sales a day has 60,000 of them, which are larger than a document may be."""
    monkeypatch.setattr("repositories.event_log.earlier_events._MOST_EVENTS", 4)
    monkeypatch.setattr(log_conversion, "_BATCH", 10)
    monkeypatch.setattr(log_conversion, "_ROOM", 12_000)
    [answer] = await earlier.requests.find({}).limit(1).to_list(1)
    rows = [{**answer, "_id": f"more {n}", "key": f"more {n:03d}"} for n in range(40)]
    await earlier.requests.insert_many(rows)
    keys = {each["key"] for each in await earlier.requests.find({}).to_list(None)}
    await convert_log(earlier, STORE)
    counts = [len(group.get("requests", ())) for group in await groups_of(earlier, STORE)]
    assert {each["key"] for each in await keys_of(earlier, STORE)} == keys
    assert sum(counts) == len(keys)
    assert counts[0] == 0
    assert len([count for count in counts if count]) > 1


# The command.


def test_pos_migrate_converts_all_stores_with_a_progress_bar(
    mongodb_url: str, forked_pos: ForkedPos, earlier: Database
) -> None:
    names = environment(MONGODB_URL=mongodb_url, DATABASE_NAME=earlier.name, STORE_ID="other", TERM="xterm")
    ours, theirs = os.openpty()
    with subprocess.Popen(
        (*POS, "migrate"), cwd=ROOT, env=names, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        # The terminal ends with its last process.
        with suppress(OSError):
            while True:
                said += os.read(ours, 65_536)
        os.close(ours)
        assert process.wait() == 0, said
    assert b"Log" in said
    assert b"25/25" in said
    for _ in range(2):
        assert forked_pos.run("migrate", environment=names).returncode == 0
    assert forked_pos.run("verify", environment={**names, "STORE_ID": STORE}).returncode == 0


async def test_a_killed_migration_is_repeated(mongodb_url: str, earlier: Database, pos: Any, pos_process: Any) -> None:
    names = {"database": earlier.name}
    assert "run `pos migrate`" in pos("verify", STORE_ID=STORE, **names).stderr
    there = f"{earlier.name}.requests"
    async with failing(
        earlier, "delete", skip=0, namespace=there, blockConnection=True, blockTimeMS=1_000
    ) as is_reached:
        process = await pos_process("migrate", **names)
        async with asyncio.timeout(30):
            while not await is_reached():
                await asyncio.sleep(0.01)
        process.kill()
        await process.wait()
    assert "run `pos migrate`" in pos("verify", STORE_ID=STORE, **names).stderr
    assert pos("migrate", **names).returncode == 0
    assert pos("verify", STORE_ID=STORE, **names).returncode == 0
    assert await is_converted(earlier)
