"""Estimates and orders in one list, newest first."""

from collections.abc import AsyncIterator
from itertools import takewhile
from typing import Any

from repositories.sales.documents import Documents
from schemas.sales.documents import SalesDocument
from schemas.sales.listing import Listing, SortKey, sort_key

Entry = tuple[str, SalesDocument]


class History:
    """The documents of both kinds, merged by their time."""

    def __init__(self, *sources: Documents[Any]) -> None:
        self._sources = sources

    async def stream(self, listing: Listing) -> AsyncIterator[list[Entry]]:
        """Yield the whole list, with one batch of each kind in memory."""
        streams = [_KindStream(source, listing) for source in self._sources]
        while True:
            for stream in streams:
                await stream.fill()
            streams = [stream for stream in streams if stream.entries]
            if not streams:
                return
            # Entries that are not older than the end of any batch precede all that is not read yet.
            until = max(_sort_key(stream.entries[-1]) for stream in streams)
            merged = [entry for stream in streams for entry in stream.take(until)]
            merged.sort(key=_sort_key, reverse=True)
            yield merged


class _KindStream:
    """The documents of one kind that were read and not yielded yet, the newest first."""

    def __init__(self, source: Documents[Any], listing: Listing) -> None:
        self._kind = source.kind
        self._batches = source.stream(listing)
        self.entries: list[Entry] = []

    async def fill(self) -> None:
        if not self.entries:
            self.entries = [(self._kind, document) for document in await anext(self._batches, [])]

    def take(self, until: SortKey) -> list[Entry]:
        """Remove and return the entries that are not older than `until`."""
        taken = list(takewhile(lambda entry: _sort_key(entry) >= until, self.entries))
        del self.entries[: len(taken)]
        return taken


def _sort_key(entry: Entry) -> SortKey:
    return sort_key(*entry)
