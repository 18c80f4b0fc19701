"""Sessions: an access token for an hour, and a refresh token that can be exchanged once for the next pair.

All tokens of one sign-in form a family. A refresh token that is used a second time was probably stolen, so its family
ends (RFC 9700, 4.14). A session that ends here is invalid in other processes within five seconds.

A second use can also mean that the response was lost. For that case a client sends a secret key with its request: for
ten minutes, the same token with the same key gets the same response. It never yields another pair, so a thief and the
owner cannot both continue; and a thief, who does not have the key, gets nothing.
"""

import hmac
import secrets
from typing import Any, NamedTuple

from repositories.accounts.credentials import (
    ACCESS,
    KEY,
    LIFETIMES,
    REFRESH,
    Credentials,
    derive_token,
    has_expired,
    was_invalidated,
)
from repositories.database.client import Database, Filter
from repositories.database.errors import read_deadline
from schemas.accounts.documents import Credential, Session
from schemas.core.calendar import Clock
from schemas.core.collections import CREDENTIALS, USERS
from schemas.core.tokens import hash_token
from schemas.journal.idempotency import RETRY_WINDOW


class Tokens(NamedTuple):
    access: str
    #: None at a device.
    refresh: str | None
    family: str
    #: The lifetime of the access token.
    seconds: int


class Renewal(NamedTuple):
    """The result of a refresh token's exchange."""

    #: None if the token is not valid.
    tokens: Tokens | None
    #: The user's id.
    owner: str = ""
    is_expired: bool = False


