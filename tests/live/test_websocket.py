"""`/ws` for plain clients: each new change is a text frame."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import websockets

from tests.support.payloads import estimate_body, line
from tests.support.shop import Shop

Json = dict[str, Any]


async def frames_of(shop: Shop, count: int, act: Callable[[], Awaitable[Any]]) -> list[Json]:
    """Return the frames that a client receives for an action; there must be exactly `count`."""
    async with shop.listen() as socket:
        await act()
        frames = [json.loads(await asyncio.wait_for(socket.recv(), 30)) for _ in range(count)]
        await socket.send("ping")
        assert await socket.recv() == "pong"
    for frame in frames:
        assert all(isinstance(frame[name], str) for name in ("type", "action", "id", "at"))
        assert isinstance(frame["data"], dict)
        assert isinstance(frame["seq"], int)
    return frames


def kinds(frames: list[Json]) -> list[tuple[str, str, str]]:
    return [(frame["type"], frame["action"], frame["id"]) for frame in frames]


async def test_creations(shop: Shop) -> None:
    async def act() -> None:
        await shop.estimate(items=[line(19.99)])
        await shop.sale(amount_paid=40)

    quote, sale = await frames_of(shop, 2, act)
    assert (quote["type"], quote["action"], quote["seq"]) == ("estimate", "create", 1)
    assert quote["data"]["estimate_id"] == quote["id"]
    assert (quote["data"]["estimate_number"], quote["data"]["total"]) == ("#001", 19.99)
    assert (sale["type"], sale["action"], sale["seq"]) == ("order", "create", 2)
    assert sale["data"]["order_id"] == sale["id"]
    assert (sale["data"]["total"], sale["data"]["amount_paid"]) == (100.0, 40.0)
    for frame in (quote, sale):
        assert {"customer_name", "total", "created_at"} <= set(frame["data"])
        assert "order_id" not in frame


async def test_a_conversion_sends_one_frame_with_both_documents(shop: Shop) -> None:
    estimate = await shop.estimate()
    (frame,) = await frames_of(shop, 1, lambda: shop.convert(estimate["estimate_id"], payment_mode="Card"))
    order = (await shop.get("/api/orders/orders-only"))["orders"]["items"][0]
    assert (frame["type"], frame["action"], frame["id"]) == ("estimate", "convert_to_order", estimate["estimate_id"])
    assert (frame["order_id"], frame["order_number"]) == (order["order_id"], "#001")
    assert frame["data"]["payment_mode"] == "Card"


async def test_edits_status_changes_and_voids(shop: Shop) -> None:
    estimate, sale = await shop.estimate(), await shop.sale()
    quote_path, sale_path = f"/api/estimates/{estimate['estimate_id']}", f"/api/orders/{sale['order_id']}"

    async def act() -> None:
        await shop.ok("PUT", quote_path, json=estimate_body([line(5.0)]))
        await shop.ok("PUT", f"{sale_path}/status", params={"status": "Refunded"})
        await shop.ok("PUT", f"{sale_path}/status", params={"status": "Refunded"})
        await shop.ok("DELETE", quote_path)
        await shop.ok("DELETE", sale_path)

    frames = await frames_of(shop, 4, act)
    assert kinds(frames) == [
        ("estimate", "update", estimate["estimate_id"]),
        ("order", "update", sale["order_id"]),
        ("estimate", "delete", estimate["estimate_id"]),
        ("order", "delete", sale["order_id"]),
    ]
    assert [frame["seq"] for frame in frames] == [3, 4, 5, 6]
    assert (frames[0]["data"]["total"], frames[1]["data"]["status"]) == (5.0, "Refunded")


@pytest.mark.parametrize(("keep", "action"), [("false", "delete"), ("true", "update")])
async def test_voiding_an_order_sends_a_frame_for_its_estimate_too(shop: Shop, keep: str, action: str) -> None:
    estimate = await shop.estimate()
    order = await shop.convert(estimate["estimate_id"])
    path = f"/api/orders/{order['order_id']}"
    frames = await frames_of(shop, 2, lambda: shop.ok("DELETE", path, params={"keep_estimate": keep}))
    assert kinds(frames) == [
        ("order", "delete", order["order_id"]),
        ("estimate", action, estimate["estimate_id"]),
    ]


async def test_rejections_and_replays_send_no_frames(shop: Shop) -> None:
    await shop.sale(created_at="2026-01-01T10:00:00.5")

    async def act() -> None:
        await shop.sale(created_at="2026-01-01T10:00:00.5")
        await shop.http.post("/api/orders/create-sale", json={**estimate_body(), "total": 1})
        await shop.http.delete("/api/orders/ORDER-NONE")

    assert await frames_of(shop, 0, act) == []


async def test_all_messages_except_ping_are_ignored(shop: Shop) -> None:
    async with shop.listen() as socket:
        for junk in ("hello", "{", '{"type": "subscribe"}', "PING", b"ping", b"\xff", ""):
            await socket.send(junk)
        await socket.send("ping")
        assert await socket.recv() == "pong"
        sale = await shop.sale()
        assert json.loads(await socket.recv())["id"] == sale["order_id"]


async def test_all_clients_receive_all_changes_in_order(shop: Shop) -> None:
    async with shop.listen() as first, shop.listen() as second:
        await asyncio.gather(*(shop.sale() for _ in range(50)))
        for socket in (first, second):
            assert [json.loads(await socket.recv())["seq"] for _ in range(50)] == list(range(1, 51))
        assert (await shop.get("/api/websocket/status"))["connected_clients"] == 2


async def test_a_disconnected_client_is_removed(shop: Shop) -> None:
    async with shop.listen():
        status = await shop.get("/api/websocket/status")
        assert (status["connected_clients"], status["status"]) == (1, "active")
    async with asyncio.timeout(30):
        while (await shop.get("/api/websocket/status"))["connected_clients"]:
            await asyncio.sleep(0.01)


async def test_an_oversized_message_closes_the_connection(shop: Shop) -> None:
    async with shop.listen() as socket:
        await socket.send("x" * 70_000)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_other_addresses_are_not_websockets(shop: Shop) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(shop.ws_url + "/other"):
            pass
    assert refused.value.response.status_code == 404
    assert isinstance(json.loads(refused.value.response.body or b"")["detail"], str)
