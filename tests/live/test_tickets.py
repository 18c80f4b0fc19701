"""Who may open `/ws` and the event stream: with a header, or with a ticket, once."""

import asyncio
import io
import json
import re
from base64 import b64encode
from contextlib import suppress

import pytest
import websockets

from app.observability.access_log import AccessLog
from schemas.core.collections import CREDENTIALS
from schemas.core.tokens import hash_token
from schemas.live.close_codes import REASONS
from tests.migrations.test_indexes import recorded
from tests.observability.test_logs import lines, written  # noqa: F401
from tests.server.test_startup import ROOT
from tests.support.clients.live_client import closed_with
from tests.support.clock import Clock
from tests.support.payloads import sale_body
from tests.support.shop import OpenShop, Shop
from tests.support.token_holders import TokenHolder, add_token_holder

NOT_SIGNED_IN, EXPIRED, FORBIDDEN = 4401, 4431, 4403
SALE = sale_body()


@pytest.fixture
async def guarded(open_shop: OpenShop) -> Shop:
    return await open_shop(sign_in="on")


async def hears(shop: Shop, seller: TokenHolder, socket: websockets.ClientConnection) -> None:
    """The socket is sent the next sale."""
    await socket.send("ping")
    assert await asyncio.wait_for(socket.recv(), 30) == "pong"
    sale = await shop.ok("POST", "/api/orders/create-sale", json=SALE, headers=seller.headers)
    assert json.loads(await asyncio.wait_for(socket.recv(), 30))["id"] == sale["order_id"]


async def refused(shop: Shop, query: str = "", **headers: str) -> tuple[int, str]:
    """What a socket is closed with."""
    async with websockets.connect(shop.ws_url + query, additional_headers=headers) as socket:
        code = await closed_with(socket)
        return code, socket.close_reason or ""


@pytest.mark.parametrize("role", ["owner", "cashier", "viewer", "device"])
async def test_a_header_lets_every_role_in(guarded: Shop, role: str) -> None:
    seller = await add_token_holder(guarded)
    guest = await add_token_holder(guarded, role)
    basic = b64encode(f"x:{guest.token}".encode()).decode()
    for authorization in (f"Bearer {guest.token}", f"Basic {basic}"):
        async with guarded.listen(additional_headers={"Authorization": authorization}) as socket:
            await hears(guarded, seller, socket)


async def test_the_app_puts_its_key_into_the_address_and_gets_the_frames_it_always_got(
    guarded: Shop, shop: Shop
) -> None:
    """Its HTTP client and its WebSocket client both make Basic of it. Beside it the same in a shop that is open."""
    till = await add_token_holder(guarded, "device")
    address = f"x:{till.token}@127.0.0.1:{guarded.port}"
    async with websockets.connect(f"ws://{address}/ws") as socket, shop.listen() as plain:
        frames = []
        for each, where, ear in (
            (guarded, f"http://{address}", socket),
            (shop, f"http://127.0.0.1:{shop.port}", plain),
        ):
            estimate = await each.ok("POST", f"{where}/api/estimates/create", json=SALE)
            await each.ok("POST", f"{where}/api/estimates/{estimate['estimate_id']}/convert-to-order", json={})
            await each.ok("POST", f"{where}/api/orders/create-sale", json=SALE)
            frames.append([json.loads(await asyncio.wait_for(ear.recv(), 30)) for _ in range(3)])
            await ear.send("ping")
            assert await ear.recv() == "pong"
    shapes = [[_shape(frame) for frame in each] for each in frames]
    assert shapes[0] == shapes[1]
    assert [frame["seq"] for frame in frames[0]] == [1, 2, 3]


def _shape(frame: dict[str, object]) -> object:
    """A frame without what differs from time to time."""
    data = frame["data"]
    assert isinstance(data, dict)
    kept = {name: data[name] for name in data if not name.endswith("_id") and name != "created_at"}
    return list(frame), frame["type"], frame["action"], frame["seq"], list(data), kept


