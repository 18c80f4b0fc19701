"""One journal for several processes: handed over, answered, and booked once whoever is killed or falls silent."""

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
    journal: SharedJournal = shop.state["orders"]._journal
    return journal


@pytest.fixture
async def pair(open_shop: OpenShop) -> tuple[Shop, Shop]:
    """Two services on one store: the first keeps the journal, the second hands its sales over."""
    keeper = await open_shop()
    guest = await open_shop(store_id=keeper.store)
    assert not journal_of(keeper).is_follower
    assert journal_of(guest).is_follower
    return keeper, guest


async def test_sales_of_both_are_numbered_in_one_row(pair: tuple[Shop, Shop]) -> None:
    sales = await asyncio.gather(*(shop.sale() for _ in range(40) for shop in pair))
    assert {sale["sale_number"] for sale in sales} == {f"#{number:03d}" for number in range(1, 81)}
    for shop in pair:
        assert (await shop.get("/api/orders/orders-only"))["orders"]["count"] == 80


async def test_what_was_refused_is_refused_in_the_same_words(pair: tuple[Shop, Shop]) -> None:
    _, guest = pair
    estimate = await guest.estimate()
    converted = await guest.http.post(f"/api/estimates/{estimate['estimate_id']}/convert-to-order", json={})
    assert converted.status_code == 200
    again = {"payment_mode": "Card"}
    refusals = [
        await shop.http.post(f"/api/estimates/{estimate['estimate_id']}/convert-to-order", json=again) for shop in pair
    ]
    assert {refusal.status_code for refusal in refusals} == {400}
    assert refusals[0].json() | {"instance": ""} == refusals[1].json() | {"instance": ""}


async def test_a_key_holds_for_both(pair: tuple[Shop, Shop]) -> None:
    key = {"Idempotency-Key": "till-1"}
    answers = [await shop.http.post(SALE, json=sale_body(), headers=key) for shop in (*pair, *pair)]
    assert len({answer.content for answer in answers}) == 1
    assert [answer.headers.get("idempotent-replayed") for answer in answers] == [None, "true", "true", "true"]


async def test_changes_of_what_exists_are_not_handed_over(pair: tuple[Shop, Shop]) -> None:
    _, guest = pair
    sale = await guest.sale()
    await guest.ok("PUT", f"/api/orders/{sale['order_id']}/status", params={"status": "Refunded"})
    assert (await guest.http.delete(f"/api/orders/{sale['order_id']}")).status_code == 200


@pytest.fixture
def no_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no process look at the log by itself, so that only a notification tells it of a sale."""
    monkeypatch.setattr("endpoints.live.log_tailer.POLL_SECONDS", 3_600.0)
    # Nor look because nothing was heard of the keeper.
    monkeypatch.setattr("repositories.leadership.leader_connection._SILENCE_SECONDS", 3_600.0)


async def test_the_doorbell_of_the_keeper_rings_for_both(no_polling: None, pair: tuple[Shop, Shop]) -> None:
    for seller, other in (pair, pair[::-1]):
        async with other.listen() as screen:
            # The first may still be heard from the database, which a process listens to until it has found the keeper.
            for _ in range(3):
                sale = await seller.sale()
                assert sale["order_id"] in await asyncio.wait_for(screen.recv(), 20)


async def test_when_the_keeper_closes_its_guest_takes_over(shop: Shop, mongodb_url: str) -> None:
    store = f"{shop.store}-closing"
    async with services(mongodb_url, store, 2) as (keeper, guest), httpx.AsyncClient(timeout=20) as http:

        async def sell() -> list[int]:
            return [(await http.post(guest.url + SALE, json=sale_body())).status_code for _ in range(60)]

        selling = [asyncio.create_task(sell()) for _ in range(8)]
        await asyncio.sleep(0.2)
        await keeper.stop()
        assert {status for each in await asyncio.gather(*selling) for status in each} == {201}
    assert await shop.database.orders.count_documents({"store": store}) == 8 * 60
    assert await verify(shop.database, store) == []


async def test_whoever_is_killed_every_sale_that_was_sent_to_another_is_booked_once(
    shop: Shop, mongodb_url: str, long_run: LongRun
) -> None:
    """Sales without a key, so that nothing but the service itself can keep them from being booked twice."""
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


async def test_a_keeper_that_is_silent_is_left_and_what_it_was_given_is_booked_once(
    open_shop: OpenShop, mongodb_url: str
) -> None:
    store = f"silent-{secrets.token_hex(6)}"
    async with services(mongodb_url, store, 1) as (keeper,), httpx.AsyncClient(timeout=20) as http:
        guest = await open_shop(store_id=store)
        assert journal_of(guest).is_follower
        assert keeper.pid is not None
        await guest.sale()
        os.kill(keeper.pid, signal.SIGSTOP)
        try:
            await asyncio.gather(*(guest.sale() for _ in range(10)))
            # The guest has left the silent process: it commits by itself, and waits for nobody.
            assert not journal_of(guest).is_follower
            await guest.sale()
        finally:
            os.kill(keeper.pid, signal.SIGCONT)
        # What it was given before it was stopped it finds done, and both go on together.
        async with asyncio.timeout(20):
            while not journal_of(guest).is_follower:
                await asyncio.sleep(0.02)
        await guest.sale()
        assert (await http.post(keeper.url + SALE, json=sale_body())).status_code == 201
    assert await guest.database.orders.count_documents({"store": store}) == 14


async def test_a_socket_in_the_hands_of_another_user_is_not_used(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = await open_shop()
    monkeypatch.setattr("repositories.leadership.unix_socket.peer_user", lambda _: os.getuid() + 1)
    guest = await open_shop(store_id=keeper.store)
    assert not journal_of(guest).is_follower
    assert (await guest.sale())["sale_number"] == "#001"
    assert (await keeper.sale())["sale_number"] == "#002"


async def test_an_outcome_that_is_no_refusal_is_an_error_for_the_guest_too(pair: tuple[Shop, Shop]) -> None:
    _, guest = pair
    with pytest.raises(RuntimeError):
        await journal_of(guest).submit(CreateDocument("orders", "ORDER-BROKEN", {"payment_mode": "Cash"}))
    assert (await guest.sale())["sale_number"] == "#001"


@pytest.mark.parametrize(
    "refusal",
    [
        *(Unavailable(), Unavailable("Not now."), OutcomeUnknown(), NotFound("There is no such order.")),
        *(StaleVersion("Changed.", version=7), IllegalTransition("No.", allowed=["Cancelled"])),
        InvalidBody("Wrong.", [{"pointer": "/items", "detail": "is missing"}]),
    ],
)
def test_a_refusal_travels_whole(refusal: ShopError) -> None:
    arrived = pickle.loads(pickle.dumps(refusal))  # noqa: S301
    assert (type(arrived), str(arrived), vars(arrived)) == (type(refusal), str(refusal), vars(refusal))
