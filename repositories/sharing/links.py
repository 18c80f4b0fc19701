"""Public links, found by the hash of their token.

Views are counted outside the journal, because a view does not change the store.
"""

import secrets
from contextlib import suppress
from datetime import timedelta
from typing import Final

from repositories.database.client import Database
from repositories.database.errors import Unavailable, read_deadline
from repositories.sharing.commands import AddLink
from schemas.core.calendar import Clock
from schemas.core.collections import LINK_VIEWS, LINKS
from schemas.core.principals import Actor
from schemas.core.public_ids import new_id
from schemas.core.tokens import hash_token
from schemas.sharing import Link, ViewedLink, Views

_TOKEN_BYTES: Final = 24
_MAX_LINKS: Final = 500


class LinkRepository:
    """The public links of one store."""

    def __init__(self, database: Database, store: str, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._clock = clock

    def draft(self, kind: str, document_id: str, *, days: int, actor: Actor) -> tuple[AddLink, str]:
        """Return the command that creates a link for some days, and the link's token, which cannot be recovered."""
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._clock()
        link_id, expires_at = new_id(LINKS, now), now + timedelta(days=days)
        return AddLink(link_id, kind, document_id, hash_token(token), expires_at, actor=actor), token

    async def list_for_document(self, kind: str, document_id: str) -> list[ViewedLink]:
        """Return the newest links to a document, revoked ones too, each with `views` and `viewed_at`."""
        criteria = {"store": self._store, "kind": kind, "document_id": document_id}
        async with read_deadline():
            links: list[Link] = await self._database[LINKS].find(criteria).sort("_id", -1).to_list(_MAX_LINKS)
            wanted = {"_id": {"$in": [link["_id"] for link in links]}}
            views = {row["_id"]: row for row in await self._database[LINK_VIEWS].find(wanted).to_list(_MAX_LINKS)}
        unseen: Views = {"views": 0, "viewed_at": None}
        seen: list[Views] = [views.get(link["_id"], unseen) for link in links]
        return [{**link, **each} for link, each in zip(links, seen, strict=True)]


class PublicLinks:
    """The public links of all stores, for clients that open a link."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, token: str) -> Link | None:
        """Return the link of a token, None if it does not exist, has expired or was revoked."""
        criteria = {"token": hash_token(token), "voided_at": None, "expires_at": {"$gt": self._clock()}}
        async with read_deadline():
            return await self._database[LINKS].find_one(criteria)

    async def count(self, link: Link) -> None:
        """Count a view. If the database cannot be reached, it is not counted."""
        seen = {"$inc": {"views": 1}, "$set": {"store": link["store"], "viewed_at": self._clock()}}
        with suppress(Unavailable):
            async with read_deadline():
                await self._database[LINK_VIEWS].update_one({"_id": link["_id"]}, seen, upsert=True)
