"""Lists in the two response shapes of the API: an array, or `items` with their count and amount.

Without `limit` or `cursor` the whole list is streamed; count and amount follow the items, so they match the documents
that were sent. A page contains the count and amount of the whole list. The query schema loads a `Listing`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from typing import Any

import orjson
from marshmallow import Schema
from starlette.responses import Response

from endpoints.http.requests import read_query
from endpoints.http.responses import answer, page_headers, streamed
from endpoints.http.state import documents_of
from endpoints.sales.render_cache import RenderCache, RenderedDocument
from endpoints.sales.state import SalesRequest
from endpoints.transfer.cached_responses import cached_response
from endpoints.transfer.json_streams import in_turn, joined, serialized, wrapped
from endpoints.transfer.response_cache import CacheVersion
from repositories.sales.documents import Documents
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.reporting.reports import separate_summary
from schemas.reporting.sums import CountAndAmount, Sums
from schemas.sales.documents import SalesDocument
from schemas.sales.listing import DocumentCursor, Listing, SortKey, sort_key

Entry = tuple[str, RenderedDocument]


async def array(request: SalesRequest, source: Documents[Any], schema: Schema) -> Response:
    """Return the documents of one kind as a JSON array."""
    render_cache = request.state.render_caches.of_kind[source.kind]

    async def make(listing: Listing, cache_version: CacheVersion) -> Response:
        if listing.limit is None:
            whole = wrapped(b"[", joined(serialized(source.stream(listing), render_cache.serialize)), b"]")
            return await streamed(in_turn(request, whole), cache_version.headers)
        page = await source.page(listing, listing.limit)
        documents = [render_cache(each) for each in page.items]
        next_cursor = None if page.is_last else DocumentCursor.of(source.kind, documents[-1].sort_fields)
        headers = {**cache_version.headers, **page_headers(request, schema, next_cursor)}
        return answer([document.json for document in documents], headers=headers)

    return await cached_response(request, lambda: read_query(request, schema), make)


async def history(request: SalesRequest, render_caches: Mapping[str, RenderCache], schema: Schema) -> Response:
    """Return estimates and orders as one JSON array."""
    source = request.state.history

    async def make(listing: Listing, cache_version: CacheVersion) -> Response:
        if listing.limit is None:
            shown = (
                [render_caches[kind].serialize(document) for kind, document in batch]
                async for batch in source.stream(listing)
            )
            return await streamed(in_turn(request, wrapped(b"[", joined(shown), b"]")), cache_version.headers)
        page, is_last = await _merged_page(request, listing, listing.limit, render_caches)
        next_cursor = None if is_last else _cursor(page[-1])
        headers = {**cache_version.headers, **page_headers(request, schema, next_cursor)}
        return answer([shown.json for _, shown in page], headers=headers)

    return await cached_response(request, lambda: read_query(request, schema), make)


async def groups(
    request: SalesRequest, render_caches: Mapping[str, RenderCache], schema: Schema, *, summary: bool
) -> Response:
    """Return `{estimates: {count, total_amount, items}, orders: {…}, summary}` for the kinds of `render_caches`."""

    async def make(listing: Listing, cache_version: CacheVersion) -> Response:
        if listing.limit is None:
            whole = _group_chunks(request, render_caches, listing, summary)
            return await streamed(in_turn(request, whole), cache_version.headers)
        totals, (page, is_last) = await asyncio.gather(
            _totals(request, render_caches, listing, cache_version),
            _merged_page(request, listing, listing.limit, render_caches),
        )
        next_cursor = None if is_last else _cursor(page[-1])
        content: dict[str, Any] = {
            kind: {
                **totals[kind].shown("total_amount"),
                "items": [shown.json for of_kind, shown in page if of_kind == kind],
            }
            for kind in render_caches
        }
        if summary:
            content["summary"] = separate_summary(totals[ESTIMATES], totals[ORDERS])
        return answer(content, headers={**cache_version.headers, **page_headers(request, schema, next_cursor)})

    return await cached_response(request, lambda: read_query(request, schema), make)


async def _group_chunks(
    request: SalesRequest, render_caches: Mapping[str, RenderCache], listing: Listing, summary: bool
) -> AsyncGenerator[bytes]:
    totals = {}
    opening = b"{"
    for kind, render_cache in render_caches.items():
        source = documents_of(request.state, kind)
        sums = totals[kind] = CountAndAmount()
        counted = _counted(source, listing, sums)
        async for chunk in wrapped(
            b'%s"%s":{"items":[' % (opening, kind.encode()), joined(serialized(counted, render_cache.serialize)), b"]"
        ):
            yield chunk
        yield b"," + orjson.dumps(sums.shown("total_amount"))[1:]
        opening = b","
    if summary:
        yield b',"summary":' + orjson.dumps(separate_summary(totals[ESTIMATES], totals[ORDERS]))
    yield b"}"


async def _totals(
    request: SalesRequest, kinds: Iterable[str], listing: Listing, cache_version: CacheVersion
) -> dict[str, CountAndAmount]:
    """Return count and amount of the whole list: from the rollups without a filter, else from an index."""
    if listing.is_filtered:
        return {kind: CountAndAmount(*await documents_of(request.state, kind).totals(listing)) for kind in kinds}

    async def add_up() -> Sums:
        return Sums.of(await request.state.reports.between(None, None))

    sums = await request.state.response_cache.sums.at(cache_version.etag, add_up)
    return {ESTIMATES: sums.estimated, ORDERS: sums.listed}


async def _counted(
    source: Documents[Any], listing: Listing, sums: CountAndAmount
) -> AsyncIterator[list[SalesDocument]]:
    async for batch in source.stream(listing):
        sums.add(len(batch), sum(map(source.amount, batch)))
        yield batch


async def _merged_page(
    request: SalesRequest, listing: Listing, limit: int, render_caches: Mapping[str, RenderCache]
) -> tuple[list[Entry], bool]:
    """Return up to `limit` documents of several kinds, newest first, and whether no others follow."""
    found = await asyncio.gather(*(documents_of(request.state, kind).page(listing, limit) for kind in render_caches))
    entries: list[Entry] = []
    ends = []
    for (kind, render_cache), page in zip(render_caches.items(), found, strict=True):
        entries += [(kind, render_cache(each)) for each in page.items]
        if not page.is_last:
            ends.append(_sort_key(entries[-1]))
    # Documents that are older than the end of an incomplete page may have others of that kind before them.
    reached = [entry for entry in entries if not ends or _sort_key(entry) >= max(ends)]
    reached.sort(key=_sort_key, reverse=True)
    return reached[:limit], not ends and len(entries) <= limit


def _sort_key(entry: Entry) -> SortKey:
    kind, document = entry
    return sort_key(kind, document.sort_fields)


def _cursor(entry: Entry) -> DocumentCursor:
    kind, document = entry
    return DocumentCursor.of(kind, document.sort_fields)
