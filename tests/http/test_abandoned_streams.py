"""Complete lists that the client does not read to the end."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from pymongo.read_concern import ReadConcern
from starlette.responses import StreamingResponse
from starlette.types import Message

from endpoints.http.responses import streamed
from repositories.database.client import BATCH_SIZE
from repositories.sales.documents import Documents
from schemas.core.collections import ORDERS
from schemas.sales.listing import Listing
from tests.support.shop import OpenShop, Shop

WHOLE_LIST = "/api/orders/orders-only"


async def copy(shop: Shop, count: int) -> None:
    """Insert copies of the only order."""
    orders = shop.database.orders
    one = await orders.find_one({"store": shop.store})
    assert one is not None
    await orders.insert_many(
        [{**one, "_id": f"COPY-{shop.store}-{number}", "number": number} for number in range(2, count + 2)]
    )


async def idle_cursors(shop: Shop) -> list[Any]:
    """Return the idle cursors of this store, since other shops are closing at any time."""
    mine = {"type": "idleCursor", "cursor.originatingCommand.filter.store": shop.store}
    admin = shop.database.client.get_database("admin", read_concern=ReadConcern("local"))
    return await admin.aggregate([{"$currentOp": {"idleCursors": True}}, {"$match": mine}]).to_list(None)


async def waiting_cursor(shop: Shop) -> dict[str, Any]:
    """Return the cursor of this store after it has been idle for a second, so not just between two batches."""
    last, since = None, time.monotonic()
    async with asyncio.timeout(30):
        while last is None or time.monotonic() < since + 1:
            now = [each["cursor"] for each in await idle_cursors(shop)]
            if now != last or not now:
                last, since = now, time.monotonic()
            await asyncio.sleep(0.05)
    (cursor,) = last
    return dict(cursor)


@pytest.fixture
async def shop(open_shop: OpenShop) -> AsyncIterator[Shop]:
    shop = await open_shop()
    yield shop
    await shop.database.orders.delete_many({"_id": {"$regex": f"^COPY-{shop.store}-"}})


async def test_closing_a_stream_closes_its_cursor(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repositories.sales.documents._CLOSE_SECONDS", 10.0)
    await shop.sale()
    await copy(shop, 3 * BATCH_SIZE)
    stream = Documents[Any](shop.database, shop.store, ORDERS).stream(Listing())
    assert len(await anext(stream)) == 50
    async with asyncio.timeout(30):
        # The cursor is not idle while the next documents are read.
        while len(await idle_cursors(shop)) != 1:
            await asyncio.sleep(0.01)
    await stream.aclose()
    assert await idle_cursors(shop) == []


async def test_a_list_is_cut_off_if_the_database_closes_its_cursor(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    await shop.sale()
    await copy(shop, 12 * BATCH_SIZE)
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port, limit=4_096)
    writer.write(f"GET {WHOLE_LIST} HTTP/1.1\r\nHost: 127.0.0.1:{shop.port}\r\nConnection: close\r\n\r\n".encode())
    beginning = await reader.readexactly(1_000)
    cursor = await waiting_cursor(shop)
    killed = await shop.database.command("killCursors", "orders", cursors=[cursor["cursorId"]])
    assert killed["cursorsKilled"] == [cursor["cursorId"]]
    answer = beginning + await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    # Without the last chunk, by which a client recognizes the end.
    assert not answer.endswith(b"0\r\n\r\n")
    (logged,) = [record.message for record in caplog.records if record.name == "pos"]
    assert logged == f"{WHOLE_LIST}: CursorNotFound: code 43 CursorNotFound"
    assert (await shop.http.get("/health")).status_code == 200


async def test_a_stream_to_a_disconnected_client_is_closed() -> None:
    is_over = False

    async def chunks() -> AsyncGenerator[bytes]:
        nonlocal is_over
        try:
            while True:
                yield b"[]"
        finally:
            is_over = True

    async def send(message: Message) -> None:
        if message.get("body"):
            raise OSError("gone")

    response = await streamed(chunks(), {})
    assert isinstance(response, StreamingResponse)
    with pytest.raises(OSError, match="gone"):
        await response.stream_response(send)
    assert is_over
