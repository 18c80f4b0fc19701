"""Sign-ins that last: an access token for an hour, and a refresh token that makes the next pair, once.

All the tokens that come of one sign-in are a family. A refresh token that is shown a second time was copied, and nobody
knows by whom, so its family ends (RFC 9700, 4.14). What ends here holds in other processes within five seconds.

Or the answer was lost on the way. Whoever may have to ask again says so beforehand, by a key that they keep to
themselves: with it, and for ten minutes, the same token gets the very same answer. No other pair ever comes of it, so a
thief and the one who was robbed cannot each go on by themselves; and a thief, who has no key, gets nothing.
"""

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from repositories.accounts.credentials import (
    ACCESS,
    KEY,
    LIFETIMES,
    REFRESH,
    Credentials,
    derive_token,
    was_invalidated,
)
from repositories.database.client import Database
from repositories.database.errors import read_deadline
from schemas.core.collections import CREDENTIALS, USERS
from schemas.core.documents import Document
from schemas.core.tokens import hash_token
from schemas.journal.idempotency import RETRY_WINDOW


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
        self._users = database[USERS]
        self._credentials = credentials
        self._clock = clock

    async def begin(self, owner: str, version: int) -> Tokens:
        """Somebody signs in.

        :param version: of the user whose password it was.
        :raises Unavailable: the database is away.
        """
        refresh = await self._credentials.issue(REFRESH, owner, version=version, used_at=None)
        family = await self.family_of(hash_token(refresh)) or ""
        access = await self._credentials.issue(ACCESS, owner, family=family, version=version)
        return Tokens(access, refresh, family, _access_token_seconds())

    async def begin_at_device(self, device: str, owner: str, version: int) -> Tokens:
        """Somebody signs in at a device, for an hour, and for no longer than the device itself may.

        :raises Unavailable: the database is away.
        """
        access = await self._credentials.issue(ACCESS, owner, device=device, version=version)
        family = await self.family_of(hash_token(access))
        return Tokens(access, None, family or "", _access_token_seconds())

    async def renew(self, refresh: str, key: str | None = None) -> Renewal:
        """The next pair of tokens.

        The new pair is written before the old token is spent: whoever is cut off in between asks again with the old.

        :param key: by which the same may be asked again, where the answer does not arrive.
        :raises Unavailable: the database is away.
        """
        row = await self._find_refresh_token(refresh)
        if row is None or await self._is_ended(row):
            return Renewal(None)
        tokens: Tokens | None = None
        if row["used_at"] is None:
            if row["expires_at"] <= self._clock():
                return Renewal(None, is_expired=True)
            tokens = await self._spend(row, refresh, key)
            # If not, somebody else has spent it meanwhile, or the family has ended.
            row = row if tokens else await self._find_refresh_token(refresh) or row
        tokens = tokens or self._repeat_renewal(row, refresh, key)
        if tokens is None:
            await self.end(row["family"])
            return Renewal(None)
        return Renewal(tokens, row["owner"])

    async def _spend(self, row: Document, refresh: str, key: str | None) -> Tokens | None:
        """The pair that a refresh token is spent for; None where it was spent already."""
        salt = secrets.token_urlsafe()
        secret = f"{salt} {key}"
        tokens = _next_tokens(row, refresh, secret)
        around = {"family": row["family"], "version": row.get("version", 0)}
        await self._credentials.issue(REFRESH, row["owner"], token=tokens.refresh, used_at=None, **around)
        await self._credentials.issue(ACCESS, row["owner"], token=tokens.access, **around)
        retry = None if key is None else {"salt": salt, "hash": hash_token(secret)}
        async with read_deadline():
            spent = await self._rows.update_one(
                {"_id": row["_id"], "used_at": None}, {"$set": {"used_at": self._clock(), "retry": retry}}
            )
        return tokens if spent.modified_count else None

    def _repeat_renewal(self, row: Document, refresh: str, key: str | None) -> Tokens | None:
        """The pair that a token was spent for, once more; None where it was somebody else who spent it."""
        retry = row.get("retry")
        if retry is None or key is None or row["used_at"] + RETRY_WINDOW <= self._clock():
            return None
        secret = f"{retry['salt']} {key}"
        return _next_tokens(row, refresh, secret) if hmac.compare_digest(hash_token(secret), retry["hash"]) else None

    async def _find_refresh_token(self, refresh: str) -> Document | None:
        async with read_deadline():
            return await self._rows.find_one({"_id": hash_token(refresh), "kind": REFRESH})

    async def _is_ended(self, row: Document) -> bool:
        """Whether its user is gone, or has ended it with another password."""
        async with read_deadline():
            user = await self._users.find_one({"_id": row["owner"], "voided_at": None}, {"sign_ins": 1})
        return user is None or was_invalidated(row, user)

    async def family_of(self, digest: str | None) -> str | None:
        """The family of a credential, as it is stored; None where it is gone."""
        async with read_deadline():
            row = await self._rows.find_one({"_id": digest}, {"family": 1})
        return None if row is None else str(row["family"])

    async def end(self, family: str) -> int:
        """Ends a sign-in and all that came of it; how many credentials that were.

        :raises Unavailable: the database is away.
        """
        return await self._delete({"family": family})

    async def end_all(self, owner: str, kept_family: str | None = None) -> int:
        """Ends whatever a user or a device signs in with, and what was made at that device, but for one family.

        :raises Unavailable: the database is away.
        """
        return await self._delete({"$or": [{"owner": owner}, {"device": owner}], "family": {"$ne": kept_family}})

    async def all(self, owner: str | None = None) -> list[Document]:
        """The sign-ins that are not over, the newest first: `{family, kind, owner, device, created_at, expires_at}`.

        :raises Unavailable: the database is away.
        """
        criteria: dict[str, Any] = {"kind": {"$in": [REFRESH, KEY, ACCESS]}, "used_at": None}
        criteria["expires_at"] = {"$not": {"$lte": self._clock()}}
        if owner is not None:
            criteria["$or"] = [{"owner": owner}, {"device": owner}]
        async with read_deadline():
            rows = await self._rows.find(criteria, {"_id": 0}).sort("created_at", 1).to_list()
            known = {"_id": {"$in": [row["owner"] for row in rows]}, "sign_ins": {"$ne": None}}
            users = {user["_id"]: user for user in await self._users.find(known, {"sign_ins": 1}).to_list()}
        rows = [row for row in rows if not was_invalidated(row, users.get(row["owner"], {}))]
        # The refresh token of a family outlasts its access tokens.
        shown = {row["family"]: row for row in sorted(rows, key=lambda row: row["kind"] != ACCESS)}
        return sorted(shown.values(), key=lambda row: row["created_at"], reverse=True)

    async def _delete(self, criteria: dict[str, Any]) -> int:
        try:
            async with read_deadline():
                deleted = await self._rows.delete_many(criteria)
        finally:
            # Also where no answer came: it may have happened.
            self._credentials.clear_cache()
        return deleted.deleted_count


def _next_tokens(row: Document, refresh: str, secret: str) -> Tokens:
    """The pair that follows a refresh token: the same whenever it is asked for."""
    access, following = (derive_token(kind, refresh, secret) for kind in (ACCESS, REFRESH))
    return Tokens(access, following, row["family"], _access_token_seconds())


def _access_token_seconds() -> int:
    lifetime = LIFETIMES[ACCESS]
    return 0 if lifetime is None else int(lifetime.total_seconds())
