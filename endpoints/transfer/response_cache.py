"""The response cache: encoded responses, valid while the head of the event log does not change.

While the head stays the same, the same query has the same response. So a list or a report is computed once, however
many clients request it, and only the head is read for each request (once for concurrent requests). A client that has
the response already receives a 304.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property
from typing import Any, Final, Generic, NamedTuple, TypeVar

from cachetools import LRUCache
from starlette.responses import Response, StreamingResponse
from starlette.types import Scope

from endpoints.transfer.gzip import ENCODING, MIN_SIZE, GzipEncoder
from repositories.concurrency.single_flight import SingleFlight
from repositories.event_log.event_log import Head
from schemas.live.protocol import LogPosition
from schemas.reporting.sums import Sums

MOST_BYTES: Final = 32 * 1024 * 1024
#: Larger or streamed responses are not cached.
LARGEST: Final = 512 * 1024
#: Bytes of a cached response beside its body and its key: the objects and the headers.
OVERHEAD: Final = 2_048
# Number and length of the URLs whose parsed query is cached: parsing takes as long as a cached response.
_MOST_ADDRESSES: Final = 256
_LONGEST_ADDRESS: Final = 256


class CacheVersion:
    """The version of a response: the head of the event log, read before the data.

    A response is at least as new as its head, so a client that follows the event stream from `X-Stream-Position` misses
    no event.

    :param extra: other dependencies of the response, such as the date of today.
    """

    def __init__(self, head: Head, version: str, extra: str = "") -> None:
        self.place = LogPosition(head.seq, head.epoch)
        self.etag = f'W/"{head.epoch}.{head.seq}.{version}{extra and "." + extra}"'
        self.headers = {
            "ETag": self.etag,
            "X-Stream-Position": str(head.seq),
            "Cache-Control": "no-cache",
            "Vary": "Accept-Encoding",
        }

    @cached_property
    def unchanged(self) -> Response:
        """The response for a client that has the current version."""
        return Response(status_code=304, headers=self.headers)


MakeResponse = Callable[[CacheVersion], Awaitable[Response]]
T = TypeVar("T")


class CacheQuery(NamedTuple):
    """A parsed query.

    :ivar key: equal for equivalent queries.
    :ivar query: as loaded by the schema.
    """

    key: str
    query: Any


class _CachedResponse(NamedTuple):
    """A response, and its compressed form once a client has requested that."""

    etag: str
    response: Response
    packed: Response | None = None

    @property
    def size(self) -> int:
        """Bytes of memory without the key."""
        return sum(OVERHEAD + len(each.body) for each in (self.response, self.packed) if each is not None)


class VersionedValue(Generic[T]):
    """A value that all pages of a list share, computed once for each version."""

    def __init__(self) -> None:
        self._etag = ""
        self._value: asyncio.Task[T] | None = None

    async def at(self, etag: str, compute: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if self._value is None or self._etag != etag or _has_failed(self._value):
            self._etag, self._value = etag, asyncio.create_task(compute())
        return await asyncio.shield(self._value)


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


class ResponseCache:
    """The cache of one store in one process: the newest response to each query, up to `most_bytes` of the latest used.

    :ivar sums: totals of all documents, which every page of an unfiltered list contains.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, largest: int = LARGEST) -> None:
        self._most_bytes = most_bytes
        self._largest = largest
        self._bytes = 0
        self._kept: OrderedDict[str, _CachedResponse] = OrderedDict()
        self._questions: LRUCache[tuple[str, bytes, str], CacheQuery] = LRUCache(_MOST_ADDRESSES)
        self.sums: VersionedValue[Sums] = VersionedValue()
        self._making: SingleFlight[tuple[str, str], Response] = SingleFlight()
        self._head: Head | None = None
        self._at_head: dict[str, CacheVersion] = {}

    @property
    def size(self) -> int:
        """Bytes in the cache, with keys and overhead."""
        return self._bytes

    def cache_query(self, scope: Scope, extra: str, parse: Callable[[], Any]) -> CacheQuery:
        """Return the parsed query of a URL. Unknown parameters do not change it.

        :param extra: other dependencies of the query.
        """
        path, query_string = scope["path"], scope["query_string"]
        known = self._questions.get((path, query_string, extra))
        if known is None:
            query, endpoint = parse(), scope["endpoint"]
            known = CacheQuery(f"{endpoint.__module__}.{endpoint.__qualname__} {query!r}", query)
            if len(path) + len(query_string) <= _LONGEST_ADDRESS:
                self._questions[path, query_string, extra] = known
        return known

    def cache_version(self, head: Head, version: str, extra: str = "") -> CacheVersion:
        """Return the version, cached for each head: making it takes as long as a cached response."""
        if head != self._head:
            self._head, self._at_head = head, {}
        if extra not in self._at_head:
            self._at_head[extra] = CacheVersion(head, version, extra)
        return self._at_head[extra]

    async def of(
        self, key: str, cache_version: CacheVersion, make: MakeResponse, *, accepts_gzip: bool = False
    ) -> Response:
        """Return the response to a query: cached, in progress or new.

        :param accepts_gzip: whether the client takes a compressed response.
        """
        response = await self._plain(key, cache_version, make)
        kept = self._kept.get(key)
        if not accepts_gzip or kept is None or kept.response is not response or len(response.body) < MIN_SIZE:
            return response
        if kept.packed is None:
            kept = kept._replace(packed=await _packed(response))
            # Unless a concurrent request has compressed or replaced the entry.
            if (now := self._kept.get(key)) is not None and now.response is response and now.packed is None:
                self._keep(key, kept)
        return kept.packed or response

    async def _plain(self, key: str, cache_version: CacheVersion, make: MakeResponse) -> Response:
        kept = self._kept.get(key)
        if kept is not None and kept.etag == cache_version.etag:
            self._kept.move_to_end(key)
            return kept.response
        wanted = (key, cache_version.etag)
        is_shared = wanted in self._making
        response = await self._making(wanted, lambda: self._make(key, cache_version, make))
        return await make(cache_version) if is_shared and isinstance(response, StreamingResponse) else response

    async def _make(self, key: str, cache_version: CacheVersion, make: MakeResponse) -> Response:
        response = await make(cache_version)
        if not isinstance(response, StreamingResponse) and len(response.body) <= self._largest:
            self._keep(key, _CachedResponse(cache_version.etag, response))
        return response

    def _keep(self, key: str, cached: _CachedResponse) -> None:
        self._drop(key)
        self._kept[key] = cached
        self._bytes += len(key) + cached.size
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        old = self._kept.pop(key, None)
        if old is not None:
            self._bytes -= len(key) + old.size


async def _packed(response: Response) -> Response:
    body = await GzipEncoder().pack(bytes(response.body), is_last=True)
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Response(body, response.status_code, {**headers, "Content-Encoding": ENCODING})