class Sessions:
    """The sessions of one database.

    :param credentials: the credentials of this process, whose cache is cleared when a session ends.
    """

    def __init__(self, database: Database, credentials: Credentials, clock: Clock) -> None:
        self._rows = database[CREDENTIALS]
        self._users = database[USERS]
        self._credentials = credentials
        self._clock = clock

    async def begin(self, owner: str, version: int) -> Tokens:
        """Begin a session of a user.

        :param version: the version of the user whose password was checked.
        """
        refresh = await self._credentials.issue(REFRESH, owner, version=version, used_at=None)
        family = await self.family_of(hash_token(refresh)) or ""
        access = await self._credentials.issue(ACCESS, owner, family=family, version=version)
        return Tokens(access, refresh, family, _access_token_seconds())

    async def begin_at_device(self, device: str, owner: str, version: int) -> Tokens:
        """Begin a session of a user at a device. It lasts an hour, and ends earlier if the device is deactivated."""
        access = await self._credentials.issue(ACCESS, owner, device=device, version=version)
        family = await self.family_of(hash_token(access))
        return Tokens(access, None, family or "", _access_token_seconds())

    async def renew(self, refresh: str, key: str | None = None) -> Renewal:
        """Exchange a refresh token for the next pair of tokens.

        The new pair is stored before the old token is marked as used, so that a client can repeat an interrupted
        request with the old token.

        :param key: the client's secret, with which it may repeat the request if the response is lost.
        """
        row = await self._find_refresh_token(refresh)
        if row is None or await self._is_ended(row):
            return Renewal(None)
        tokens: Tokens | None = None
        if row["used_at"] is None:
            if has_expired(row, self._clock()):
                return Renewal(None, is_expired=True)
            tokens = await self._spend(row, refresh, key)
            # None: another request has used the token meanwhile, or the family has ended.
            row = row if tokens else await self._find_refresh_token(refresh) or row
        tokens = tokens or self._repeat_renewal(row, refresh, key)
        if tokens is None:
            await self.end(row["family"])
            return Renewal(None)
        return Renewal(tokens, row["owner"])

    async def _spend(self, row: Credential, refresh: str, key: str | None) -> Tokens | None:
        """Store the next pair and mark the refresh token as used; return None if it was used already."""
        salt = secrets.token_urlsafe()
        secret = f"{salt} {key}"
        tokens = _next_tokens(row, refresh, secret)
        around: dict[str, Any] = {"family": row["family"], "version": row.get("version", 0)}
        await self._credentials.issue(REFRESH, row["owner"], token=tokens.refresh, used_at=None, **around)
        await self._credentials.issue(ACCESS, row["owner"], token=tokens.access, **around)
        retry = None if key is None else {"salt": salt, "hash": hash_token(secret)}
        async with read_deadline():
            spent = await self._rows.update_one(
                {"_id": row["_id"], "used_at": None}, {"$set": {"used_at": self._clock(), "retry": retry}}
            )
        return tokens if spent.modified_count else None

    def _repeat_renewal(self, row: Credential, refresh: str, key: str | None) -> Tokens | None:
        """Return the pair of an earlier exchange again; None unless the same client asks, within ten minutes."""
        retry, used_at = row.get("retry"), row["used_at"]
        if retry is None or key is None or used_at is None or used_at + RETRY_WINDOW <= self._clock():
            return None
        secret = f"{retry['salt']} {key}"
        return _next_tokens(row, refresh, secret) if hmac.compare_digest(hash_token(secret), retry["hash"]) else None

    async def _find_refresh_token(self, refresh: str) -> Credential | None:
        async with read_deadline():
            return await self._rows.find_one({"_id": hash_token(refresh), "kind": REFRESH})

    async def _is_ended(self, row: Credential) -> bool:
        """Return whether the user was deactivated, or has ended the session with a new password or PIN."""
        async with read_deadline():
            user = await self._users.find_one({"_id": row["owner"], "voided_at": None}, {"sign_ins": 1})
        return user is None or was_invalidated(row, user.get("sign_ins"))

    async def family_of(self, digest: str | None) -> str | None:
        """Return the family of a credential by its hash, None if it does not exist."""
        async with read_deadline():
            row = await self._rows.find_one({"_id": digest}, {"family": 1})
        return None if row is None else str(row["family"])

    async def end(self, family: str) -> int:
        """End a session, with all its tokens, and return the number of deleted credentials."""
        return await self._delete({"family": family})

    async def end_all(self, owner: str, kept_family: str | None = None) -> int:
        """End all sessions of a user or a device, and those begun at that device, except one family."""
        return await self._delete({"$or": [{"owner": owner}, {"device": owner}], "family": {"$ne": kept_family}})

    async def all(self, owner: str | None = None) -> list[Session]:
        """Return the active sessions, newest first: `{family, kind, owner, device, created_at, expires_at}`."""
        criteria: Filter = {"kind": {"$in": [REFRESH, KEY, ACCESS]}, "used_at": None}
        criteria["expires_at"] = {"$not": {"$lte": self._clock()}}
        if owner is not None:
            criteria["$or"] = [{"owner": owner}, {"device": owner}]
        async with read_deadline():
            rows: list[Credential] = await self._rows.find(criteria, {"_id": 0}).sort("created_at", 1).to_list()
            known = {"_id": {"$in": [row["owner"] for row in rows]}, "sign_ins": {"$ne": None}}
            ended = {user["_id"]: user["sign_ins"] for user in await self._users.find(known, {"sign_ins": 1}).to_list()}
        rows = [row for row in rows if not was_invalidated(row, ended.get(row["owner"]))]
        # A family is shown by its refresh token, which outlasts its access tokens.
        shown = {row["family"]: row for row in sorted(rows, key=lambda row: row["kind"] != ACCESS)}
        return sorted(shown.values(), key=lambda row: row["created_at"], reverse=True)

    async def _delete(self, criteria: Filter) -> int:
        try:
            async with read_deadline():
                deleted = await self._rows.delete_many(criteria)
        finally:
            # Also without a response from the database: the rows may have been deleted.
            self._credentials.clear_cache()
        return deleted.deleted_count


def _next_tokens(row: Credential, refresh: str, secret: str) -> Tokens:
    """Return the pair that follows a refresh token, derived from it: always the same for the same secret."""
    access, following = (derive_token(kind, refresh, secret) for kind in (ACCESS, REFRESH))
    return Tokens(access, following, row["family"], _access_token_seconds())


def _access_token_seconds() -> int:
    lifetime = LIFETIMES[ACCESS]
    return 0 if lifetime is None else int(lifetime.total_seconds())
