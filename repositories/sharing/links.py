"""Public links, found by the hash of their token.

`links` holds one row for each: `_id` (`LINK-…`), `kind` and `document_id` of the document it shows, `token` (its
SHA-256), `expires_at`, `voided_at`. Views are counted in `link_views`, outside the journal, because a view does not
change the store.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from repositories.database.client import Database
from repositories.database.errors import Unavailable, read_deadline
from repositories.sharing.commands import AddLink
from schemas.core.collections import LINK_VIEWS, LINKS
from schemas.core.documents import Document
from schemas.core.principals import Actor
from schemas.core.public_ids import LINK_PREFIX, new_id
from schemas.core.tokens import hash_token

_TOKEN_BYTES: Final = 24
_MAX_LINKS: Final = 500


class LinkRepository:
    """The public links of one store."""

    def __init__(self, database: Database, store: str, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._store = store
        self._clock = clock

    def draft(self, kind: str, document_id: str, *, days: int, actor: Actor) -> tuple[AddLink, str]:
        """Return the command that creates a link for some days, and the link's token, which cannot be recovered."""
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._clock()
        link_id, expires_at = new_id(LINK_PREFIX, now), now + timedelta(days=days)
        return AddLink(link_id, kind, document_id, hash_token(token), expires_at, actor=actor), token

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
