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
def frequent_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check connections more often than in production."""
    monkeypatch.setattr("endpoints.live.connections.CHECK_SECONDS", 0.02)


async def _revoke(holder: TokenHolder, clock: Clock) -> None:
    await holder.revoke()


async def _end(holder: TokenHolder, clock: Clock) -> None:
    await holder.change(voided_at=clock.now)


async def _demote(holder: TokenHolder, clock: Clock) -> None:
    await holder.change(role="none")


async def _move(holder: TokenHolder, clock: Clock) -> None:
    await holder.change(belongs_to="elsewhere")


async def _expire(holder: TokenHolder, clock: Clock) -> None:
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
async def test_connections_close_when_their_credential_ends(
    open_shop: OpenShop,
    frequent_checks: None,
    role: str,
    end: Callable[[TokenHolder, Clock], Awaitable[None]],
    code: int,
    status: int,
) -> None:
    """Close sockets that signed in by header, Basic and ticket, and event streams. Those of others stay open."""
    clock = Clock()
    shop = await open_shop(sign_in="on", clock=clock)
    holder, other = await add_token_holder(shop, role), await add_token_holder(shop, "device")
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(websockets.connect(shop.ws_url, additional_headers=holder.headers)),
            await stack.enter_async_context(websockets.connect(f"ws://x:{holder.token}@127.0.0.1:{shop.port}/ws")),
            await stack.enter_async_context(websockets.connect(f"{shop.ws_url}?ticket={await holder.ticket()}")),
        ]
        unaffected = await stack.enter_async_context(shop.listen(additional_headers=other.headers))
        by_header = await stack.enter_async_context(_stream(shop, headers=holder.headers))
        by_ticket = await stack.enter_async_context(_stream(shop, params={"ticket": await holder.ticket()}))
        for socket in (*sockets, unaffected):
            await socket.send("ping")
            assert await socket.recv() == "pong"
        await end(holder, clock)
        codes = await asyncio.gather(*(closed_with(socket) for socket in sockets))
        await asyncio.gather(*(_wait_for_end(stream) for stream in (by_header, by_ticket)))
        assert codes == [code] * 3
        # Reconnecting fails at once.
        async with shop.listen(additional_headers=holder.headers) as again:
            assert await closed_with(again) == code
        refused = await shop.http.get("/api/events/stream", headers=holder.headers)
        assert refused.status_code == status
        await unaffected.send("ping")
        assert await unaffected.recv() == "pong"
        assert [connection.principal.id for connection in shop.state["connections"]] == [other.id]
    await _wait_until_all_left(shop)


def _stream(shop: Shop, **options: Any) -> AbstractAsyncContextManager[httpx.Response]:
    return shop.http.stream("GET", "/api/events/stream", **options)


async def _wait_for_end(stream: httpx.Response) -> None:
    assert stream.status_code == 200
    async with asyncio.timeout(30):
        async for _ in stream.aiter_bytes():
            pass


async def _wait_until_all_left(shop: Shop) -> None:
    async with asyncio.timeout(30):
        while list(shop.state["connections"]) or shop.state["hub"].readers:
            await asyncio.sleep(0.01)


async def test_a_revocation_takes_effect_within_five_seconds(open_shop: OpenShop) -> None:
    """Use the real interval. A client that connects right after the revocation may be accepted, and is then closed."""
    shop = await open_shop(sign_in="on")
    holder = await add_token_holder(shop, "viewer")
    async with shop.listen(additional_headers=holder.headers) as early:
        await early.send("ping")
        await early.recv()
        await holder.revoke()
        async with shop.listen(additional_headers=holder.headers) as late:
            async with asyncio.timeout(30):
                assert await asyncio.gather(*map(closed_with, (early, late))) == [NOT_SIGNED_IN] * 2
    assert CACHE_SECONDS + CHECK_SECONDS < MOST_SECONDS


async def test_removing_a_device_ends_the_sessions_of_its_users(open_shop: OpenShop, frequent_checks: None) -> None:
    shop = await open_shop(sign_in="on")
    device = await add_token_holder(shop, "device")
    cashier = await add_token_holder(shop, "cashier", device=device.id)
    async with shop.listen(additional_headers=cashier.headers) as socket:
        await device.change(voided_at=datetime.now(UTC))
        assert await closed_with(socket) == NOT_SIGNED_IN


async def test_a_revocation_closes_connections_in_all_processes(open_shop: OpenShop, frequent_checks: None) -> None:
    """Use two servers on one store, each of which checks by itself."""
    first = await open_shop(sign_in="on")
    second = await open_shop(sign_in="on", store_id=first.store)
    holder = await add_token_holder(first, "viewer")
    async with (
        first.listen(additional_headers=holder.headers) as here,
        second.listen(additional_headers=holder.headers) as there,
        websockets.connect(f"{second.ws_url}?ticket={await holder.ticket()}") as ticketed,
    ):
        for socket in (here, there, ticketed):
            await socket.send("ping")
            assert await socket.recv() == "pong"
        await holder.revoke()
        assert await asyncio.gather(*map(closed_with, (here, there, ticketed))) == [NOT_SIGNED_IN] * 3


async def test_connections_stay_open_while_the_database_fails(open_shop: OpenShop, frequent_checks: None) -> None:
    clock = Clock()
    shop = await open_shop(sign_in="on", clock=clock)
    holder, expiring = await add_token_holder(shop, "device"), await add_token_holder(shop, "viewer")
    async with (
        shop.listen(additional_headers=holder.headers) as socket,
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
            # An expiry needs no database.
            clock.advance(hours=1)
            assert await closed_with(brief) == EXPIRED
            assert not shop.state["connections"]._watching._task.done()
        await holder.revoke()
        assert await closed_with(socket) == NOT_SIGNED_IN


async def test_a_thousand_connections_are_checked_in_three_queries(shop: Shop) -> None:
    """Check that the queries ask for one row for each sign-in, not for each connection."""
    credentials = Credentials(shop.database, shop.state["clock"])
    connections = Connections(credentials, shop.state["clock"])
    holders = [await add_token_holder(shop, role) for role in ("device", "viewer", "cashier", "owner")]
    ended: list[int] = []
    for each in islice(cycle(holders), 1_000):
        known = await credentials.resolve(each.token)
        assert known.principal is not None
        connections.add(known.principal, shop.store, ALL or frozenset(), ended.append)
    await holders[0].revoke()
    async with recorded(shop.database) as commands:
        await connections._check(credentials)
    queries = {command["find"]: command["filter"]["_id"]["$in"] for command in commands if "find" in command}
    relevant = {name: ids for name, ids in queries.items() if name in ("credentials", "users", "devices")}
    assert {name: len(ids) for name, ids in relevant.items()} == {"credentials": 4, "users": 3}
    assert ended == [NOT_SIGNED_IN] * 250
    assert len(list(connections)) == 750


async def test_an_open_service_checks_no_connections(shop: Shop) -> None:
    async with shop.listen() as socket:
        await socket.send("ping")
        await socket.recv()
        assert list(shop.state["connections"]) == []
        assert shop.state["connections"]._watching is None


async def test_the_status_of_a_token_follows_the_stored_rows(open_shop: OpenShop) -> None:
    """Check each way in which a credential is invalid; many are checked in one query."""
    clock = Clock()
    shop = await open_shop(sign_in="on", clock=clock)
    credentials = Credentials(shop.database, clock)
    valid, ended, orphan = [await add_token_holder(shop, "viewer") for _ in range(3)]
    device, removed_device = await add_token_holder(shop, "device"), await add_token_holder(shop, "device")
    at_removed_device = await add_token_holder(shop, "cashier", device=removed_device.id)
    await ended.change(voided_at=clock.now)
    await removed_device.change(voided_at=clock.now)
    await shop.database[orphan.kind].delete_one({"_id": orphan.id})
    await shop.database[CREDENTIALS].update_one({"_id": hash_token(valid.token)}, {"$set": {"device": device.id}})
    digests = [hash_token(each.token) for each in (valid, ended, orphan, device, removed_device, at_removed_device)] + [
        "none"
    ]
    known = list((await credentials.resolve_all(digests)).values())
    invalid = TokenStatus(None)
    expires_at = (await credentials.resolve_all(digests[:1]))[digests[0]].principal.expires_at  # type: ignore[union-attr]
    assert known == [
        TokenStatus(Principal(valid.id, "viewer", "viewer", None, device.id, digests[0], expires_at)),
        *(invalid, invalid),
        TokenStatus(Principal(device.id, "device", "device", None, device.id, digests[3])),
        *(invalid, invalid, invalid),
    ]
    clock.advance(hours=1)
    assert (await credentials.resolve_all(digests[:1]))[digests[0]] == TokenStatus(None, is_expired=True)
    assert (await credentials.resolve(valid.token)).is_expired
