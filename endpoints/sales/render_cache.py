"""Cache of rendered documents: each stored document is rendered once for as long as it is stored unchanged.

After a sale every client requests its list or report again, and all but one of the documents in it are unchanged.
Decoding and serializing them would be most of the work.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from repositories.database.raw_documents import decode_document
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.sales.documents import SalesDocument
from schemas.sales.listing import SortFields
from schemas.sales.serializers import Serializers

#: Documents in each cache: more than a report or a page contains, which would otherwise find none of them in the cache.
#: A document with two lines takes 2 kB.
_MAX_DOCUMENTS: Final = 1_024
#: Larger documents (bytes of BSON) are not cached, so that the memory is bounded.
_MAX_DOCUMENT_BYTES: Final = 4 * 1024


class RenderedDocument(NamedTuple):
    """A document as JSON.

    :ivar sort_fields: the fields that determine its position in a list (see `sort_key`); keeping all fields would take
        most of the memory.
    """

    sort_fields: SortFields
    text: bytes

    @property
    def json(self) -> orjson.Fragment:
        """The JSON for embedding into a larger response."""
        return orjson.Fragment(self.text)

    def parsed(self) -> dict[str, Any]:
        parsed: dict[str, Any] = orjson.loads(self.text)
        return parsed


class RenderCache:
    """Renders documents of one kind.

    :param serialize: returns the JSON object of a document; it must be deterministic.
    """

    def __init__(self, serialize: Callable[[SalesDocument], dict[str, Any]]) -> None:
        self.serialize = serialize
        self._cached = lru_cache(_MAX_DOCUMENTS)(self._render)

    def __call__(self, stored: bytes) -> RenderedDocument:
        """Return the rendered form of a document in BSON."""
        return self._cached(stored) if len(stored) <= _MAX_DOCUMENT_BYTES else self._render(stored)

    def _render(self, stored: bytes) -> RenderedDocument:
        document: SalesDocument = decode_document(stored)
        # A copy, since the bytes that orjson returns occupy at least eight kilobytes.
        text = memoryview(orjson.dumps(self.serialize(document))).tobytes()
        return RenderedDocument({"created_at": document["created_at"], "number": document["number"]}, text)


class RenderCaches:
    """All render caches of a process.

    :ivar of_kind: for lists of one kind, by kind.
    :ivar entries: for the combined list of estimates and orders, by kind.
    """

    def __init__(self, serializers: Serializers) -> None:
        self.of_kind: Mapping[str, RenderCache] = {
            ESTIMATES: RenderCache(serializers.estimate),
            ORDERS: RenderCache(serializers.order),
        }
        self.entries: Mapping[str, RenderCache] = {
            kind: RenderCache(serialize) for kind, serialize in serializers.entries.items()
        }
