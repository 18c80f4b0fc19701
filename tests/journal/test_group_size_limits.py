"""Groups are limited in bytes and in number, and small commands do not wait behind large ones."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import orjson
import pytest

from app.clock import utc_now
from repositories.journal.command import Command
from repositories.journal.command_sizes import LARGE_BYTES, LARGE_GROUP_BYTES, SMALL_GROUP_BYTES
from repositories.journal.journal import Journal
from repositories.sales.commands import ConvertEstimate, CreateDocument, ReplaceEstimate
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.public_ids import new_id
from schemas.sales.bodies import EstimateBody
from schemas.sales.documents import draft
from tests.journal.test_group_commit import journal_of, sale
from tests.journal.test_shared_journal import journal_of as shared_journal_of
from tests.support.faults.failpoints import failing
from tests.support.payloads import estimate_body, line
from tests.support.shop import OpenShop, Shop

#: As long as a body may be: 250 kB.
LONG = estimate_body([line(name=f"{number:03d} " + "x" * 480) for number in range(480)])
LONG_DRAFT = draft(EstimateBody().load(LONG))
SHORT_DRAFT = draft(EstimateBody().load(estimate_body()))


def large() -> CreateDocument:
    return CreateDocument(ESTIMATES, new_id(ESTIMATES, utc_now()), LONG_DRAFT)


def groups_of(journal: Journal) -> list[list[Command]]:
    """Return the list of groups that the journal tries from now on; each retry adds the group again."""
    groups: list[list[Command]] = []
    run = journal._transaction.run

    async def note(commands: Sequence[Command], *rest: Any) -> Any:
        groups.append(list(commands))
        return await run(commands, *rest)

    journal._transaction.run = note  # type: ignore[method-assign,assignment]
    return groups


def kinds_of(group: Sequence[Command]) -> set[bool]:
    return {command.bytes_written > LARGE_BYTES for command in group}


def bytes_of(group: Sequence[Command]) -> int:
    return sum(command.bytes_written for command in group)


async def test_groups_of_large_and_of_small_commands_alternate(shop: Shop) -> None:
    journal = journal_of(shop)
    groups = groups_of(journal)
    large_tasks = [large() for _ in range(40)]
    small_tasks = [sale() for _ in range(30)]
    mixed: list[Command] = [*large_tasks[:20], *small_tasks, *large_tasks[20:]]
    await asyncio.gather(*(journal.submit(command) for command in mixed))
    assert all(len(kinds_of(group)) == 1 for group in groups)
    assert all(bytes_of(group) <= LARGE_GROUP_BYTES or len(group) == 1 for group in groups)
    # All small commands came before the second group of large ones, and each size kept its order.
    place = next(index for index, group in enumerate(groups) if small_tasks[-1] in group)
    assert place <= 1
    done = [command for group in groups for command in group]
    assert [command for command in done if command in large_tasks] == large_tasks
    assert [command for command in done if command in small_tasks] == small_tasks
    await journal.close()


async def test_a_stream_of_small_commands_does_not_delay_a_large_one(shop: Shop) -> None:
    journal = journal_of(shop, group_limit=4)
    groups = groups_of(journal)
    first = [asyncio.ensure_future(journal.submit(sale())) for _ in range(40)]
    long = asyncio.ensure_future(journal.submit(large()))
    await asyncio.gather(*first, long)
    place = next(index for index, group in enumerate(groups) if True in kinds_of(group))
    assert place <= 2
    await journal.close()


@pytest.mark.parametrize("kind", ["convert", "shorten"])
async def test_documents_that_commands_read_count_for_the_size_of_a_group(shop: Shop, kind: str) -> None:
    """Send tiny requests, each of which changes a document of 250 kB."""
    journal = journal_of(shop)
    estimates = [large() for _ in range(24)]
    await asyncio.gather(*(journal.submit(command) for command in estimates))
    groups = groups_of(journal)
    tiny: list[Command] = [
        ConvertEstimate(each.document_id, new_id(ORDERS, utc_now()), "Cash")
        if kind == "convert"
        else ReplaceEstimate(each.document_id, SHORT_DRAFT)
        for each in estimates
    ]
    small_tasks = [sale() for _ in range(10)]
    outcomes = await asyncio.gather(*(journal.submit(command) for command in [*tiny, *small_tasks]))
    assert len(outcomes) == 34
    # The first try checks their sizes; from then on no group is too large.
    most = LARGE_GROUP_BYTES // bytes_of(estimates[:1])
    assert [len(group) for group in groups[1:] if tiny[0] in group or tiny[-1] in group] != []
    assert all(len(group) <= most for group in groups[1:] if not set(map(id, group)) & set(map(id, small_tasks)))
    last_small = max(index for index, group in enumerate(groups) if small_tasks[-1] in group)
    assert last_small < len(groups) - 3
    await journal.close()


async def test_a_group_of_small_commands_is_limited_in_bytes_too(shop: Shop) -> None:
    lines = [line(name="y" * 100) for _ in range(70)]
    middling = draft(EstimateBody().load(estimate_body(lines)))
    assert CreateDocument(ESTIMATES, "EST-1", middling).bytes_written <= LARGE_BYTES
    journal = journal_of(shop, group_limit=10_000)
    groups = groups_of(journal)
    commands = [CreateDocument(ESTIMATES, new_id(ESTIMATES, utc_now()), middling) for _ in range(400)]
    await asyncio.gather(*(journal.submit(command) for command in commands))
    assert len(groups) > 1
    assert all(bytes_of(group) <= SMALL_GROUP_BYTES for group in groups)
    await journal.close()


async def test_the_leader_limits_groups_of_forwarded_commands_too(open_shop: OpenShop) -> None:
    leader = await open_shop()
    other = await open_shop(store_id=leader.store)
    assert shared_journal_of(other).is_follower
    groups = groups_of(shared_journal_of(leader)._journal)
    commands: list[Command] = [*(large() for _ in range(12)), *(sale() for _ in range(12))]
    await asyncio.gather(*(shared_journal_of(other).submit(command) for command in commands))
    assert sum(map(len, groups)) == 24
    assert all(len(kinds_of(group)) == 1 for group in groups)
    assert all(bytes_of(group) <= LARGE_GROUP_BYTES or len(group) == 1 for group in groups)


async def test_a_group_that_is_too_large_is_committed_in_spite_of_faults(shop: Shop) -> None:
    journal = journal_of(shop)
    estimates = [large() for _ in range(8)]
    await asyncio.gather(*(journal.submit(command) for command in estimates))
    there = f"{shop.database.name}.estimates"
    async with failing(shop.database, "find", times=2, namespace=there, closeConnection=True):
        converts = [ConvertEstimate(each.document_id, new_id(ORDERS, utc_now()), "Cash") for each in estimates]
        await asyncio.gather(*(journal.submit(command) for command in converts))
    assert await shop.database.orders.count_documents({"store": shop.store}) == 8
    await journal.close()


async def test_a_sale_overtakes_large_requests_over_http(shop: Shop) -> None:
    """Replace many estimates of 250 kB: sales that come later are booked long before the last of them."""
    ids = [(await shop.estimate())["estimate_id"] for _ in range(32)]
    content = orjson.dumps(LONG)
    order: list[str] = []

    async def replace(estimate_id: str) -> None:
        headers = {"Content-Type": "application/json"}
        answer = await shop.http.put(f"/api/estimates/{estimate_id}", content=content, headers=headers)
        order.append("large" if answer.status_code == 200 else str(answer.status_code))
        if answer.status_code != 200:
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0

    async def sell() -> None:
        await shop.sale()
        order.append("sale")

    large_ones = [asyncio.create_task(replace(each)) for each in ids]
    await asyncio.sleep(0)
    await asyncio.gather(*(sell() for _ in range(3)))
    overtaken = order.count("large")
    await asyncio.gather(*large_ones)
    assert overtaken < len(ids) / 2
    assert order.count("large") > 0


async def test_a_slow_sender_of_a_large_body_does_not_block_others(open_shop: OpenShop) -> None:
    """Occupy all places for large bodies with slow clients; a fast client is still served."""
    shop = await open_shop()
    ids = [(await shop.estimate())["estimate_id"] for _ in range(5)]
    content, released = orjson.dumps(LONG), asyncio.Event()

    async def slowly() -> Any:
        yield content[:100_000]
        await released.wait()
        yield content[100_000:]

    headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    slow = [
        asyncio.create_task(shop.http.put(f"/api/estimates/{each}", content=slowly(), headers=headers))
        for each in ids[:4]
    ]
    await asyncio.sleep(0)
    quick: httpx.Response = await shop.http.put(f"/api/estimates/{ids[4]}", content=content, headers=headers)
    assert quick.status_code == 200, quick.text
    released.set()
    assert {answer.status_code for answer in await asyncio.gather(*slow)} == {200}
