"""Estimates and orders in one list, newest first."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from itertools import takewhile

from repositories.sales.documents import Documents
from repositories.sales.render_cache import RenderCache, RenderedDocument
from schemas.core.documents import Document
from schemas.sales.listing import Listing, Place, sort_key

Entry = tuple[str, Document]


class History:
    """The documents of both kinds, merged by their place in time."""

    def __init__(self, *sources: Documents) -> None:
        self._sources = sources

    async def page(
        self, listing: Listing, limit: int, render_caches: Mapping[str, RenderCache]
    ) -> tuple[list[tuple[str, RenderedDocument]], bool]:
        """Return up to `limit` (kind, document) pairs, newest first, and whether there are no others; of the kinds
        that are shown."""
        sources = [source for source in self._sources if source.kind in render_caches]
        found = await asyncio.gather(*(source.page(listing, limit, render_caches[source.kind]) for source in sources))
        pages = [(source.kind, page) for source, page in zip(sources, found, strict=True)]
        entries = [(kind, shown) for kind, page in pages for shown in page.shown]
        # Before what is older than the last one of a page that goes on, others would be missing.
        ends = [sort_key(kind, page.shown[-1].place) for kind, page in pages if not page.is_last]
        reached = [entry for entry in entries if not ends or _shown_place(entry) >= max(ends)]
        reached.sort(key=_shown_place, reverse=True)
        return reached[:limit], not ends and len(entries) <= limit

    async def stream(self, listing: Listing) -> AsyncIterator[list[Entry]]:
        """The whole list, a batch of each kind at a time in memory."""
        streams = [_Ahead(source, listing) for source in self._sources]
        while True:
            for stream in streams:
                await stream.fill()
            streams = [stream for stream in streams if stream.entries]
            if not streams:
                return
            # All that is not older than the oldest of any batch can have nothing before it that is still to be read.
            until = max(_place(stream.entries[-1]) for stream in streams)
            merged = [entry for stream in streams for entry in stream.taken(until)]
            merged.sort(key=_place, reverse=True)
            yield merged


class _Ahead:
    """What was read of one kind and is not given yet, newest first."""

    def __init__(self, source: Documents, listing: Listing) -> None:
        self._kind = source.kind
        self._batches = source.stream(listing)
        self.entries: list[Entry] = []

    async def fill(self) -> None:
        if not self.entries:
            self.entries = [(self._kind, document) for document in await anext(self._batches, [])]

    def taken(self, until: Place) -> list[Entry]:
        """Takes those that are not older than a place."""
        taken = list(takewhile(lambda entry: _place(entry) >= until, self.entries))
        del self.entries[: len(taken)]
        return taken


def _shown_place(entry: tuple[str, RenderedDocument]) -> Place:
    kind, shown = entry
    return sort_key(kind, shown.place)


def _place(entry: Entry) -> Place:
    return sort_key(*entry)
