"""Lists in the shapes that clients know: an array, or `items` beside their count and amount.

Without `limit` or `cursor` the whole list is streamed; count and amount follow the items, so they are those of the
very documents that were sent. A page carries the count and amount of the whole list. What is asked for is read by a
schema that loads a `Listing`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, Final, TypeVar

import orjson
from marshmallow import Schema
from starlette.requests import Request
from starlette.responses import Response

from endpoints.copies import Freshness, fresh
from endpoints.requests import read_query
from endpoints.responses import answer, page_headers, streamed
from repositories.documents import Documents
from repositories.history import History
from schemas.documents import Document
from schemas.listing import Listing, Position
from schemas.reports import Sums, Tally, separate_summary
from schemas.rollups import ESTIMATES, ORDERS

_CHUNK: Final = 64 * 1024

T = TypeVar("T")

Show = Callable[[Document], dict[str, Any]]


async def array(request: Request, source: Documents, show: Show, schema: Schema) -> Response:
    """The documents of one kind as a JSON array."""

    async def make(listing: Listing, freshness: Freshness) -> Response:
        if listing.limit is None:
            return await streamed(
                _wrapped(b"[", _joined(_shown(source.batches(listing), show)), b"]"), freshness.headers
            )
        found = await source.newest(listing, listing.limit + 1)
        page, last = _page(found, listing.limit, lambda document: Position.of(source.kind, document))
        headers = {**freshness.headers, **page_headers(request, last)}
        return answer([show(document) for document in page], headers=headers)

    return await fresh(request, lambda: read_query(request, schema), make)


async def history(request: Request, show: Callable[[str, Document], dict[str, Any]], schema: Schema) -> Response:
    """Estimates and orders as one JSON array."""
    source: History = request.state.history

    async def make(listing: Listing, freshness: Freshness) -> Response:
        if listing.limit is None:
            shown = ([show(*entry) for entry in batch] async for batch in source.batches(listing))
            return await streamed(_wrapped(b"[", _joined(shown), b"]"), freshness.headers)
        found = await source.newest(listing, listing.limit + 1)
        page, last = _page(found, listing.limit, lambda entry: Position.of(*entry))
        headers = {**freshness.headers, **page_headers(request, last)}
        return answer([show(*entry) for entry in page], headers=headers)

    return await fresh(request, lambda: read_query(request, schema), make)


async def groups(request: Request, shows: dict[str, Show], schema: Schema, *, summary: bool) -> Response:
    """`{estimates: {count, total_amount, items}, orders: {…}, summary}`, of the kinds that `shows` has."""

    async def make(listing: Listing, freshness: Freshness) -> Response:
        if listing.limit is None:
            return await streamed(_group_chunks(request, shows, listing, summary), freshness.headers)
        tallies, found = await asyncio.gather(
            _tallies(request, shows, listing, freshness),
            request.state.history.newest(listing, listing.limit + 1, kinds=tuple(shows)),
        )
        page, last = _page(found, listing.limit, lambda entry: Position.of(*entry))
        content: dict[str, Any] = {
            kind: {
                **tallies[kind].shown("total_amount"),
                "items": [show(document) for k, document in page if k == kind],
            }
            for kind, show in shows.items()
        }
        if summary:
            content["summary"] = separate_summary(tallies[ESTIMATES], tallies[ORDERS])
        return answer(content, headers={**freshness.headers, **page_headers(request, last)})

    return await fresh(request, lambda: read_query(request, schema), make)


async def _group_chunks(
    request: Request, shows: dict[str, Show], listing: Listing, summary: bool
) -> AsyncGenerator[bytes]:
    tallies = {}
    opening = b"{"
    for kind, show in shows.items():
        source: Documents = getattr(request.state, kind)
        tally = tallies[kind] = Tally()
        counted = _counted(source, listing, tally)
        async for chunk in _wrapped(
            b'%s"%s":{"items":[' % (opening, kind.encode()), _joined(_shown(counted, show)), b"]"
        ):
            yield chunk
        yield b"," + orjson.dumps(tally.shown("total_amount"))[1:]
        opening = b","
    if summary:
        yield b',"summary":' + orjson.dumps(separate_summary(tallies[ESTIMATES], tallies[ORDERS]))
    yield b"}"


async def _tallies(
    request: Request, shows: dict[str, Show], listing: Listing, freshness: Freshness
) -> dict[str, Tally]:
    """Count and amount of the whole list: from the rollups where nothing is filtered out, else by asking an index."""
    if listing.is_filtered:
        return {kind: Tally(*await getattr(request.state, kind).sums(listing)) for kind in shows}

    async def add_up() -> Sums:
        return Sums.of(await request.state.reports.between(None, None))

    sums = await request.state.copies.sums.at(freshness.etag, add_up)
    return {ESTIMATES: sums.estimated, ORDERS: sums.listed}


async def enclosed(
    opening: bytes, batches: AsyncIterator[list[Document]], show: Show, closing: bytes, headers: Mapping[str, str]
) -> Response:
    """A whole list, streamed, between an opening and a closing."""
    return await streamed(_wrapped(opening, _joined(_shown(batches, show)), closing), headers)


async def _counted(source: Documents, listing: Listing, tally: Tally) -> AsyncIterator[list[Document]]:
    async for batch in source.batches(listing):
        tally.add(len(batch), sum(map(source.amount, batch)))
        yield batch


async def _shown(batches: AsyncIterator[list[Document]], show: Show) -> AsyncIterator[list[dict[str, Any]]]:
    async for batch in batches:
        yield [show(document) for document in batch]


async def _joined(batches: AsyncIterator[list[dict[str, Any]]]) -> AsyncGenerator[bytes]:
    """Items as JSON, comma between, a batch at a time."""
    comma = b""
    async for batch in batches:
        yield comma + orjson.dumps(batch)[1:-1]
        comma = b","


async def _wrapped(opening: bytes, chunks: AsyncIterator[bytes], closing: bytes) -> AsyncGenerator[bytes]:
    """The chunks between an opening and a closing, which ride on the first and the last of them."""
    held = opening
    async for chunk in chunks:
        if len(held) > _CHUNK:
            yield held
            held = b""
        held += chunk
    yield held + closing


def _page(found: list[T], limit: int, place: Callable[[T], Position]) -> tuple[list[T], Position | None]:
    """The first `limit` of what was found, and the last one's place if more follow."""
    page = found[:limit]
    return page, place(page[-1]) if len(found) > limit else None
