"""The throttle of sign-ins: how many attempts an account has had, and how long the next one has to wait.

Every attempt is reserved in one atomic step before the secret is checked, so that concurrent attempts get no more tries
than sequential ones. It counts as a failure until it has succeeded.

`attempts` holds a row for each account, whether it exists or not: `_id` (the kind of secret and the hash of the login);
`strangers` and `known`, each `{failures, until, since, count, by}`; `places`, the sources of recent successful
sign-ins, `[{place, at}]`; `expires_at`. A source is an address or a device. Attempts from these sources count as
`known`, all others as `strangers`, so that an attacker cannot lock out the owner of the account. Each known source
waits by itself, in a row of its own (`place`, of the same shape), with a daily limit below that of all known sources
together, so that one faulty tablet does not lock out the others.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from pymongo import ReturnDocument

from repositories.database.client import Database
from repositories.database.errors import TooManyRequests, read_deadline
from schemas.core.calendar import Clock
from schemas.core.collections import ATTEMPTS
from schemas.core.documents import Document

PASSWORD, PIN = "password", "pin"
#: The number of failures without a wait; each further failure doubles the wait.
FREE_FAILURES: Final = 5
_FIRST_WAIT, MAX_WAIT = timedelta(seconds=5), timedelta(minutes=15)
_DAY: Final = timedelta(days=1)
_REMEMBERED: Final = timedelta(days=30)
_MAX_SOURCES: Final = 50
UNKNOWN_SOURCE, KNOWN_SOURCE, ONE_SOURCE = "strangers", "known", "place"
#: The limit of failures a day, for one account.
DAILY_LIMITS: Final = {UNKNOWN_SOURCE: 60, KNOWN_SOURCE: 40}
#: The limit of failures a day at each known source.
PER_SOURCE: Final = 20
_LIMITS: Final = {**DAILY_LIMITS, ONE_SOURCE: PER_SOURCE}


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that was granted."""

    account: str
    source: str
    budget: str


class LoginThrottle:
    """The attempts at all accounts of one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._rows = database[ATTEMPTS]
        self._clock = clock

    async def reserve(self, kind: str, login: str, source: str) -> Attempt:
        """Reserve an attempt to sign in.

        :param kind: `PASSWORD` or `PIN`.
        :param source: an address or the id of a device.
        :raises TooManyRequests: there were too many failures.
        """
        account, now = _account(kind, login), self._clock()
        async with read_deadline():
            known = {"_id": account, "places": {"$elemMatch": {"place": source, "at": {"$gt": now - _REMEMBERED}}}}
            budget = UNKNOWN_SOURCE if await self._rows.find_one(known, {"_id": 1}) is None else KNOWN_SOURCE
        if budget == KNOWN_SOURCE:
            # The source's own row first: a refusal there must not use up the limit that all known sources share.
            await self._reserve(_source_row_id(account, source), ONE_SOURCE, now)
        await self._reserve(account, budget, now)
        return Attempt(account, source, budget)

    async def _reserve(self, row_id: str, budget: str, now: datetime) -> None:
        ticket = secrets.token_hex(8)
        async with read_deadline():
            row = await self._rows.find_one_and_update(
                {"_id": row_id}, _reservation(budget, now, ticket), upsert=True, return_document=ReturnDocument.AFTER
            )
        if row[budget]["by"] != ticket:
            raise TooManyRequests(_time_to_wait(row[budget], _LIMITS[budget], now).total_seconds(), _REFUSAL)

    async def record_success(self, attempt: Attempt) -> None:
        """Record that the secret was right: clear the failures that count against this source."""
        now = self._clock()
        remembered = {"places": _with_source(attempt.source, now), "expires_at": now + _REMEMBERED}
        cleared = {attempt.account: {**_cleared_fields(attempt.budget, now), **remembered}}
        if attempt.budget == KNOWN_SOURCE:
            cleared[_source_row_id(attempt.account, attempt.source)] = _cleared_fields(ONE_SOURCE, now)
        async with read_deadline():
            for row_id, fields in cleared.items():
                await self._rows.update_one({"_id": row_id}, [{"$set": fields}])


_REFUSAL: Final = "There were too many attempts to sign in. Please wait a little and try again."


def _account(kind: str, login: str) -> str:
    """Return the id of an account's row: a login of any length becomes 32 hexadecimal digits."""
    return f"{kind}:{sha256(login.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _source_row_id(account: str, source: str) -> str:
    """Return the id of the row of an account and one source."""
    return f"{account}:{sha256(source.encode()).hexdigest()[:16]}"


def _cleared_fields(budget: str, now: datetime) -> Document:
    count = {"$max": [0, {"$subtract": [f"${budget}.count", 1]}]}
    return {f"{budget}.failures": 0, f"{budget}.until": now, f"{budget}.count": count}


def _reservation(budget: str, now: datetime, ticket: str) -> list[Document]:
    """Return the update that grants one more attempt, or leaves the row as it is."""
    before: Any = {name: {"$ifNull": [f"${budget}.{name}", default]} for name, default in _fresh(now).items()}
    is_new_day = {"$lte": ["$$was.since", now - _DAY]}
    count = {"$cond": [is_new_day, 0, "$$was.count"]}
    is_granted = {"$and": [{"$lte": ["$$was.until", now]}, {"$lt": ["$$count", _LIMITS[budget]]}]}
    granted = {
        "failures": "$$failures",
        # Each known source waits by itself, in its own row.
        "until": now if budget == KNOWN_SOURCE else {"$add": [now, _milliseconds("$$failures")]},
        "since": {"$cond": [is_new_day, now, "$$was.since"]},
        "count": {"$add": ["$$count", 1]},
        "by": ticket,
    }
    either = {"$cond": [is_granted, granted, "$$was"]}
    counted = {"$let": {"vars": {"count": count, "failures": {"$add": ["$$was.failures", 1]}}, "in": either}}
    reserved = {"$let": {"vars": {"was": before}, "in": counted}}
    is_mine = {"$eq": [f"${budget}.by", ticket]}
    kept_until = {"$cond": [is_mine, {"$max": ["$expires_at", now + _DAY]}, "$expires_at"]}
    return [{"$set": {budget: reserved}}, {"$set": {"expires_at": kept_until}}]


def _fresh(now: datetime) -> Document:
    return {"failures": 0, "until": now, "since": now, "count": 0, "by": ""}


def _milliseconds(failures: Any) -> Document:
    """Return the wait after a number of failures: none at first, then 5 seconds, 10, 20, … up to 15 minutes."""
    doubled = {"$multiply": [_FIRST_WAIT.total_seconds(), {"$pow": [2, {"$subtract": [failures, FREE_FAILURES]}]}]}
    wait = {"$min": [MAX_WAIT.total_seconds(), doubled]}
    return {"$cond": [{"$lt": [failures, FREE_FAILURES]}, 0, {"$toLong": {"$multiply": [1000, wait]}}]}


def _time_to_wait(budget: Document, limit: int, now: datetime) -> timedelta:
    """Return how long until the next attempt is granted."""
    until: datetime = budget["until"]
    tomorrow: datetime = budget["since"] + _DAY
    return max(until, tomorrow if budget["count"] >= limit else until) - now


def _with_source(source: str, now: datetime) -> Document:
    """Return the expression for the newest sources, this one first."""
    others = {
        "$filter": {"input": {"$ifNull": ["$places", []]}, "cond": {"$ne": ["$$this.place", {"$literal": source}]}}
    }
    return {"$slice": [{"$concatArrays": [[{"place": {"$literal": source}, "at": now}], others]}, _MAX_SOURCES]}
