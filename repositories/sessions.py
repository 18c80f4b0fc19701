"""Sign-ins that last: an access token for an hour, and a refresh token that makes the next pair, once.

All the tokens that come of one sign-in are a family. A refresh token that is shown a second time was copied, and nobody
knows by whom, so its family ends (RFC 9700, 4.14). What ends here holds in other processes within five seconds.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from repositories.credentials import ACCESS, KEY, LIFETIMES, REFRESH, Credentials, hashed
from repositories.database import CREDENTIALS, Database
from repositories.errors import answered
from schemas.documents import Document


class Tokens(NamedTuple):
    """What somebody signs in with from now on. seconds: that the access token lasts. refresh: None at a device."""

    access: str
    refresh: str | None
    family: str
    seconds: int


class Renewal(NamedTuple):
    """What became of a refresh token. tokens: None where it is not known, or not any more. owner: the user's id."""

    tokens: Tokens | None
    owner: str = ""
    is_expired: bool = False


class Sessions:
    """The sign-ins of one database.

    :param credentials: those of this process, which forget what ends here.
    :param clock: the present instant, UTC.
    """

    def __init__(self, database: Database, credentials: Credentials, clock: Callable[[], datetime]) -> None:
        self._rows = database[CREDENTIALS]
        self._credentials = credentials
        self._clock = clock

    async def begin(self, owner: str) -> Tokens:
        """Somebody signs in.

        :raises Unavailable: the database is away.
        """
        refresh = await self._credentials.issue(REFRESH, owner, used_at=None)
        family = await self.family_of(hashed(refresh))
        return await self._pair(owner, family or "", refresh)

    async def begin_at(self, device: str, owner: str) -> Tokens:
        """Somebody signs in at a device, for an hour, and for no longer than the device itself may.

        :raises Unavailable: the database is away.
        """
        access = await self._credentials.issue(ACCESS, owner, device=device)
        family = await self.family_of(hashed(access))
        return Tokens(access, None, family or "", _seconds())

    async def renew(self, refresh: str) -> Renewal:
        """The next pair of tokens.

        The new pair is written before the old token is spent: whoever is cut off in between asks again with the old.

        :raises Unavailable: the database is away.
        """
        async with answered():
            row = await self._rows.find_one({"_id": hashed(refresh), "kind": REFRESH})
        if row is None:
            return Renewal(None)
        if row["used_at"] is not None:
            await self.end(row["family"])
            return Renewal(None)
        if row["expires_at"] <= self._clock():
            return Renewal(None, is_expired=True)
        owner, family = row["owner"], row["family"]
        following = await self._credentials.issue(REFRESH, owner, family=family, used_at=None)
        tokens = await self._pair(owner, family, following)
        async with answered():
            spent = await self._rows.update_one(
                {"_id": row["_id"], "used_at": None}, {"$set": {"used_at": self._clock()}}
            )
        if not spent.modified_count:
            # Somebody else has spent it meanwhile, or the family has ended; then the new pair must not outlive it.
            await self.end(family)
            return Renewal(None)
        return Renewal(tokens, owner)

    async def _pair(self, owner: str, family: str, refresh: str) -> Tokens:
        access = await self._credentials.issue(ACCESS, owner, family=family)
        return Tokens(access, refresh, family, _seconds())

    async def family_of(self, digest: str | None) -> str | None:
        """The family of a credential, as it is stored; None where it is gone."""
        async with answered():
            row = await self._rows.find_one({"_id": digest}, {"family": 1})
        return None if row is None else str(row["family"])

    async def end(self, family: str) -> int:
        """Ends a sign-in and all that came of it; how many credentials that were.

        :raises Unavailable: the database is away.
        """
        return await self._delete({"family": family})

    async def end_all_of(self, owner: str, but: str | None = None) -> int:
        """Ends whatever a user or a device signs in with, and what was made at that device, but for one family.

        :raises Unavailable: the database is away.
        """
        return await self._delete({"$or": [{"owner": owner}, {"device": owner}], "family": {"$ne": but}})

    async def all(self, owner: str | None = None) -> list[Document]:
        """The sign-ins that are not over, the newest first: `{family, kind, owner, device, created_at, expires_at}`.

        :raises Unavailable: the database is away.
        """
        criteria: dict[str, Any] = {"kind": {"$in": [REFRESH, KEY, ACCESS]}, "used_at": None}
        criteria["expires_at"] = {"$not": {"$lte": self._clock()}}
        if owner is not None:
            criteria["$or"] = [{"owner": owner}, {"device": owner}]
        async with answered():
            rows = await self._rows.find(criteria, {"_id": 0}).sort("created_at", 1).to_list()
        # The refresh token of a family outlasts its access tokens.
        shown = {row["family"]: row for row in sorted(rows, key=lambda row: row["kind"] != ACCESS)}
        return sorted(shown.values(), key=lambda row: row["created_at"], reverse=True)

    async def _delete(self, criteria: dict[str, Any]) -> int:
        async with answered():
            deleted = await self._rows.delete_many(criteria)
        self._credentials.forget()
        return deleted.deleted_count


def _seconds() -> int:
    lifetime = LIFETIMES[ACCESS]
    return 0 if lifetime is None else int(lifetime.total_seconds())
