"""How often somebody has tried to sign in to an account, and how long they have to wait.

Every attempt is reserved before the secret is looked at, in one atomic step, so that many at once get no more tries
than one after another. It counts as a failure until it has succeeded.

`attempts` holds a row for each account, whether it exists or not: `_id`, the hash of what is tried and of the login;
`strangers` and `known`, each `{failures, until, since, count, by}`; `places`, from which this account has signed in
lately, `[{place, at}]`; `expires_at`. Those places are `known`, so that strangers, however often they try, do not shut
out whom the account belongs to. Each of them waits by itself, in a row of its own (`place`, of the same shape), and has
a share of the day of all of them, so that a bad tablet does not shut anybody out at the others.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from pymongo import ReturnDocument

from repositories.database.client import Database
from repositories.database.errors import TooManyRequests, read_deadline
from schemas.core.collections import ATTEMPTS
from schemas.core.documents import Document

PASSWORD, PIN = "password", "pin"
#: So many failures are free; after each further one the wait is twice as long.
FREE_FAILURES: Final = 5
_FIRST_WAIT, MAX_WAIT = timedelta(seconds=5), timedelta(minutes=15)
_DAY: Final = timedelta(days=1)
_REMEMBERED: Final = timedelta(days=30)
_MAX_SOURCES: Final = 50
UNKNOWN_SOURCE, KNOWN_SOURCE, ONE_SOURCE = "strangers", "known", "place"
#: How many failures a day there can be at most: together, what a day and an account have.
DAILY_LIMITS: Final = {UNKNOWN_SOURCE: 60, KNOWN_SOURCE: 40}
#: And at each of the known places.
PER_SOURCE: Final = 20
_LIMITS: Final = {**DAILY_LIMITS, ONE_SOURCE: PER_SOURCE}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try that was granted. place: where it comes from."""

    account: str
    source: str
    budget: str


class LoginThrottle:
    """The attempts at all accounts of one database.

    :param clock: the present instant, UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._rows = database[ATTEMPTS]
        self._clock = clock

    async def reserve(self, kind: str, login: str, source: str) -> Attempt:
        """One try to sign in.

        :param kind: `PASSWORD` or `PIN`. :param place: an address or a device.
        :raises TooManyRequests: there were too many.
        :raises Unavailable: the database is away.
        """
        account, now = _account(kind, login), self._clock()
        async with read_deadline():
            known = {"_id": account, "places": {"$elemMatch": {"place": source, "at": {"$gt": now - _REMEMBERED}}}}
            budget = UNKNOWN_SOURCE if await self._rows.find_one(known, {"_id": 1}) is None else KNOWN_SOURCE
        if budget == KNOWN_SOURCE:
            # First there: what is refused at this place takes nothing from the others.
            await self._reserve(_source_row_id(account, source), ONE_SOURCE, now)
        await self._reserve(account, budget, now)
        return Attempt(account, source, budget)

    async def _reserve(self, row_id: str, budget: str, now: datetime) -> None:
        ticket = secrets.token_hex(8)
        async with read_deadline():
            row = await self._rows.find_one_and_update(
                {"_id": row_id},
                _reservation(budget, now, ticket),
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        if row[budget]["by"] != ticket:
            raise TooManyRequests(_time_to_wait(row[budget], _LIMITS[budget], now).total_seconds(), _REFUSAL)

    async def record_success(self, attempt: Attempt) -> None:
        """It was the right one: nothing stands against this account any more, as seen from there.

        :raises Unavailable: the database is away.
        """
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
    """Of what anybody types, in a few bytes."""
    return f"{kind}:{sha256(login.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _source_row_id(account: str, source: str) -> str:
    """An account, as it is used from one place."""
    return f"{account}:{sha256(source.encode()).hexdigest()[:16]}"


def _cleared_fields(budget: str, now: datetime) -> Document:
    count = {"$max": [0, {"$subtract": [f"${budget}.count", 1]}]}
    return {f"{budget}.failures": 0, f"{budget}.until": now, f"{budget}.count": count}


def _reservation(budget: str, now: datetime, ticket: str) -> list[Document]:
    """The update that grants one more try, or leaves the row as it is."""
    before: Any = {name: {"$ifNull": [f"${budget}.{name}", default]} for name, default in _fresh(now).items()}
    is_new_day = {"$lte": ["$$was.since", now - _DAY]}
    count = {"$cond": [is_new_day, 0, "$$was.count"]}
    is_granted = {"$and": [{"$lte": ["$$was.until", now]}, {"$lt": ["$$count", _LIMITS[budget]]}]}
    granted = {
        "failures": "$$failures",
        # Of the known places, each waits by itself.
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
    """How long to wait after so many failures: nothing, then five seconds, ten, twenty, … a quarter of an hour."""
    doubled = {"$multiply": [_FIRST_WAIT.total_seconds(), {"$pow": [2, {"$subtract": [failures, FREE_FAILURES]}]}]}
    wait = {"$min": [MAX_WAIT.total_seconds(), doubled]}
    return {"$cond": [{"$lt": [failures, FREE_FAILURES]}, 0, {"$toLong": {"$multiply": [1000, wait]}}]}


def _time_to_wait(budget: Document, limit: int, now: datetime) -> timedelta:
    """How long until the next try is granted."""
    until: datetime = budget["until"]
    tomorrow: datetime = budget["since"] + _DAY
    return max(until, tomorrow if budget["count"] >= limit else until) - now


def _with_source(source: str, now: datetime) -> Document:
    """The newest places, that one first."""
    others = {
        "$filter": {"input": {"$ifNull": ["$places", []]}, "cond": {"$ne": ["$$this.place", {"$literal": source}]}}
    }
    return {"$slice": [{"$concatArrays": [[{"place": {"$literal": source}, "at": now}], others]}, _MAX_SOURCES]}
