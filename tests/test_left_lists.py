"""Whole lists that nobody reads to the end."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from pymongo.read_concern import ReadConcern
from starlette.responses import StreamingResponse
from starlette.types import Message

from endpoints.responses import streamed
from repositories.documents import READ, Documents
from schemas.listing import Listing
from schemas.rollups import ORDERS
from tests.shop import Shop


async def test_the_database_keeps_nothing_for_whoever_does_not_read_on(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repositories.documents._LETTING_GO_SECONDS", 10.0)
    await shop.sale()
    orders = shop.database.orders
    one = await orders.find_one({"store": shop.store})
    assert one is not None
    await orders.insert_many([{**one, "_id": f"COPY-{number}", "number": number} for number in range(2, 3 * READ)])

    async def cursors() -> int:
        """Those of this store alone: other shops are closing at any time."""
        mine = {"type": "idleCursor", "cursor.originatingCommand.filter.store": shop.store}
        admin = shop.database.client.get_database("admin", read_concern=ReadConcern("local"))
        return len(await admin.aggregate([{"$currentOp": {"idleCursors": True}}, {"$match": mine}]).to_list(None))

    batches = Documents(shop.database, shop.store, ORDERS).batches(Listing())
    assert len(await anext(batches)) == 50
    async with asyncio.timeout(10):
        # It is not idle while the next ones are read.
        while await cursors() != 1:
            await asyncio.sleep(0.01)
    await batches.aclose()
    assert await cursors() == 0
    await orders.delete_many({"_id": {"$regex": "^COPY-"}})


async def test_what_is_streamed_to_a_client_that_is_gone_is_let_go() -> None:
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
