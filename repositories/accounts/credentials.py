"""What people and devices show to be let in: opaque tokens, of which only hashes are kept.

`credentials` holds one row for each: `_id` the SHA-256 of the token, `kind`, `owner` (the id of a user or a device),
`device` (the one that it was made at, or None), `family` (what a sign-in and all its renewals have in common),
`version` (that of the user when they signed in), `created_at`, `expires_at` (None: until it is revoked). A ticket has
`stands_for` too, the `_id` of the credential that asked for it, and `store`, the one that it was asked for. Whose it
is, and what they may do, is read from `users` and `devices` each time, so that a change there needs no new token, and
ends what it ends by itself: that rows are deleted then is only tidying up.
"""

import asyncio
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

from cachetools import LRUCache, TTLCache

from repositories.accounts.rate_limits import RateLimits
from repositories.database.client import Database
from repositories.database.errors import read_deadline
from schemas.core.collections import CREDENTIALS, DEVICES, USERS
from schemas.core.documents import Document
from schemas.core.principals import Principal, device_principal
from schemas.core.tokens import hash_token

ACCESS, REFRESH, KEY, TICKET = "access", "refresh", "key", "ticket"
#: How long a credential that was ended somewhere may still be taken here. With the look at those who are connected
#: (`endpoints/live/connections.py`), which comes as often, it makes less than five seconds.
CACHE_SECONDS: Final = 2.0
TICKET_LIFETIME: Final = timedelta(seconds=30)
#: How long each kind lasts; None: until it is revoked.
LIFETIMES: Final = {
    ACCESS: timedelta(hours=1),
    REFRESH: timedelta(days=30),
    KEY: None,
    TICKET: TICKET_LIFETIME,
}
#: What a token begins with, so that people, and scanners for leaked secrets, see what it is.
PREFIX: Final = {ACCESS: "pos_a_", REFRESH: "pos_r_", KEY: "pos_k_", TICKET: "pos_t_"}
_MAX_CACHED: Final = 10_000
_TOKEN_BYTES: Final = 32


class TokenStatus(NamedTuple):
    """What is known of a token. principal: None where it is nobody's."""

    principal: Principal | None
    is_expired: bool = False


UNKNOWN_TOKEN: Final = TokenStatus(None)
EXPIRED_TOKEN: Final = TokenStatus(None, is_expired=True)


class RedeemedTicket(NamedTuple):
    """What is known of a ticket, which is used up by now. store: the one that it was asked for."""

    status: TokenStatus
    store: str | None = None


