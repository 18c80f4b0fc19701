"""Credentials: opaque tokens of users and devices, of which only hashes are stored.

Name, role and store of the owner are read from `users` and `devices` each time. So a change there needs no new token
and invalidates tokens by itself; deleting the rows of `credentials` is only cleaning up.
"""

import asyncio
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

from cachetools import LRUCache, TTLCache

from repositories.accounts.rate_limits import RateLimits
from repositories.database.client import Database
from repositories.database.errors import read_deadline
from schemas.accounts.documents import Account, Credential, SignIns
from schemas.core.calendar import Clock
from schemas.core.collections import CREDENTIALS, DEVICES, USERS
from schemas.core.principals import Principal, device_principal
from schemas.core.tokens import hash_token

ACCESS, REFRESH, KEY, TICKET = "access", "refresh", "key", "ticket"
#: How long this process may still accept a credential that another process has revoked. With the check of open
#: connections (`endpoints/live/connections.py`), which runs as often, a revocation takes less than five seconds.
CACHE_SECONDS: Final = 2.0
TICKET_LIFETIME: Final = timedelta(seconds=30)
#: The lifetime of each kind; None: until it is revoked.
LIFETIMES: Final = {
    ACCESS: timedelta(hours=1),
    REFRESH: timedelta(days=30),
    KEY: None,
    TICKET: TICKET_LIFETIME,
}
#: The prefix of each kind of token: people and scanners for leaked secrets recognize it.
PREFIX: Final = {ACCESS: "pos_a_", REFRESH: "pos_r_", KEY: "pos_k_", TICKET: "pos_t_"}
_MAX_CACHED: Final = 10_000
_TOKEN_BYTES: Final = 32


class TokenStatus(NamedTuple):
    #: The owner of the token, None if it is invalid.
    principal: Principal | None
    is_expired: bool = False


UNKNOWN_TOKEN: Final = TokenStatus(None)
EXPIRED_TOKEN: Final = TokenStatus(None, is_expired=True)


class RedeemedTicket(NamedTuple):
    status: TokenStatus
    #: The store that the ticket was requested for.
    store: str | None = None


