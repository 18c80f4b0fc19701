"""The journal: groups, refusals, and faults of the database at each step."""

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo.errors import BulkWriteError
from pymongo.read_concern import ReadConcern

from app.clock import utc_now
from repositories.database.errors import NotFound, OutcomeUnknown, Unavailable
from repositories.journal.journal import Journal
from repositories.journal.transaction import Outcome
from repositories.sales.commands import ConvertEstimate, CreateDocument
from repositories.sales.void_commands import VoidOrder
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.public_ids import new_id
from schemas.journal.idempotency import RequestKey
from schemas.sales.bodies import EstimateBody, SaleBody
from schemas.sales.documents import draft, draft_sale
from tests.support.faults.failpoints import failing
from tests.support.payloads import estimate_body, sale_body
from tests.support.shop import DATABASE, OpenShop, Shop

KEY = (RequestKey("header:till-1", "the same"),)


def journal_of(shop: Shop, **options: Any) -> Journal:
    return Journal(shop.database, store=shop.store, zone=ZoneInfo("Asia/Kolkata"), clock=utc_now, **options)


def sale(keys: tuple[RequestKey, ...] = (), **changes: Any) -> CreateDocument:
    fields: Any = {**draft_sale(SaleBody().load(sale_body())), **changes}
    return CreateDocument(ORDERS, new_id(ORDERS, utc_now()), fields, keys=keys)


def estimate() -> CreateDocument:
    return CreateDocument(ESTIMATES, new_id(ESTIMATES, utc_now()), draft(EstimateBody().load(estimate_body())))


async def numbers(shop: Shop) -> list[int]:
    return [order["number"] async for order in shop.database.orders.find({"store": shop.store}).sort("number", 1)]


async def committed(shop: Shop) -> int:
    status = await shop.database.client.admin.command("serverStatus")
    return int(status["transactions"]["totalCommitted"])


async def test_waiting_commands_share_a_transaction(shop: Shop) -> None:
    journal = journal_of(shop)
    before = await committed(shop)
    await asyncio.gather(*(journal.submit(sale()) for _ in range(100)))
    assert await committed(shop) - before == 1
    assert await numbers(shop) == list(range(1, 101))


async def test_a_group_takes_no_more_than_its_limit(shop: Shop) -> None:
    journal = journal_of(shop, group_limit=10)
    before = await committed(shop)
    await asyncio.gather(*(journal.submit(sale()) for _ in range(25)))
    assert await committed(shop) - before == 3


async def test_a_refusal_affects_no_other_command_and_uses_no_number(shop: Shop) -> None:
    journal = journal_of(shop)
    outcomes = await asyncio.gather(
        journal.submit(sale()),
        journal.submit(ConvertEstimate("EST-NONE", "ORDER-X", "Cash")),
        journal.submit(sale()),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [Outcome, NotFound, Outcome]
    assert await numbers(shop) == [1, 2]


async def test_a_command_that_cannot_be_stored_fails_alone(shop: Shop) -> None:
    journal = journal_of(shop)
    outcomes = await asyncio.gather(
        journal.submit(sale()),
        journal.submit(sale(customer_address=object())),
        journal.submit(sale()),
        return_exceptions=True,
    )
    assert [isinstance(outcome, Outcome) for outcome in outcomes] == [True, False, True]
    assert await numbers(shop) == [1, 2]


async def test_a_duplicate_number_fails_only_commands_of_that_kind(shop: Shop) -> None:
    """Simulate a store whose counters were restored incorrectly."""
    rogue = {"_id": "ORDER-ROGUE", "store": shop.store, "number": 1}
    await shop.database.orders.insert_one(rogue)
    journal = journal_of(shop)
    outcomes = await asyncio.gather(journal.submit(sale()), journal.submit(estimate()), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [BulkWriteError, Outcome]
    await shop.database.orders.delete_one(rogue)


async def test_an_estimate_with_an_order_gets_no_second_one_even_if_it_is_not_marked(shop: Shop) -> None:
    """Simulate a restore of one collection without the other."""
    journal = journal_of(shop)
    quote = (await journal.submit(estimate())).answer["_id"]
    rogue = {"_id": "ORDER-ROGUE", "store": shop.store, "number": 9, "estimate_id": quote, "voided_at": None}
    await shop.database.orders.insert_one(rogue)
    with pytest.raises(BulkWriteError):
        await journal.submit(ConvertEstimate(quote, "ORDER-1", "Cash"))
    await shop.database.orders.delete_one(rogue)
    assert await numbers(shop) == []


async def test_a_used_sequence_number_is_not_used_again(shop: Shop) -> None:
    rogue = {"_id": {"store": shop.store, "last": 1}}
    await shop.database.log.insert_one(rogue)
    with pytest.raises(BulkWriteError):
        await journal_of(shop).submit(sale())
    await shop.database.log.delete_one(rogue)
    assert await numbers(shop) == []


async def test_a_commit_waits_for_the_journals_of_a_majority(shop: Shop) -> None:
    """Check the write concern that reaches the database."""
    pipeline: list[dict[str, Any]] = [{"$currentOp": {}}, {"$match": {"command.commitTransaction": 1}}]
    admin = shop.database.client.get_database("admin", read_concern=ReadConcern("local"))
    async with failing(shop.database, "commitTransaction", times=1, blockConnection=True, blockTimeMS=1_500) as is_held:
        selling = asyncio.ensure_future(journal_of(shop).submit(sale()))
        while not await is_held():
            assert not selling.done()
        (seen,) = await admin.aggregate(pipeline).to_list(None)
        await selling
    assert seen["command"]["writeConcern"] == {"w": "majority", "j": True}


async def test_an_order_is_voided_and_its_estimate_converted_again_in_one_group(shop: Shop) -> None:
    journal = journal_of(shop)
    quote = (await journal.submit(estimate())).answer["_id"]
    first = (await journal.submit(ConvertEstimate(quote, "ORDER-1", "Cash"))).answer["_id"]
    outcomes = await asyncio.gather(
        journal.submit(VoidOrder(first, quote, keep_estimate=True)),
        journal.submit(ConvertEstimate(quote, "ORDER-2", "Cash")),
        journal.submit(sale()),
    )
    assert [outcome.answer["number"] for outcome in outcomes] == [1, 2, 3]


async def test_the_same_key_twice_in_one_group_is_one_sale(shop: Shop) -> None:
    journal = journal_of(shop)
    outcomes = await asyncio.gather(*(journal.submit(sale(KEY)) for _ in range(5)))
    assert [outcome.replayed for outcome in outcomes] == [False, True, True, True, True]
    assert len({outcome.answer["_id"] for outcome in outcomes}) == 1
    assert await numbers(shop) == [1]


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("insert", {"errorCode": 112, "errorLabels": ["TransientTransactionError"], "namespace": f"{DATABASE}.orders"}),
        ("insert", {"closeConnection": True, "namespace": f"{DATABASE}.log"}),
        ("update", {"closeConnection": True, "namespace": f"{DATABASE}.counters"}),
        ("find", {"closeConnection": True, "namespace": f"{DATABASE}.counters"}),
        ("commitTransaction", {"closeConnection": True}),
        # The commit succeeds, but its answer is an error: the outcome is unknown until the commit is sent again.
        ("commitTransaction", {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}),
        ("commitTransaction", {"errorCode": 251, "errorLabels": ["TransientTransactionError"]}),
    ],
)
async def test_a_transient_fault_books_each_sale_once(shop: Shop, command: str, how: dict[str, Any]) -> None:
    journal = journal_of(shop)
    async with failing(shop.database, command, times=3, **how):
        await asyncio.gather(*(journal.submit(sale()) for _ in range(10)))
    assert await numbers(shop) == list(range(1, 11))