async def test_a_ticket_lets_in_once(guarded: Shop) -> None:
    viewer, seller = await add_token_holder(guarded, "viewer"), await add_token_holder(guarded)
    ticket = await viewer.ticket()
    async with websockets.connect(f"{guarded.ws_url}?ticket={ticket}") as socket:
        await hears(guarded, seller, socket)
        assert await refused(guarded, f"?ticket={ticket}") == (NOT_SIGNED_IN, "not signed in")
        assert (await guarded.http.get("/api/events/stream", params={"ticket": ticket})).status_code == 401
        await hears(guarded, seller, socket)


async def test_of_a_hundred_uses_of_one_ticket_one_is_let_in(guarded: Shop) -> None:
    ticket = await (await add_token_holder(guarded, "viewer")).ticket()
    is_in = asyncio.Event()

    async def use() -> int:
        async with websockets.connect(f"{guarded.ws_url}?ticket={ticket}") as socket:
            await socket.send("ping")
            with suppress(websockets.ConnectionClosed):
                assert await asyncio.wait_for(socket.recv(), 20) == "pong"
                await is_in.wait()
        return socket.close_code or 0

    uses = [asyncio.create_task(use()) for _ in range(100)]
    async with asyncio.timeout(30):
        while sum(each.done() for each in uses) < 99:
            await asyncio.sleep(0.01)
    is_in.set()
    assert sorted(await asyncio.gather(*uses)) == [1000, *([NOT_SIGNED_IN] * 99)]


async def test_a_ticket_opens_an_event_stream(guarded: Shop) -> None:
    viewer = await add_token_holder(guarded, "viewer")
    ticket = await viewer.ticket()
    async with guarded.http.stream("GET", "/api/events/stream", params={"ticket": ticket}) as stream:
        assert stream.status_code == 200
        assert await anext(stream.aiter_lines()) == "retry: 2000"


async def test_a_ticket_is_for_the_store_that_it_was_asked_for(open_shop: OpenShop) -> None:
    here, there = await open_shop(sign_in="on"), await open_shop(sign_in="on")
    owner, seller = await add_token_holder(here, "owner"), await add_token_holder(there, "cashier", there.store)
    ticket = await owner.ticket(**{"X-Store": there.store})
    async with websockets.connect(f"{here.ws_url}?ticket={ticket}") as socket:
        await hears(there, seller, socket)
    # One that belongs to a store gets no ticket to another, nor one that was asked for before it had to leave.
    answer = await here.http.post("/api/ws-ticket", headers={**seller.headers, "X-Store": here.store})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    ticket = await seller.ticket()
    await seller.change(belongs_to=here.store)
    assert (await refused(there, f"?ticket={ticket}"))[0] == FORBIDDEN


