"""What people and devices show to be let in: opaque tokens, of which only hashes are kept.

`credentials` holds one row for each: `_id` the SHA-256 of the token, `kind`, `owner` (the id of a user or a device),
`device` (the one that it was made at, or None), `family` (what a sign-in and all its renewals have in common),
`created_at`, `expires_at` (None: until it is revoked). Whose it is, and what they may do, is read from `users` and
`devices` each time, so that a change there needs no new token.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

from cachetools import TTLCache

from repositories.database import CREDENTIALS, Database
from repositories.errors import answered
from schemas.documents import Document
from schemas.principals import DEVICE, DEVICES, USERS, Principal

ACCESS, REFRESH, KEY, TICKET = "access", "refresh", "key", "ticket"
#: How long a credential that was ended somewhere may still be taken here.
CACHE_SECONDS: Final = 5.0
#: How long each kind lasts; None: until it is revoked.
LIFETIMES: Final = {
    ACCESS: timedelta(hours=1),
    REFRESH: timedelta(days=30),
    KEY: None,
    TICKET: timedelta(seconds=30),
}
#: What a token begins with, so that people, and scanners for leaked secrets, see what it is.
PREFIX: Final = {ACCESS: "pos_a_", REFRESH: "pos_r_", KEY: "pos_k_", TICKET: "pos_t_"}
_MOST_CACHED: Final = 10_000
_TOKEN_BYTES: Final = 32


class Known(NamedTuple):
    """What is known of a token. principal: None where it is nobody's."""

    principal: Principal | None
    is_expired: bool = False


class Credentials:
    """The credentials of one database.

    :param clock: the present instant, UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime], cache_seconds: float = CACHE_SECONDS) -> None:
        self._database = database
        self._credentials = database[CREDENTIALS]
        self._clock = clock
        self._cache: TTLCache[str, asyncio.Task[Known]] = TTLCache(_MOST_CACHED, cache_seconds)

    async def known(self, token: str) -> Known:
        """What is known of a token, at most five seconds old.

        :raises Unavailable: the database is away.
        """
        digest = hashed(token)
        task = self._cache.get(digest)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            # All who show it at once share one reading.
            task = self._cache[digest] = asyncio.create_task(self._look_up(digest))
        return task.result() if task.done() else await asyncio.shield(task)

    async def issue(
        self, kind: str, owner: str, *, family: str | None = None, device: str | None = None, **members: Any
    ) -> str:
        """A new token, which nobody can be told again.

        :raises Unavailable: the database is away.
        """
        token = PREFIX[kind] + secrets.token_urlsafe(_TOKEN_BYTES)
        now, lifetime = self._clock(), LIFETIMES[kind]
        row = {
            "_id": hashed(token),
            "kind": kind,
            "owner": owner,
            "device": device,
            "family": family or secrets.token_hex(8),
            "created_at": now,
            "expires_at": None if lifetime is None else now + lifetime,
            **members,
        }
        async with answered():
            await self._credentials.insert_one(row)
        return token

    async def alive(self, digests: Iterable[str]) -> dict[str, Known]:
        """What is known of each of these credentials, read anew.

        :raises Unavailable: the database is away.
        """
        wanted = list(digests)
        return dict(zip(wanted, await asyncio.gather(*map(self._look_up, wanted)), strict=True))

    def forget(self) -> None:
        """Takes nothing for granted any more: what was ended here holds here at once."""
        self._cache.clear()

    async def _look_up(self, digest: str) -> Known:
        async with answered():
            row = await self._credentials.find_one({"_id": digest, "kind": {"$in": [ACCESS, KEY]}})
            if row is None:
                return Known(None)
            if row["expires_at"] is not None and row["expires_at"] <= self._clock():
                return Known(None, is_expired=True)
            devices = self._database[DEVICES]
            if row["device"] is not None and await devices.find_one({"_id": row["device"], "voided_at": None}) is None:
                return Known(None)
            if row["kind"] == KEY:
                device = await devices.find_one({"_id": row["owner"], "voided_at": None})
                return Known(None if device is None else _of_device(device, digest))
            user = await self._database[USERS].find_one({"_id": row["owner"], "voided_at": None})
            return Known(None if user is None else _of_user(user, row))


def hashed(token: str) -> str:
    """As a token is stored. It has 256 random bits, so a plain hash is as good as a slow one."""
    return sha256(token.encode()).hexdigest()


def _of_user(user: Document, row: Document) -> Principal:
    return Principal(user["_id"], user["name"], user["role"], user["belongs_to"], row["device"], row["_id"])


def _of_device(device: Document, digest: str) -> Principal:
    return Principal(device["_id"], device["name"], DEVICE, device["belongs_to"], device["_id"], digest)
