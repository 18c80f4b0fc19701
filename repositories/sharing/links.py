"""Public links: created and revoked through the journal, found by the hash of their token.

`links` holds one row for each: `_id` (`LINK-…`), `kind` and `document_id` of the document it shows, `token` (its
SHA-256), `expires_at`, `voided_at`. Views are counted in `link_views`, outside the journal, because a view does not
change the store.
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
    """A link that was just created, with its token, which cannot be recovered later."""

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
        """Create a link to a document.

        :param days: its lifetime.
        :raises NotFound: there is no such document.
        """
        link, token = self.draft(kind, document_id, days=days, actor=actor)
        outcome = await self._journal.submit(link)
        return NewLink(outcome.answer, token, outcome)

    def draft(self, kind: str, document_id: str, *, days: int, actor: Actor) -> tuple[AddLink, str]:
        """Return the command that creates a link, and the link's token."""
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._clock()
        link_id, expires_at = new_id(LINK_PREFIX, now), now + timedelta(days=days)
        return AddLink(link_id, kind, document_id, hash_token(token), expires_at, actor=actor), token

    async def end(self, link_id: str, keys: tuple[RequestKey, ...] = (), *, actor: Actor) -> Outcome:
        """Revoke a link.

        :raises NotFound: there is no such link, or another request has revoked it.
        """
        return await self._journal.submit(EndLink(link_id, keys=keys, actor=actor))

    async def list_for_document(self, kind: str, document_id: str) -> list[Document]:
        """Return the newest links to a document, revoked ones too, each with `views` and `viewed_at`."""
        criteria = {"store": self._store, "kind": kind, "document_id": document_id}
        async with read_deadline():
            links = await self._database[LINKS].find(criteria).sort("_id", -1).to_list(_MAX_LINKS)
            wanted = {"_id": {"$in": [link["_id"] for link in links]}}
            views = {row["_id"]: row for row in await self._database[LINK_VIEWS].find(wanted).to_list(_MAX_LINKS)}
        unseen = {"views": 0, "viewed_at": None}
        return [{**link, **{name: views.get(link["_id"], unseen)[name] for name in unseen}} for link in links]


class PublicLinks:
    """The public links of all stores, for clients that open a link.

    :param clock: the present instant, UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def find(self, token: str) -> Document | None:
        """Return the link of a token, None if it does not exist, has expired or was revoked.

        :raises Unavailable: the database cannot be reached.
        """
        criteria = {"token": hash_token(token), "voided_at": None, "expires_at": {"$gt": self._clock()}}
        async with read_deadline():
            return await self._database[LINKS].find_one(criteria)

    async def count(self, link: Document) -> None:
        """Count a view. If the database cannot be reached, it is not counted."""
        seen = {"$inc": {"views": 1}, "$set": {"store": link["store"], "viewed_at": self._clock()}}
        with suppress(Unavailable):
            async with read_deadline():
                await self._database[LINK_VIEWS].update_one({"_id": link["_id"]}, seen, upsert=True)