async def test_a_lasting_fault_is_unavailable_and_nothing_is_written(shop: Shop) -> None:
    journal = journal_of(shop, deadline=0.4)
    async with failing(shop.database, "insert", closeConnection=True):
        outcomes = await asyncio.gather(*(journal.submit(sale()) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    await journal.submit(sale())
    assert await numbers(shop) == [1]


async def test_a_command_that_waits_until_its_deadline_is_never_carried_out(shop: Shop) -> None:
    journal = journal_of(shop, deadline=0.3, group_limit=1)
    async with failing(shop.database, "commitTransaction", times=1, blockConnection=True, blockTimeMS=600):
        waiting = asyncio.gather(journal.submit(sale(KEY)), journal.submit(sale()), return_exceptions=True)
        assert [type(each) for each in await waiting] == [OutcomeUnknown, Unavailable]
    await journal.close()
    # The first was being committed, and has been since: a retry gets its answer.
    again = await journal_of(shop).submit(sale(KEY))
    assert again.replayed
    assert await numbers(shop) == [1]


async def test_a_cancelled_caller_does_not_affect_the_others(shop: Shop) -> None:
    journal = journal_of(shop)
    leaving = asyncio.ensure_future(journal.submit(sale()))
    staying = [asyncio.ensure_future(journal.submit(sale())) for _ in range(3)]
    await asyncio.sleep(0)
    leaving.cancel()
    outcomes = await asyncio.gather(*staying)
    assert sorted(outcome.answer["number"] for outcome in outcomes) == (await numbers(shop))[-3:]


async def test_closing_commits_waiting_commands_and_accepts_no_more(shop: Shop) -> None:
    journal = journal_of(shop)
    waiting = asyncio.ensure_future(journal.submit(sale()))
    await asyncio.sleep(0)
    await journal.close()
    assert (await waiting).answer["number"] == 1
    with pytest.raises(Unavailable):
        await journal.submit(sale())


async def test_two_journals_of_one_store_number_without_gaps(shop: Shop) -> None:
    first, second = journal_of(shop, group_limit=7), journal_of(shop, group_limit=5)
    await asyncio.gather(*(journal.submit(sale()) for journal in (first, second) for _ in range(60)))
    assert await numbers(shop) == list(range(1, 121))


async def test_sales_of_another_process_are_noticed(shop: Shop) -> None:
    first, second = journal_of(shop), journal_of(shop)
    for journal in (first, second, first, second):
        await journal.submit(sale())
    assert await numbers(shop) == [1, 2, 3, 4]


async def test_a_key_that_two_processes_use_at_once_is_one_sale(shop: Shop) -> None:
    journals = [journal_of(shop) for _ in range(4)]
    outcomes = await asyncio.gather(*(journal.submit(sale(KEY)) for journal in journals for _ in range(10)))
    assert len({outcome.answer["_id"] for outcome in outcomes}) == 1
    assert await numbers(shop) == [1]


async def test_an_unavailable_database_is_a_503_with_retry_after(open_shop: OpenShop) -> None:
    shop = await open_shop()
    async with failing(shop.database, "find", closeConnection=True):
        response = await shop.http.get("/api/estimates/all")
    assert response.status_code == 503
    assert response.headers["retry-after"].isdigit()
    assert response.json()["code"] == "database_unavailable"