class Credentials:
    """The credentials of one database.

    :param rate_limits: limits the unknown tokens of each address; None for no limit.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        cache_seconds: float = CACHE_SECONDS,
        rate_limits: RateLimits | None = None,
    ) -> None:
        self._database = database
        self._credentials = database[CREDENTIALS]
        self._clock = clock
        self._cache: TTLCache[str, asyncio.Task[TokenStatus]] = TTLCache(_MAX_CACHED, cache_seconds)
        self._rate_limits = rate_limits
        # Tokens that were valid at their last lookup are not guesses: a block of their address does not apply to them.
        self._recently_valid: LRUCache[str, None] = LRUCache(_MAX_CACHED)

    async def resolve(self, token: str, address: str | None = None) -> TokenStatus:
        """Look up a token. The result is at most two seconds old.

        :raises TooManyRequests: the address sent too many unknown tokens, and this one was not valid here before.
        """
        digest = hash_token(token)
        try:
            # Every request runs this, and `get` would do two lookups.
            task = self._cache[digest]
        except KeyError:
            task = None
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            self._check_blocked(digest, address)
            # Concurrent requests with the same token share one read.
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
        """Store a new credential and return its token, which cannot be recovered later.

        :param token: the token itself, if the caller has generated it.
        """
        token = token or new_token(kind)
        now, lifetime = self._clock(), LIFETIMES[kind]
        digest = hash_token(token)
        row: dict[str, Any] = {
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
        """Return a ticket that can be redeemed once, within 30 seconds, in place of the principal's credential."""
        return await self.issue(
            TICKET, principal.id, device=principal.device, stands_for=principal.credential, store=store
        )

    async def redeem(self, ticket: str, address: str | None = None) -> RedeemedTicket:
        """Redeem a ticket. If several requests send the same one at once, one of them succeeds.

        :raises TooManyRequests, Unavailable: as `resolve`.
        """
        digest = hash_token(ticket)
        self._check_blocked(digest, address)
        async with read_deadline():
            row: Credential | None = await self._credentials.find_one_and_delete({"_id": digest, "kind": TICKET})
        self._recently_valid.pop(digest, None)
        if row is None:
            await self._record_unknown(address)
            return RedeemedTicket(UNKNOWN_TOKEN)
        if has_expired(row, self._clock()):
            return RedeemedTicket(EXPIRED_TOKEN)
        shown = row["stands_for"] or ""
        return RedeemedTicket((await self.resolve_all([shown]))[shown], row["store"])

    async def resolve_all(self, digests: Iterable[str]) -> dict[str, TokenStatus]:
        """Look up credentials by their hashes, without the cache and in three queries at most."""
        wanted = list(digests)
        async with read_deadline():
            found = self._credentials.find({"_id": {"$in": wanted}, "kind": {"$in": [ACCESS, KEY]}})
            rows: dict[str, Credential] = {row["_id"]: row for row in await found.to_list(None)}
            devices = {row["device"] for row in rows.values() if row["device"] is not None}
            devices |= {row["owner"] for row in rows.values() if row["kind"] == KEY}
            people = {row["owner"] for row in rows.values() if row["kind"] == ACCESS}
            accounts = {**await self._accounts(DEVICES, devices), **await self._accounts(USERS, people)}
        now = self._clock()
        status = {digest: _status_of(rows.get(digest), accounts, now) for digest in wanted}
        for digest in wanted:
            self._drop_outdated(digest, status[digest])
        return status

    def clear_cache(self) -> None:
        """Forget all lookups, so that a revocation by this process takes effect in it at once."""
        self._cache.clear()

    def _drop_outdated(self, digest: str, status: TokenStatus) -> None:
        """Remove a lookup from the cache that differs from a newer one."""
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

    async def _accounts(self, kind: str, ids: set[str]) -> dict[str, Account]:
        """Return the active users or devices among these ids, by id."""
        if not ids:
            return {}
        found = self._database[kind].find({"_id": {"$in": list(ids)}, "voided_at": None})
        return {account["_id"]: account for account in await found.to_list(None)}


def new_token(kind: str) -> str:
    """Return a new token: a prefix and 256 random bits."""
    return PREFIX[kind] + secrets.token_urlsafe(_TOKEN_BYTES)


def derive_token(kind: str, token: str, secret: str) -> str:
    """Return the token that replaces `token`: always the same one for the same token and secret."""
    digest = hmac.digest(token.encode(), f"{kind} {secret}".encode(), sha256)
    return PREFIX[kind] + urlsafe_b64encode(digest).decode().rstrip("=")


def has_expired(row: Credential, now: datetime) -> bool:
    """Return whether a credential has expired."""
    return row["expires_at"] is not None and row["expires_at"] <= now


def was_invalidated(row: Credential, ended: SignIns | None) -> bool:
    """Return whether a new password or PIN has ended this sign-in.

    :param ended: the owner's `sign_ins`.
    """
    return ended is not None and row.get("version", 0) < ended["since"] and row["family"] != ended["but"]


def _status_of(row: Credential | None, accounts: Mapping[str, Account], now: datetime) -> TokenStatus:
    """Return the status of a credential by its row, if there is one, and the active accounts that rows name, by id."""
    if row is None:
        return UNKNOWN_TOKEN
    if has_expired(row, now):
        return EXPIRED_TOKEN
    owner, device = accounts.get(row["owner"]), row["device"]
    ended = owner["sign_ins"] if owner is not None and "sign_ins" in owner else None
    if owner is None or was_invalidated(row, ended) or (device is not None and device not in accounts):
        return UNKNOWN_TOKEN
    if row["kind"] == KEY:
        return TokenStatus(device_principal(owner, row["_id"]))
    who = (owner["_id"], owner["name"], owner["role"], owner["belongs_to"])
    return TokenStatus(Principal(*who, device, row["_id"], row["expires_at"]))