class Credentials:
    """The credentials of one database.

    :param clock: the present instant, UTC.
    :param rate_limits: count the tokens that nobody has, where anybody can come with one.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        cache_seconds: float = CACHE_SECONDS,
        rate_limits: RateLimits | None = None,
    ) -> None:
        self._database = database
        self._credentials = database[CREDENTIALS]
        self._clock = clock
        self._cache: TTLCache[str, asyncio.Task[TokenStatus]] = TTLCache(_MAX_CACHED, cache_seconds)
        self._rate_limits = rate_limits
        # What was somebody's when it was looked at last: no guess, whatever else comes from there.
        self._recently_valid: LRUCache[str, None] = LRUCache(_MAX_CACHED)

    async def resolve(self, token: str, address: str | None = None) -> TokenStatus:
        """What is known of a token, at most two seconds old.

        :param address: that it came from.
        :raises TooManyRequests: from there came too many that nobody has, and this one was not seen here before.
        :raises Unavailable: the database is away.
        """
        digest = hash_token(token)
        try:
            # Each request comes by here, and `get` looks twice.
            task = self._cache[digest]
        except KeyError:
            task = None
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            self._check_blocked(digest, address)
            # All who show it at once share one reading.
            task = self._cache[digest] = asyncio.create_task(self._look_up(digest, address))
        status = task.result() if task.done() else await asyncio.shield(task)
        principal = status.principal
        if principal is not None and principal.expires_at is not None and principal.expires_at <= self._clock():
            return EXPIRED_TOKEN
        return status

    async def issue(
        self,
        kind: str,
        owner: str,
        *,
        token: str | None = None,
        family: str | None = None,
        device: str | None = None,
        **members: Any,
    ) -> str:
        """A new token, which nobody can be told again, unless whoever asks has made it.

        :raises Unavailable: the database is away.
        """
        token = token or new_token(kind)
        now, lifetime = self._clock(), LIFETIMES[kind]
        digest = hash_token(token)
        row = {
            "_id": digest,
            "kind": kind,
            "owner": owner,
            "device": device,
            "family": family or secrets.token_hex(8),
            "created_at": now,
            "expires_at": None if lifetime is None else now + lifetime,
            **members,
        }
        async with read_deadline():
            await self._credentials.insert_one(row)
        self._recently_valid[digest] = None
        return token

    async def issue_ticket(self, principal: Principal, store: str) -> str:
        """A ticket that stands, once and for half a minute, for what this principal has shown.

        :raises Unavailable: the database is away.
        """
        return await self.issue(
            TICKET, principal.id, device=principal.device, stands_for=principal.credential, store=store
        )

    async def redeem(self, ticket: str, address: str | None = None) -> RedeemedTicket:
        """Takes a ticket: of all who show the same one at once, one is known.

        :param address: that it came from.
        :raises TooManyRequests, Unavailable: as `resolve`.
        """
        digest = hash_token(ticket)
        self._check_blocked(digest, address)
        async with read_deadline():
            row = await self._credentials.find_one_and_delete({"_id": digest, "kind": TICKET})
        self._recently_valid.pop(digest, None)
        if row is None:
            await self._record_unknown(address)
            return RedeemedTicket(UNKNOWN_TOKEN)
        if row["expires_at"] <= self._clock():
            return RedeemedTicket(EXPIRED_TOKEN)
        shown = row["stands_for"]
        return RedeemedTicket((await self.resolve_all([shown]))[shown], row["store"])

    async def resolve_all(self, digests: Iterable[str]) -> dict[str, TokenStatus]:
        """What is known of each of these credentials, read anew, in three queries at the most.

        :raises Unavailable: the database is away.
        """
        wanted = list(digests)
        async with read_deadline():
            found = self._credentials.find({"_id": {"$in": wanted}, "kind": {"$in": [ACCESS, KEY]}})
            rows = {row["_id"]: row for row in await found.to_list(None)}
            devices = {row["device"] for row in rows.values()} | {
                row["owner"] for row in rows.values() if row["kind"] == KEY
            }
            people = {row["owner"] for row in rows.values() if row["kind"] == ACCESS}
            accounts = {**await self._accounts(DEVICES, devices - {None}), **await self._accounts(USERS, people)}
        now = self._clock()
        status = {digest: _status_of(rows.get(digest), accounts, now) for digest in wanted}
        for digest in wanted:
            self._drop_outdated(digest, status[digest])
        return status

    def clear_cache(self) -> None:
        """Takes nothing for granted any more: what was ended here holds here at once."""
        self._cache.clear()

    def _drop_outdated(self, digest: str, status: TokenStatus) -> None:
        """What was found otherwise before holds no longer."""
        task = self._cache.get(digest)
        if task is not None and task.done() and (task.cancelled() or task.exception() or task.result() != status):
            self._cache.pop(digest, None)

    async def _look_up(self, digest: str, address: str | None) -> TokenStatus:
        status = (await self.resolve_all([digest]))[digest]
        if status == UNKNOWN_TOKEN:
            self._recently_valid.pop(digest, None)
            await self._record_unknown(address)
        else:
            self._recently_valid[digest] = None
        return status

    def _check_blocked(self, digest: str, address: str | None) -> None:
        if self._rate_limits is not None and digest not in self._recently_valid:
            self._rate_limits.check_blocked(address)

    async def _record_unknown(self, address: str | None) -> None:
        if self._rate_limits is not None:
            await self._rate_limits.record_unknown_token(address)

    async def _accounts(self, kind: str, ids: set[str]) -> dict[str, Document]:
        """Those of these users or devices that were not ended, by id."""
        if not ids:
            return {}
        found = self._database[kind].find({"_id": {"$in": list(ids)}, "voided_at": None})
        return {account["_id"]: account for account in await found.to_list(None)}


def new_token(kind: str) -> str:
    """256 random bits, as text."""
    return PREFIX[kind] + secrets.token_urlsafe(_TOKEN_BYTES)


def derive_token(kind: str, token: str, secret: str) -> str:
    """The token that takes the place of another one. Whoever has both that and the secret can tell it again."""
    digest = hmac.digest(token.encode(), f"{kind} {secret}".encode(), sha256)
    return PREFIX[kind] + urlsafe_b64encode(digest).decode().rstrip("=")


def was_invalidated(row: Document, owner: Document) -> bool:
    """Whether its owner got another password or PIN since this sign-in began, which was not spared then."""
    ended = owner.get("sign_ins")
    return ended is not None and row.get("version", 0) < ended["since"] and row["family"] != ended["but"]


def _status_of(row: Document | None, accounts: dict[str, Document], now: datetime) -> TokenStatus:
    """What a row says, beside the accounts that it names."""
    if row is None:
        return UNKNOWN_TOKEN
    expires_at, device = row["expires_at"], row["device"]
    if expires_at is not None and expires_at <= now:
        return EXPIRED_TOKEN
    owner = accounts.get(row["owner"])
    if owner is None or was_invalidated(row, owner) or (device is not None and device not in accounts):
        return UNKNOWN_TOKEN
    if row["kind"] == KEY:
        return TokenStatus(device_principal(owner, row["_id"]))
    who = (owner["_id"], owner["name"], owner["role"], owner["belongs_to"])
    return TokenStatus(Principal(*who, device, row["_id"], expires_at))
