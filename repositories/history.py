"""Estimates and orders in one list, newest first."""

from collections.abc import AsyncIterator, Container

from repositories.documents import Documents
from schemas.documents import Document
from schemas.listing import Listing, Position

Entry = tuple[str, Document]


class History:
    """The documents of both kinds, merged by their place in time."""

    def __init__(self, *sources: Documents) -> None:
        self._sources = sources

    async def newest(self, listing: Listing, limit: int, kinds: Container[str] | None = None) -> list[Entry]:
        """Up to `limit` (kind, document) pairs, newest first; of some kinds only, where `kinds` says so."""
        sources = [source for source in self._sources if kinds is None or source.kind in kinds]
        entries = [(source.kind, document) for source in sources for document in await source.newest(listing, limit)]
        entries.sort(key=_place, reverse=True)
        return entries[:limit]

    async def stream(self, listing: Listing) -> AsyncIterator[Entry]:
        """The whole list, a batch of each kind at a time in memory."""
        streams = {source.kind: source.stream(listing) for source in self._sources}
        heads = {kind: await anext(stream, None) for kind, stream in streams.items()}
        while entries := [(kind, head) for kind, head in heads.items() if head is not None]:
            kind, document = max(entries, key=_place)
            yield kind, document
            heads[kind] = await anext(streams[kind], None)


def _place(entry: Entry) -> Position:
    return Position.of(*entry)
