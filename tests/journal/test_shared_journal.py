"""One journal for several processes: each command takes effect once, even if a process is killed or suspended."""

import asyncio
import os
import pickle
import secrets
import signal

import httpx
import pytest

from repositories.auditing.verification import verify
from repositories.database.errors import NotFound, OutcomeUnknown, StaleVersion, Unavailable
from repositories.leadership.shared_journal import SharedJournal
from repositories.sales.commands import CreateDocument
from schemas.core.errors import IllegalTransition, InvalidBody, ShopError
from tests.conftest import LongRun
from tests.support.payloads import sale_body
from tests.support.processes import Service, services
from tests.support.shop import OpenShop, Shop

pytestmark = pytest.mark.soak

SALE = "/api/orders/create-sale"


def journal_of(shop: Shop) -> SharedJournal:
    journal: SharedJournal = shop.state["journal"]
    return journal


@pytest.fixture
async def pair(open_shop: OpenShop) -> tuple[Shop, Shop]:
    """Open two services on one store: the first is the leader, the second follows it."""
    leader = await open_shop()
    follower = await open_shop(store_id=leader.store)
    assert not journal_of(leader).is_follower
    assert journal_of(follower).is_follower
    return leader, follower


async def test_sales_of_both_processes_share_one_sequence_of_numbers(pair: tuple[Shop, Shop]) -> None:
    sales = await asyncio.gather(*(shop.sale() for _ in range(40) for shop in pair))
    assert {sale["sale_number"] for sale in sales} == {f"#{number:03d}" for number in range(1, 81)}
    for shop in pair:
        assert (await shop.get("/api/orders/orders-only"))["orders"]["count"] == 80


async def test_a_refusal_by_the_leader_is_passed_on_unchanged(pair: tuple[Shop, Shop]) -> None:
    _, follower = pair
    estimate = await follower.estimate()
    converted = await follower.http.post(f"/api/estimates/{estimate['estimate_id']}/convert-to-order", json={})
    assert converted.status_code == 200
    again = {"payment_mode": "Card"}
    refusals = [
        await shop.http.post(f"/api/estimates/{estimate['estimate_id']}/convert-to-order", json=again) for shop in pair
    ]
    assert {refusal.status_code for refusal in refusals} == {400}
    assert refusals[0].json() | {"instance": ""} == refusals[1].json() | {"instance": ""}


