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
from schemas.core.tokens import hashed

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
_MOST_CACHED: Final = 10_000
_TOKEN_BYTES: Final = 32


class Known(NamedTuple):
    """What is known of a token. principal: None where it is nobody's."""

    principal: Principal | None
    is_expired: bool = False


NOBODY: Final = Known(None)
EXPIRED: Final = Known(None, is_expired=True)


class Ticket(NamedTuple):
    """What is known of a ticket, which is used up by now. store: the one that it was asked for."""

    known: Known
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
        self._cache: TTLCache[str, asyncio.Task[Known]] = TTLCache(_MOST_CACHED, cache_seconds)
        self._rate_limits = rate_limits
        # What was somebody's when it was looked at last: no guess, whatever else comes from there.
        self._familiar: LRUCache[str, None] = LRUCache(_MOST_CACHED)

    async def known(self, token: str, address: str | None = None) -> Known:
        """What is known of a token, at most two seconds old.

        :param address: that it came from.
        :raises TooManyRequests: from there came too many that nobody has, and this one was not seen here before.
        :raises Unavailable: the database is away.
        """
        digest = hashed(token)
        try:
            # Each request comes by here, and `get` looks twice.
            task = self._cache[digest]
        except KeyError:
            task = None
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            self._refuse_guess(digest, address)
            # All who show it at once share one reading.
            task = self._cache[digest] = asyncio.create_task(self._look_up(digest, address))
        known = task.result() if task.done() else await asyncio.shield(task)
        principal = known.principal
        if principal is not None and principal.expires_at is not None and principal.expires_at <= self._clock():
            return EXPIRED
        return known

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
        digest = hashed(token)
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
        self._familiar[digest] = None
        return token

    async def issue_ticket(self, principal: Principal, store: str) -> str:
        """A ticket that stands, once and for half a minute, for what this principal has shown.

        :raises Unavailable: the database is away.
        """
        return await self.issue(
            TICKET, principal.id, device=principal.device, stands_for=principal.credential, store=store
        )

    async def use(self, ticket: str, address: str | None = None) -> Ticket:
        """Takes a ticket: of all who show the same one at once, one is known.

        :param address: that it came from.
        :raises TooManyRequests, Unavailable: as `known`.
        """
        digest = hashed(ticket)
        self._refuse_guess(digest, address)
        async with read_deadline():
            row = await self._credentials.find_one_and_delete({"_id": digest, "kind": TICKET})
        self._familiar.pop(digest, None)
        if row is None:
            await self._guessed(address)
            return Ticket(NOBODY)
        if row["expires_at"] <= self._clock():
            return Ticket(EXPIRED)
        shown = row["stands_for"]
        return Ticket((await self.alive([shown]))[shown], row["store"])

    async def alive(self, digests: Iterable[str]) -> dict[str, Known]:
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
        known = {digest: _known(rows.get(digest), accounts, now) for digest in wanted}
        for digest in wanted:
            self._forget_other(digest, known[digest])
        return known

    def forget(self) -> None:
        """Takes nothing for granted any more: what was ended here holds here at once."""
        self._cache.clear()

    def _forget_other(self, digest: str, known: Known) -> None:
        """What was found otherwise before holds no longer."""
        task = self._cache.get(digest)
        if task is not None and task.done() and (task.cancelled() or task.exception() or task.result() != known):
            self._cache.pop(digest, None)

    async def _look_up(self, digest: str, address: str | None) -> Known:
        known = (await self.alive([digest]))[digest]
        if known == NOBODY:
            self._familiar.pop(digest, None)
            await self._guessed(address)
        else:
            self._familiar[digest] = None
        return known

    def _refuse_guess(self, digest: str, address: str | None) -> None:
        if self._rate_limits is not None and digest not in self._familiar:
            self._rate_limits.check_blocked(address)

    async def _guessed(self, address: str | None) -> None:
        if self._rate_limits is not None:
            await self._rate_limits.guessed(address)

    async def _accounts(self, kind: str, ids: set[str]) -> dict[str, Document]:
        """Those of these users or devices that were not ended, by id."""
        if not ids:
            return {}
        found = self._database[kind].find({"_id": {"$in": list(ids)}, "voided_at": None})
        return {account["_id"]: account for account in await found.to_list(None)}


def new_token(kind: str) -> str:
    """256 random bits, as text."""
    return PREFIX[kind] + secrets.token_urlsafe(_TOKEN_BYTES)


def following_token(kind: str, token: str, secret: str) -> str:
    """The token that takes the place of another one. Whoever has both that and the secret can tell it again."""
    digest = hmac.digest(token.encode(), f"{kind} {secret}".encode(), sha256)
    return PREFIX[kind] + urlsafe_b64encode(digest).decode().rstrip("=")


def was_ended(row: Document, owner: Document) -> bool:
    """Whether its owner got another password or PIN since this sign-in began, which was not spared then."""
    ended = owner.get("sign_ins")
    return ended is not None and row.get("version", 0) < ended["since"] and row["family"] != ended["but"]


def _known(row: Document | None, accounts: dict[str, Document], now: datetime) -> Known:
    """What a row says, beside the accounts that it names."""
    if row is None:
        return NOBODY
    expires_at, device = row["expires_at"], row["device"]
    if expires_at is not None and expires_at <= now:
        return EXPIRED
    owner = accounts.get(row["owner"])
    if owner is None or was_ended(row, owner) or (device is not None and device not in accounts):
        return NOBODY
    if row["kind"] == KEY:
        return Known(device_principal(owner, row["_id"]))
    who = (owner["_id"], owner["name"], owner["role"], owner["belongs_to"])
    return Known(Principal(*who, device, row["_id"], expires_at))
