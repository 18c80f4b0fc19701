"""A request leaves no cyclic garbage, whose collection would make each sale ten percent slower."""

import asyncio
import gc
from collections.abc import Iterator
from typing import cast

import orjson
import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.support.payloads import sale_body
from tests.support.shop import Shop

#: More than the cancelled timers of an event loop, whose contexts keep references.
SALES = 300
BODY = orjson.dumps(sale_body())


@pytest.fixture
def uncollected() -> Iterator[list[object]]:
    """Keep objects that reference counting does not free in `gc.garbage` until the end of the test."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def sell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Book a sale over a bare connection, which leaves no garbage of its own."""
    writer.write(
        b"POST /api/orders/create-sale HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 201 " in head
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    await reader.readexactly(int(length.partition(b":")[2]))


def belongs_to_request(each: object) -> bool:
    """Return whether this object belongs to a request: its task, its scope, or its protocol cycle."""
    # By type, since `isinstance` accesses proxies of dead objects.
    kind = type(each)
    is_scope = issubclass(kind, dict) and "raw_path" in cast("dict[object, object]", each)
    return is_scope or issubclass(kind, asyncio.Task | RequestResponseCycle)


async def test_a_sale_leaves_no_cyclic_garbage(shop: Shop, uncollected: list[object]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    await sell(reader, writer)
    gc.collect()
    uncollected.clear()
    for _ in range(SALES):
        await sell(reader, writer)
    gc.collect()
    writer.close()
    # Shops of earlier tests leave a little, too; a cycle in the way of a sale leaves its task, or what came and went.
    of_requests = [each for each in uncollected if belongs_to_request(each)]
    assert len(of_requests) < SALES // 2
