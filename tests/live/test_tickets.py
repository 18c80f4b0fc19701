"""Sign-in of `/ws` and the event stream: by header, or once by ticket."""

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


async def receives_next_sale(shop: Shop, seller: TokenHolder, socket: websockets.ClientConnection) -> None:
    """Check that a socket receives the next sale."""
    await socket.send("ping")
    assert await asyncio.wait_for(socket.recv(), 30) == "pong"
    sale = await shop.ok("POST", "/api/orders/create-sale", json=SALE, headers=seller.headers)
    assert json.loads(await asyncio.wait_for(socket.recv(), 30))["id"] == sale["order_id"]


async def rejection_of(shop: Shop, query: str = "", **headers: str) -> tuple[int, str]:
    """Return the code and the reason with which a socket is closed."""
    async with websockets.connect(shop.ws_url + query, additional_headers=headers) as socket:
        code = await closed_with(socket)
        return code, socket.close_reason or ""


@pytest.mark.parametrize("role", ["owner", "cashier", "viewer", "device"])
async def test_every_role_can_connect_with_a_header(guarded: Shop, role: str) -> None:
    seller = await add_token_holder(guarded)
    holder = await add_token_holder(guarded, role)
    basic = b64encode(f"x:{holder.token}".encode()).decode()
    for authorization in (f"Bearer {holder.token}", f"Basic {basic}"):
        async with guarded.listen(additional_headers={"Authorization": authorization}) as socket:
            await receives_next_sale(guarded, seller, socket)


async def test_a_key_in_the_address_gets_the_same_frames_as_an_open_service(guarded: Shop, shop: Shop) -> None:
    """Use a key in the address, from which the clients of the app make Basic credentials."""
    device = await add_token_holder(guarded, "device")
    address = f"x:{device.token}@127.0.0.1:{guarded.port}"
    async with websockets.connect(f"ws://{address}/ws") as socket, shop.listen() as plain:
        frames = []
        for each, address_of_shop, connection in (
            (guarded, f"http://{address}", socket),
            (shop, f"http://127.0.0.1:{shop.port}", plain),
        ):
            estimate = await each.ok("POST", f"{address_of_shop}/api/estimates/create", json=SALE)
            await each.ok(
                "POST", f"{address_of_shop}/api/estimates/{estimate['estimate_id']}/convert-to-order", json={}
            )
            await each.ok("POST", f"{address_of_shop}/api/orders/create-sale", json=SALE)
            frames.append([json.loads(await asyncio.wait_for(connection.recv(), 30)) for _ in range(3)])
            await connection.send("ping")
            assert await connection.recv() == "pong"
    shapes = [[_shape(frame) for frame in each] for each in frames]
    assert shapes[0] == shapes[1]
    assert [frame["seq"] for frame in frames[0]] == [1, 2, 3]


def _shape(frame: dict[str, object]) -> object:
    """Return a frame without the members that differ each time."""
    data = frame["data"]
    assert isinstance(data, dict)
    kept = {name: data[name] for name in data if not name.endswith("_id") and name != "created_at"}
    return list(frame), frame["type"], frame["action"], frame["seq"], list(data), kept


async def test_a_ticket_can_be_used_once(guarded: Shop) -> None:
    viewer, seller = await add_token_holder(guarded, "viewer"), await add_token_holder(guarded)
    ticket = await viewer.ticket()
    async with websockets.connect(f"{guarded.ws_url}?ticket={ticket}") as socket:
        await receives_next_sale(guarded, seller, socket)
        assert await rejection_of(guarded, f"?ticket={ticket}") == (NOT_SIGNED_IN, "not signed in")
        assert (await guarded.http.get("/api/events/stream", params={"ticket": ticket})).status_code == 401
        await receives_next_sale(guarded, seller, socket)


async def test_one_of_a_hundred_concurrent_uses_of_a_ticket_succeeds(guarded: Shop) -> None:
    ticket = await (await add_token_holder(guarded, "viewer")).ticket()
    is_done = asyncio.Event()

    async def use() -> int:
        async with websockets.connect(f"{guarded.ws_url}?ticket={ticket}") as socket:
            await socket.send("ping")
            with suppress(websockets.ConnectionClosed):
                assert await asyncio.wait_for(socket.recv(), 20) == "pong"
                await is_done.wait()
        return socket.close_code or 0

    tasks = [asyncio.create_task(use()) for _ in range(100)]
    async with asyncio.timeout(30):
        while sum(each.done() for each in tasks) < 99:
            await asyncio.sleep(0.01)
    is_done.set()
    assert sorted(await asyncio.gather(*tasks)) == [1000, *([NOT_SIGNED_IN] * 99)]