async def test_a_key_is_valid_in_both_processes(pair: tuple[Shop, Shop]) -> None:
    key = {"Idempotency-Key": "till-1"}
    answers = [await shop.http.post(SALE, json=sale_body(), headers=key) for shop in (*pair, *pair)]
    assert len({answer.content for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true", "true", "true"]


async def test_changes_of_existing_documents_are_not_forwarded(pair: tuple[Shop, Shop]) -> None:
    _, follower = pair
    sale = await follower.sale()
    await follower.ok("PUT", f"/api/orders/{sale['order_id']}/status", params={"status": "Refunded"})
    assert (await follower.http.delete(f"/api/orders/{sale['order_id']}")).status_code == 200


@pytest.fixture
def no_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable polling of the event log, so that processes learn of a sale only by a notification."""
    monkeypatch.setattr("endpoints.live.log_tailer.POLL_SECONDS", 3_600.0)
    # Also the read of the log after a silence of the leader.
    monkeypatch.setattr("repositories.leadership.leader_connection._SILENCE_SECONDS", 3_600.0)


async def test_the_leader_notifies_its_follower(no_polling: None, pair: tuple[Shop, Shop]) -> None:
    for seller, other in (pair, pair[::-1]):
        async with other.listen() as screen:
            # The first may still come from the database, which a process watches until it follows the leader.
            for _ in range(3):
                sale = await seller.sale()
                assert sale["order_id"] in await asyncio.wait_for(screen.recv(), 20)


async def test_a_follower_becomes_the_leader_when_the_leader_closes(shop: Shop, mongodb_url: str) -> None:
    store = f"{shop.store}-closing"
    async with services(mongodb_url, store, 2) as (leader, follower), httpx.AsyncClient(timeout=20) as http:

        async def sell() -> list[int]:
            return [(await http.post(follower.url + SALE, json=sale_body())).status_code for _ in range(60)]

        selling = [asyncio.create_task(sell()) for _ in range(8)]
        await asyncio.sleep(0.2)
        await leader.stop()
        assert {status for each in await asyncio.gather(*selling) for status in each} == {201}
    assert await shop.database.orders.count_documents({"store": store}) == 8 * 60
    assert await verify(shop.database, store) == []


async def test_a_killed_process_neither_loses_nor_doubles_sales_of_the_others(
    shop: Shop, mongodb_url: str, long_run: LongRun
) -> None:
    """Sell without keys, so that only the service itself prevents duplicates."""
    store = f"{shop.store}-killing"
    async with services(mongodb_url, store, 3) as servers, httpx.AsyncClient(timeout=20) as http:
        for round_ in long_run.rounds(2, 30):
            victim, *others = servers[round_ % 3 :] + servers[: round_ % 3]
            before = await shop.database.orders.count_documents({"store": store})
            is_over = asyncio.Event()

            async def sell(server: Service) -> list[int]:
                statuses = []
                while not is_over.is_set():  # noqa: B023  (awaited in this very round)
                    statuses.append((await http.post(server.url + SALE, json=sale_body())).status_code)
                return statuses

            selling = [asyncio.create_task(sell(server)) for server in others for _ in range(6)]
            await asyncio.sleep(0.3)
            await victim.kill()
            await asyncio.sleep(1.5)
            is_over.set()
            statuses = [status for each in await asyncio.gather(*selling) for status in each]
            assert set(statuses) == {201}
            assert await shop.database.orders.count_documents({"store": store}) - before == len(statuses)
            await victim.start()
    assert await verify(shop.database, store) == []


async def test_commands_of_a_suspended_leader_are_committed_once(open_shop: OpenShop, mongodb_url: str) -> None:
    store = f"silent-{secrets.token_hex(6)}"
    async with services(mongodb_url, store, 1) as (leader,), httpx.AsyncClient(timeout=20) as http:
        follower = await open_shop(store_id=store)
        assert journal_of(follower).is_follower
        assert leader.pid is not None
        await follower.sale()
        os.kill(leader.pid, signal.SIGSTOP)
        try:
            await asyncio.gather(*(follower.sale() for _ in range(10)))
            # The follower has left the suspended leader, and commits itself without waiting.
            assert not journal_of(follower).is_follower
            await follower.sale()
        finally:
            os.kill(leader.pid, signal.SIGCONT)
        # The leader finds its earlier commands committed, and both processes go on together.
        async with asyncio.timeout(20):
            while not journal_of(follower).is_follower:
                await asyncio.sleep(0.02)
        await follower.sale()
        assert (await http.post(leader.url + SALE, json=sale_body())).status_code == 201
    assert await follower.database.orders.count_documents({"store": store}) == 14


async def test_a_socket_of_another_user_is_not_used(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    leader = await open_shop()
    monkeypatch.setattr("repositories.leadership.unix_socket.peer_user", lambda _: os.getuid() + 1)
    follower = await open_shop(store_id=leader.store)
    assert not journal_of(follower).is_follower
    assert (await follower.sale())["sale_number"] == "#001"
    assert (await leader.sale())["sale_number"] == "#002"


async def test_an_unexpected_error_of_the_leader_is_an_error_for_the_follower(pair: tuple[Shop, Shop]) -> None:
    _, follower = pair
    with pytest.raises(RuntimeError):
        await journal_of(follower).submit(CreateDocument("orders", "ORDER-BROKEN", {"payment_mode": "Cash"}))
    assert (await follower.sale())["sale_number"] == "#001"


@pytest.mark.parametrize(
    "refusal",
    [
        *(Unavailable(), Unavailable("Not now."), OutcomeUnknown(), NotFound("There is no such order.")),
        *(StaleVersion("Changed.", version=7), IllegalTransition("No.", allowed=["Cancelled"])),
        InvalidBody("Wrong.", [{"pointer": "/items", "detail": "is missing"}]),
    ],
)
def test_a_refusal_is_pickled_completely(refusal: ShopError) -> None:
    arrived = pickle.loads(pickle.dumps(refusal))  # noqa: S301
    assert (type(arrived), str(arrived), vars(arrived)) == (type(refusal), str(refusal), vars(refusal))
