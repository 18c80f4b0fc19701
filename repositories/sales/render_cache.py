"""Stored documents with their JSON, each made once for as long as it is stored the same.

After a sale every screen asks for its list or report anew, and all but one of the documents in it are what they were.
Decoding them and putting them into words would be most of the work.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from repositories.database.raw_documents import decode_document
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.documents import Document
from schemas.sales.listing import PLACE
from schemas.sales.serializers import Serializers

Serialize = Callable[[Document], dict[str, Any]]

#: Documents of each view: more than a report or a page shows, which would find none of them otherwise; one of two lines
#: takes 2 kB. And the bytes of a document from which on it is made anew each time, so that what is kept is bounded.
_KEPT: Final = 1_024
_LARGEST: Final = 4 * 1024


class RenderedDocument(NamedTuple):
    """place: the fields of a document that say where it stands in a list (see `place_of`); all of them would be most of
    what is kept."""

    place: Document
    text: bytes

    @property
    def json(self) -> orjson.Fragment:
        """To be put into a larger answer."""
        return orjson.Fragment(self.text)

    def parsed(self) -> dict[str, Any]:
        """The JSON object."""
        shown: dict[str, Any] = orjson.loads(self.text)
        return shown


class Page(NamedTuple):
    """The first documents of a list, as they are shown, and whether there are no others."""

    shown: list[RenderedDocument]
    is_last: bool


class RenderCache:
    """Shows documents of one kind.

    :param show: what a document is as a JSON object; the same for the same document.
    """

    def __init__(self, show: Serialize) -> None:
        self.show = show
        self._kept = lru_cache(_KEPT)(self._made)

    def __call__(self, stored: bytes) -> RenderedDocument:
        """:param stored: BSON."""
        return self._kept(stored) if len(stored) <= _LARGEST else self._made(stored)

    def _made(self, stored: bytes) -> RenderedDocument:
        document = decode_document(stored)
        # A copy: what orjson makes has eight kilobytes behind it, however short it is.
        text = memoryview(orjson.dumps(self.show(document))).tobytes()
        return RenderedDocument({name: document[name] for name in PLACE}, text)


class RenderCaches:
    """of_kind: estimates and orders as their own lists show them; entries: as the one list of both does."""

    def __init__(self, views: Serializers) -> None:
        self.of_kind: Mapping[str, RenderCache] = {
            ESTIMATES: RenderCache(views.estimate),
            ORDERS: RenderCache(views.order),
        }
        self.entries: Mapping[str, RenderCache] = {kind: RenderCache(show) for kind, show in views.entries.items()}