async def test_whoever_may_not_come_in_is_told_why_and_costs_no_feed(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(sign_in="on", clock=clock)
    viewer = await add_token_holder(shop, "viewer")
    forged = "pos_a_" + "A" * 43
    for query in ("", "?ticket=", f"?ticket={forged}", f"?token={viewer.token}", f"?access_token={viewer.token}"):
        assert await refused(shop, query) == (NOT_SIGNED_IN, "not signed in"), query
    # A token is no ticket, and a ticket is no token.
    assert (await refused(shop, f"?ticket={viewer.token}"))[0] == NOT_SIGNED_IN
    assert (await refused(shop, Authorization=f"Bearer {await viewer.ticket()}"))[0] == NOT_SIGNED_IN
    assert (await refused(shop, Authorization=f"Bearer {forged}"))[0] == NOT_SIGNED_IN
    stale, late = await viewer.ticket(), await viewer.ticket()
    clock.advance(seconds=31)
    assert await refused(shop, f"?ticket={stale}") == (EXPIRED, "the sign-in has expired")
    ticket = await viewer.ticket()
    await viewer.revoke()
    assert (await refused(shop, f"?ticket={ticket}"))[0] == NOT_SIGNED_IN
    clock.advance(hours=1)
    assert (await refused(shop, f"?ticket={late}"))[0] == EXPIRED
    other = await add_token_holder(shop, "viewer")
    clock.advance(hours=1)
    assert await refused(shop, **other.headers) == (EXPIRED, "the sign-in has expired")
    assert (await refused(shop, **(await add_token_holder(shop, "none")).headers))[0] == FORBIDDEN
    assert (await refused(shop, **{**(await add_token_holder(shop, "owner")).headers, "X-Store": "nowhere"}))[
        0
    ] == FORBIDDEN
    assert shop.state["hub"].readers == 0


async def test_only_a_hash_of_a_ticket_is_kept_and_it_lasts_half_a_minute(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(sign_in="on", clock=clock)
    viewer = await add_token_holder(shop, "viewer")
    answer = await shop.http.post("/api/ws-ticket", headers=viewer.headers)
    assert answer.json()["expires_in"] == 30
    assert answer.headers["cache-control"] == "no-store"
    row = await shop.database[CREDENTIALS].find_one({"_id": hash_token(answer.json()["ticket"])})
    assert row is not None
    assert (row["kind"], row["stands_for"], row["store"]) == ("ticket", hash_token(viewer.token), shop.store)
    assert (row["expires_at"] - clock.now).total_seconds() == 30
    assert answer.json()["ticket"] not in str(row)
    assert (await shop.http.post("/api/ws-ticket")).status_code == 401


async def test_where_nobody_signs_in_any_ticket_will_do(shop: Shop) -> None:
    answer = await shop.http.post("/api/ws-ticket")
    for ticket in (answer.json()["ticket"], answer.json()["ticket"], "whatever"):
        async with websockets.connect(f"{shop.ws_url}?ticket={ticket}") as socket:
            await socket.send("ping")
            assert await socket.recv() == "pong"


async def test_no_log_shows_a_ticket(open_shop: OpenShop, written: io.StringIO) -> None:  # noqa: F811
    shop = await open_shop(sign_in="on", access_log=AccessLog("json", written))
    viewer = await add_token_holder(shop, "viewer")
    tickets = [await viewer.ticket() for _ in range(2)]
    for ticket in (tickets[0], tickets[0]):
        async with websockets.connect(f"{shop.ws_url}?ticket={ticket}&token={viewer.token}") as socket:
            await socket.send("ping")
            with suppress(websockets.ConnectionClosed):
                await socket.recv()
    for ticket in (tickets[1], tickets[1]):
        address = f"/api/events/stream?ticket={ticket}&token={viewer.token}"
        async with shop.http.stream("GET", address) as stream:
            await anext(stream.aiter_lines())
    async with asyncio.timeout(30):
        while [each.get("route") for each in lines(written)].count("/api/events/stream") < 2:
            await asyncio.sleep(0.01)
    text = written.getvalue()
    assert not any(secret in text for secret in (*tickets, viewer.token, "ticket="))


async def test_the_description_names_each_way_in_and_each_close_code(guarded: Shop) -> None:
    served = await guarded.get("/asyncapi.json")
    channel = served["channels"]["live"]
    assert channel["x-close-codes"] == {str(code): reason for code, reason in REASONS.items()}
    assert set(served["components"]["securitySchemes"]) == {"bearer", "basic", "ticket"}
    for each in served["servers"]["shop"]["security"]:
        assert each["$ref"].rpartition("/")[2] in served["components"]["securitySchemes"]
    assert set(channel["bindings"]["ws"]["query"]["properties"]) == {"ticket", "since", "topics"}
    page = (ROOT / "docs" / "realtime.md").read_text()
    table = page[page.index("## Close codes") :]
    assert [code for code in REASONS if not re.search(rf"^\|[^|]*\b{code}\b", table, re.MULTILINE)] == []


async def test_a_crowd_that_shows_nothing_never_reaches_the_database_nor_the_hub(guarded: Shop) -> None:
    async with recorded(guarded.database) as commands:
        assert await asyncio.gather(*(refused(guarded) for _ in range(200))) == [(NOT_SIGNED_IN, "not signed in")] * 200
    asked = {name for command in commands for name in ("find", "findAndModify") if name in command}
    assert not any(command.get(name) == CREDENTIALS for command in commands for name in asked)
    assert guarded.state["hub"].readers == 0
