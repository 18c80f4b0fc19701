"""Connections of WebSockets and event streams end when their credential is revoked or expires."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any

import httpx
import pytest
import websockets

from endpoints.accounts.permissions import ALL
from endpoints.live.connections import CHECK_SECONDS, Connections
from repositories.accounts.credentials import CACHE_SECONDS, Credentials, TokenStatus
from schemas.core.collections import CREDENTIALS
from schemas.core.principals import Principal
from schemas.core.tokens import hash_token
from tests.migrations.test_indexes import recorded
from tests.support.clients.live_client import closed_with
from tests.support.clock import Clock
from tests.support.faults.failpoints import failing
from tests.support.shop import OpenShop, Shop
from tests.support.token_holders import TokenHolder, add_token_holder

NOT_SIGNED_IN, EXPIRED, FORBIDDEN = 4401, 4431, 4403
#: How long a connection may outlast its credential.
MOST_SECONDS = 5.0


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked more often than a shop needs."""
    monkeypatch.setattr("endpoints.live.connections.CHECK_SECONDS", 0.02)


async def _revoke(guest: TokenHolder, clock: Clock) -> None:
    await guest.revoke()


async def _end(guest: TokenHolder, clock: Clock) -> None:
    await guest.change(voided_at=clock.now)


async def _demote(guest: TokenHolder, clock: Clock) -> None:
    await guest.change(role="nobody")


async def _move(guest: TokenHolder, clock: Clock) -> None:
    await guest.change(belongs_to="elsewhere")


async def _expire(guest: TokenHolder, clock: Clock) -> None:
    clock.advance(hours=1)


@pytest.mark.parametrize(
    ("role", "end", "code", "status"),
    [
        ("viewer", _revoke, NOT_SIGNED_IN, 401),
        ("device", _revoke, NOT_SIGNED_IN, 401),
        ("viewer", _end, NOT_SIGNED_IN, 401),
        ("device", _end, NOT_SIGNED_IN, 401),
        ("cashier", _demote, FORBIDDEN, 403),
        ("owner", _move, FORBIDDEN, 404),
        ("viewer", _expire, EXPIRED, 401),
    ],
)
async def test_whoever_may_no_longer_is_let_go(
    open_shop: OpenShop,
    hasty: None,
    role: str,
    end: Callable[[TokenHolder, Clock], Awaitable[None]],
    code: int,
    status: int,
) -> None:
    """Sockets that came by header, by Basic and by ticket, and event streams; others stay, and hear on."""
    clock = Clock()
    shop = await open_shop(sign_in="on", clock=clock)
    guest, other = await add_token_holder(shop, role), await add_token_holder(shop, "device")
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(websockets.connect(shop.ws_url, additional_headers=guest.headers)),
            await stack.enter_async_context(websockets.connect(f"ws://x:{guest.token}@127.0.0.1:{shop.port}/ws")),
            await stack.enter_async_context(websockets.connect(f"{shop.ws_url}?ticket={await guest.ticket()}")),
        ]
        stays = await stack.enter_async_context(shop.listen(additional_headers=other.headers))
        by_header = await stack.enter_async_context(_stream(shop, headers=guest.headers))
        by_ticket = await stack.enter_async_context(_stream(shop, params={"ticket": await guest.ticket()}))
        for socket in (*sockets, stays):
            await socket.send("ping")
            assert await socket.recv() == "pong"
        await end(guest, clock)
        codes = await asyncio.gather(*(closed_with(socket) for socket in sockets))
        await asyncio.gather(*(_is_over(stream) for stream in (by_header, by_ticket)))
        assert codes == [code] * 3
        # Coming back is no use, at once.
        async with shop.listen(additional_headers=guest.headers) as again:
            assert await closed_with(again) == code
        refused = await shop.http.get("/api/events/stream", headers=guest.headers)
        assert refused.status_code == status
        await stays.send("ping")
        assert await stays.recv() == "pong"
        assert [connection.principal.id for connection in shop.state["connections"]] == [other.id]
    await _all_left(shop)


def _stream(shop: Shop, **options: Any) -> AbstractAsyncContextManager[httpx.Response]:
    return shop.http.stream("GET", "/api/events/stream", **options)


async def _is_over(stream: httpx.Response) -> None:
    assert stream.status_code == 200
    async with asyncio.timeout(30):
        async for _ in stream.aiter_bytes():
            pass


async def _all_left(shop: Shop) -> None:
    async with asyncio.timeout(30):
        while list(shop.state["connections"]) or shop.state["hub"].readers:
            await asyncio.sleep(0.01)


async def test_within_five_seconds_it_holds_for_those_who_come_and_for_those_who_are_there(open_shop: OpenShop) -> None:
    """With the real interval; a client that connects right after the revocation may be admitted, and is then closed."""
    shop = await open_shop(sign_in="on")
    guest = await add_token_holder(shop, "viewer")
    async with shop.listen(additional_headers=guest.headers) as early:
        await early.send("ping")
        await early.recv()
        await guest.revoke()
        async with shop.listen(additional_headers=guest.headers) as late:
            async with asyncio.timeout(30):
                assert await asyncio.gather(*map(closed_with, (early, late))) == [NOT_SIGNED_IN] * 2
    assert CACHE_SECONDS + CHECK_SECONDS < MOST_SECONDS


