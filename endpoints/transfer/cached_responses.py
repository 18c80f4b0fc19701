"""Responses to lists and reports: from the cache, or made in a turn of their client."""

import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from endpoints.http.requests import matches_etag
from endpoints.transfer.concurrency_limits import owner_of
from endpoints.transfer.gzip import takes_gzip
from endpoints.transfer.response_cache import CacheVersion
from endpoints.transfer.state import AnyTransferState
from repositories.database.errors import READ_SECONDS, read_deadline

T = TypeVar("T")


def page_turn(request: Request[AnyTransferState]) -> AbstractAsyncContextManager[None]:
    """Hold a turn for making a response of bounded size; raise Busy if none became free in time."""
    return request.state.page_concurrency.turn(owner_of(request.scope))


async def cached_response(
    request: Request[AnyTransferState],
    parse: Callable[[], T],
    make: Callable[[T, CacheVersion], Awaitable[Response]],
    extra: str = "",
) -> Response:
    """Return the response to a list or a report: a 304, a cached response, or a new one.

    :param extra: other dependencies of the response, such as the date of today.
    """
    cache = request.state.response_cache
    cache_query = cache.cache_query(request.scope, extra, parse)
    asked_at = time.monotonic()

    async def made(cache_version: CacheVersion) -> Response:
        # A whole list takes a longer turn of another kind.
        turn = nullcontext() if getattr(cache_query.query, "limit", 0) is None else page_turn(request)
        # Two database reads in sequence share the deadline of one.
        async with read_deadline(READ_SECONDS - (time.monotonic() - asked_at)), turn:
            return await make(cache_query.query, cache_version)

    cache_version = cache.cache_version(await request.state.event_log.head(), request.state.about.version, extra)
    if matches_etag(request, cache_version.etag):
        return cache_version.unchanged
    packed = takes_gzip(request.headers.get("accept-encoding"))
    return await cache.of(cache_query.key, cache_version, made, accepts_gzip=packed)