async def test_a_ticket_opens_an_event_stream(guarded: Shop) -> None:
    viewer = await add_token_holder(guarded, "viewer")
    ticket = await viewer.ticket()
    async with guarded.http.stream("GET", "/api/events/stream", params={"ticket": ticket}) as stream:
        assert stream.status_code == 200
        assert await anext(stream.aiter_lines()) == "retry: 2000"


async def test_a_ticket_is_valid_for_its_store_only(open_shop: OpenShop) -> None:
    here, there = await open_shop(sign_in="on"), await open_shop(sign_in="on")
    owner, seller = await add_token_holder(here, "owner"), await add_token_holder(there, "cashier", there.store)
    ticket = await owner.ticket(**{"X-Store": there.store})
    async with websockets.connect(f"{here.ws_url}?ticket={ticket}") as socket:
        await receives_next_sale(there, seller, socket)
    # A user of one store gets no ticket for another, and an earlier ticket ends when they are moved.
    answer = await here.http.post("/api/ws-ticket", headers={**seller.headers, "X-Store": here.store})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    ticket = await seller.ticket()
    await seller.change(belongs_to=here.store)
    assert (await rejection_of(there, f"?ticket={ticket}"))[0] == FORBIDDEN


async def test_rejected_connections_have_a_reason_and_no_subscription(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(sign_in="on", clock=clock)
    viewer = await add_token_holder(shop, "viewer")
    forged = "pos_a_" + "A" * 43
    for query in ("", "?ticket=", f"?ticket={forged}", f"?token={viewer.token}", f"?access_token={viewer.token}"):
        assert await rejection_of(shop, query) == (NOT_SIGNED_IN, "not signed in"), query
    # A token is not a ticket, and a ticket is not a token.
    assert (await rejection_of(shop, f"?ticket={viewer.token}"))[0] == NOT_SIGNED_IN
    assert (await rejection_of(shop, Authorization=f"Bearer {await viewer.ticket()}"))[0] == NOT_SIGNED_IN
    assert (await rejection_of(shop, Authorization=f"Bearer {forged}"))[0] == NOT_SIGNED_IN
    stale, late = await viewer.ticket(), await viewer.ticket()
    clock.advance(seconds=31)
    assert await rejection_of(shop, f"?ticket={stale}") == (EXPIRED, "the sign-in has expired")
    ticket = await viewer.ticket()
    await viewer.revoke()
    assert (await rejection_of(shop, f"?ticket={ticket}"))[0] == NOT_SIGNED_IN
    clock.advance(hours=1)
    assert (await rejection_of(shop, f"?ticket={late}"))[0] == EXPIRED
    other = await add_token_holder(shop, "viewer")
    clock.advance(hours=1)
    assert await rejection_of(shop, **other.headers) == (EXPIRED, "the sign-in has expired")
    assert (await rejection_of(shop, **(await add_token_holder(shop, "none")).headers))[0] == FORBIDDEN
    assert (await rejection_of(shop, **{**(await add_token_holder(shop, "owner")).headers, "X-Store": "nowhere"}))[
        0
    ] == FORBIDDEN
    assert shop.state["hub"].readers == 0


async def test_a_ticket_is_stored_as_a_hash_and_expires_after_30_seconds(open_shop: OpenShop) -> None:
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


async def test_an_open_service_accepts_any_ticket(shop: Shop) -> None:
    answer = await shop.http.post("/api/ws-ticket")
    for ticket in (answer.json()["ticket"], answer.json()["ticket"], "anything"):
        async with websockets.connect(f"{shop.ws_url}?ticket={ticket}") as socket:
            await socket.send("ping")
            assert await socket.recv() == "pong"


async def test_tickets_are_not_logged(open_shop: OpenShop, written: io.StringIO) -> None:  # noqa: F811
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


async def test_the_documentation_has_all_security_schemes_and_close_codes(guarded: Shop) -> None:
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


async def test_connections_without_credentials_need_no_query_and_no_subscription(guarded: Shop) -> None:
    async with recorded(guarded.database) as commands:
        assert (
            await asyncio.gather(*(rejection_of(guarded) for _ in range(200)))
            == [(NOT_SIGNED_IN, "not signed in")] * 200
        )
    used = {name for command in commands for name in ("find", "findAndModify") if name in command}
    assert not any(command.get(name) == CREDENTIALS for command in commands for name in used)
    assert guarded.state["hub"].readers == 0