async def test_the_end_of_a_device_ends_those_who_signed_in_at_it(open_shop: OpenShop, hasty: None) -> None:
    shop = await open_shop(sign_in="on")
    device = await add_token_holder(shop, "device")
    cashier = await add_token_holder(shop, "cashier", device=device.id)
    async with shop.listen(additional_headers=cashier.headers) as socket:
        await device.change(voided_at=datetime.now(UTC))
        assert await closed_with(socket) == NOT_SIGNED_IN


async def test_what_ends_at_one_process_ends_at_all(open_shop: OpenShop, hasty: None) -> None:
    """Two servers on one store. Which one ended it does not matter: each looks for itself."""
    first = await open_shop(sign_in="on")
    second = await open_shop(sign_in="on", store_id=first.store)
    guest = await add_token_holder(first, "viewer")
    async with (
        first.listen(additional_headers=guest.headers) as here,
        second.listen(additional_headers=guest.headers) as there,
        websockets.connect(f"{second.ws_url}?ticket={await guest.ticket()}") as ticketed,
    ):
        for socket in (here, there, ticketed):
            await socket.send("ping")
            assert await socket.recv() == "pong"
        await guest.revoke()
        assert await asyncio.gather(*map(closed_with, (here, there, ticketed))) == [NOT_SIGNED_IN] * 3


async def test_while_the_database_is_away_nobody_is_shut_out(open_shop: OpenShop, hasty: None) -> None:
    clock = Clock()
    shop = await open_shop(sign_in="on", clock=clock)
    guest, expiring = await add_token_holder(shop, "device"), await add_token_holder(shop, "viewer")
    async with (
        shop.listen(additional_headers=guest.headers) as socket,
        shop.listen(additional_headers=expiring.headers) as brief,
    ):
        for each in (socket, brief):
            await each.send("ping")
            await each.recv()
        there = f"{shop.database.name}.{CREDENTIALS}"
        async with failing(shop.database, "find", namespace=there, closeConnection=True) as is_reached:
            async with asyncio.timeout(30):
                while not await is_reached():
                    await asyncio.sleep(0.01)
            await socket.send("ping")
            assert await socket.recv() == "pong"
            # What expires needs no database.
            clock.advance(hours=1)
            assert await closed_with(brief) == EXPIRED
            assert not shop.state["connections"]._watching._task.done()
        await guest.revoke()
        assert await closed_with(socket) == NOT_SIGNED_IN


async def test_a_thousand_screens_of_few_sign_ins_are_looked_at_in_three_queries(shop: Shop) -> None:
    """And what is asked for is a row for each sign-in, not for each screen."""
    credentials = Credentials(shop.database, shop.state["clock"])
    connections = Connections(credentials, shop.state["clock"])
    people = [await add_token_holder(shop, role) for role in ("device", "viewer", "cashier", "owner")]
    ended: list[int] = []
    for each in islice(cycle(people), 1_000):
        known = await credentials.resolve(each.token)
        assert known.principal is not None
        connections.add(known.principal, shop.store, ALL or frozenset(), ended.append)
    await people[0].revoke()
    async with recorded(shop.database) as commands:
        await connections._check(credentials)
    asked = {command["find"]: command["filter"]["_id"]["$in"] for command in commands if "find" in command}
    ours = {name: ids for name, ids in asked.items() if name in ("credentials", "users", "devices")}
    assert {name: len(ids) for name, ids in ours.items()} == {"credentials": 4, "users": 3}
    assert ended == [NOT_SIGNED_IN] * 250
    assert len(list(connections)) == 750


async def test_an_open_service_watches_nobody(shop: Shop) -> None:
    async with shop.listen() as socket:
        await socket.send("ping")
        await socket.recv()
        assert list(shop.state["connections"]) == []
        assert shop.state["connections"]._watching is None


async def test_known_is_what_the_rows_say(open_shop: OpenShop) -> None:
    """Each way in which a credential is invalid; many are checked in one query."""
    clock = Clock()
    shop = await open_shop(sign_in="on", clock=clock)
    credentials = Credentials(shop.database, clock)
    fine, ended, orphan = [await add_token_holder(shop, "viewer") for _ in range(3)]
    till, gone = await add_token_holder(shop, "device"), await add_token_holder(shop, "device")
    at_gone = await add_token_holder(shop, "cashier", device=gone.id)
    await ended.change(voided_at=clock.now)
    await gone.change(voided_at=clock.now)
    await shop.database[orphan.kind].delete_one({"_id": orphan.id})
    await shop.database[CREDENTIALS].update_one({"_id": hash_token(fine.token)}, {"$set": {"device": till.id}})
    digests = [hash_token(each.token) for each in (fine, ended, orphan, till, gone, at_gone)] + ["none"]
    known = list((await credentials.resolve_all(digests)).values())
    nobody = TokenStatus(None)
    expires_at = (await credentials.resolve_all(digests[:1]))[digests[0]].principal.expires_at  # type: ignore[union-attr]
    assert known == [
        TokenStatus(Principal(fine.id, "viewer", "viewer", None, till.id, digests[0], expires_at)),
        *(nobody, nobody),
        TokenStatus(Principal(till.id, "device", "device", None, till.id, digests[3])),
        *(nobody, nobody, nobody),
    ]
    clock.advance(hours=1)
    assert (await credentials.resolve_all(digests[:1]))[digests[0]] == TokenStatus(None, is_expired=True)
    assert (await credentials.resolve(fine.token)).is_expired
