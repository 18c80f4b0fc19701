"""Public links: made and ended through the journal, looked up by the hash of their token.

`links` holds one row for each: `_id` (`LINK-…`), `kind` and `document_id` of what it shows, `token` (its SHA-256),
`expires_at`, `voided_at`. How often a link was used is counted beside it, in `link_views`, since a count is no change
of the shop's.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from repositories.database.client import Database
from repositories.database.errors import Unavailable, read_deadline
from repositories.journal.transaction import Outcome
from repositories.leadership.shared_journal import SharedJournal
from repositories.sharing.commands import AddLink, EndLink
from schemas.core.collections import LINK_VIEWS, LINKS
from schemas.core.documents import Document
from schemas.core.principals import Actor
from schemas.core.public_ids import LINK_PREFIX, new_id
from schemas.core.tokens import hash_token
from schemas.journal.idempotency import RequestKey

_TOKEN_BYTES: Final = 24
_MAX_LINKS: Final = 500


class NewLink(NamedTuple):
    """token: which nobody can be told again."""

    link: Document
    token: str
    outcome: Outcome


class LinkRepository:
    """The public links of one store."""

    def __init__(self, database: Database, store: str, journal: SharedJournal, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._store = store
        self._journal = journal
        self._clock = clock

    async def create(self, kind: str, document_id: str, *, days: int, actor: Actor) -> NewLink:
        """A link to a document, for so many days.

        :raises NotFound: there is no such document.
        """
        link, token = self.draft(kind, document_id, days=days, actor=actor)
        outcome = await self._journal.submit(link)
        return NewLink(outcome.answer, token, outcome)

    def draft(self, kind: str, document_id: str, *, days: int, actor: Actor) -> tuple[AddLink, str]:
        """What makes such a link, and its token."""
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._clock()
        link_id, expires_at = new_id(LINK_PREFIX, now), now + timedelta(days=days)
        return AddLink(link_id, kind, document_id, hash_token(token), expires_at, actor=actor), token

    async def end(self, link_id: str, keys: tuple[RequestKey, ...] = (), *, actor: Actor) -> Outcome:
        """:raises NotFound: there is none, or it was ended before, and not by this very request."""
        return await self._journal.submit(EndLink(link_id, keys=keys, actor=actor))

    async def list_for_document(self, kind: str, document_id: str) -> list[Document]:
        """The newest links to a document, those that have ended too, each with `views` and `viewed_at`."""
        criteria = {"store": self._store, "kind": kind, "document_id": document_id}
        async with read_deadline():
            links = await self._database[LINKS].find(criteria).sort("_id", -1).to_list(_MAX_LINKS)
            wanted = {"_id": {"$in": [link["_id"] for link in links]}}
            views = {row["_id"]: row for row in await self._database[LINK_VIEWS].find(wanted).to_list(_MAX_LINKS)}
        unseen = {"views": 0, "viewed_at": None}
        return [{**link, **{name: views.get(link["_id"], unseen)[name] for name in unseen}} for link in links]


class PublicLinks:
    """The public links of all stores, as those use them who have one.

    :param clock: the present instant, UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def find(self, token: str) -> Document | None:
        """The link of that token, unless it has expired or was ended.

        :raises Unavailable: the database is away.
        """
        criteria = {"token": hash_token(token), "voided_at": None, "expires_at": {"$gt": self._clock()}}
        async with read_deadline():
            return await self._database[LINKS].find_one(criteria)

    async def count(self, link: Document) -> None:
        """One more has looked. A look that cannot be counted is not."""
        seen = {"$inc": {"views": 1}, "$set": {"store": link["store"], "viewed_at": self._clock()}}
        with suppress(Unavailable):
            async with read_deadline():
                await self._database[LINK_VIEWS].update_one({"_id": link["_id"]}, seen, upsert=True)
