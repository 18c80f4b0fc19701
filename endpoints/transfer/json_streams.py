"""Long JSON lists, sent in chunks."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from endpoints.http.responses import streamed
from endpoints.transfer.concurrency_limits import owner_of
from endpoints.transfer.disconnect import cut_of
from endpoints.transfer.state import AnyTransferState

T = TypeVar("T")

_CHUNK: Final = 64 * 1024


async def enclosed_list(
    request: Request[AnyTransferState],
    opening: bytes,
    batches: AsyncIterator[list[T]],
    show: Callable[[T], dict[str, Any]],
    closing: bytes,
    headers: Mapping[str, str],
) -> Response:
    """Stream a whole list between an opening and a closing."""
    return await streamed(in_turn(request, wrapped(opening, joined(serialized(batches, show)), closing)), headers)


async def in_turn(request: Request[AnyTransferState], whole: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Yield a whole list in a turn of its owner, until the client has read it; raise Busy if none becomes free."""
    turn = request.state.list_concurrency.turn(owner_of(request.scope), cut_of(request.scope))
    async with turn, aclosing(whole):
        async for chunk in whole:
            yield chunk


async def serialized(
    batches: AsyncIterator[list[T]], show: Callable[[T], dict[str, Any]]
) -> AsyncIterator[list[dict[str, Any]]]:
    async for batch in batches:
        yield [show(document) for document in batch]


async def joined(batches: AsyncIterator[list[dict[str, Any]]]) -> AsyncGenerator[bytes]:
    """Yield the items as JSON with commas between them, one batch at a time."""
    comma = b""
    async for batch in batches:
        yield comma + orjson.dumps(batch)[1:-1]
        comma = b","


async def wrapped(opening: bytes, chunks: AsyncIterator[bytes], closing: bytes) -> AsyncGenerator[bytes]:
    """Yield the chunks between an opening and a closing, which are part of the first and the last chunk."""
    held = opening
    async for chunk in chunks:
        if len(held) > _CHUNK:
            yield held
            held = b""
        held += chunk
    yield held + closing
