"""Estimates and orders in one list, newest first."""

from collections.abc import AsyncIterator
from itertools import takewhile

from repositories.sales.documents import Documents
from schemas.core.documents import Document
from schemas.sales.listing import Listing, SortKey, sort_key

Entry = tuple[str, Document]


class History:
    """The documents of both kinds, merged by their place in time."""

    def __init__(self, *sources: Documents) -> None:
        self._sources = sources

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

    def taken(self, until: SortKey) -> list[Entry]:
        """Takes those that are not older than a place."""
        taken = list(takewhile(lambda entry: _place(entry) >= until, self.entries))
        del self.entries[: len(taken)]
        return taken


def _place(entry: Entry) -> SortKey:
    return sort_key(*entry)
