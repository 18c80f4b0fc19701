"""Rate limits, counted in the database, so that they hold for all processes together.

Sign-ins and views of public links are counted for each address, one by one. All other requests are counted for each
credential, in blocks: a process reserves up to 100 requests in the database at once and counts them in memory, so that
a sale does not wait for a counter.
"""

import asyncio
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, TypeVar

from cachetools import TTLCache
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MongoDBStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from pymongo import ReturnDocument

from repositories.concurrency.single_flight import SingleFlight
from repositories.database.errors import TooManyRequests, Unavailable
from schemas.core.collections import RATE_COUNTS, RATE_WINDOWS

#: Limits a minute for one address. All tills of a shop share one address, and so may an attacker.
LOGIN: Final = RateLimitItemPerMinute(60, namespace="login")
PIN_LOGIN: Final = RateLimitItemPerMinute(120, namespace="pin")
SETUP: Final = RateLimitItemPerMinute(20, namespace="setup")
#: Unknown tokens. A tablet that was removed and keeps retrying sends 30 a minute.
UNKNOWN_TOKENS: Final = RateLimitItemPerMinute(600, namespace="unknown")
#: Views of public links. A mobile network has thousands of customers behind one address.
LINK: Final = RateLimitItemPerMinute(300, namespace="link")
_MAX_BLOCK: Final = 100
_MAX_REMEMBERED: Final = 10_000
_MINUTE: Final = 60.0
#: How long a sign-in waits for its count before it fails, and how long other requests wait before they go on uncounted.
_FAIL_CLOSED_SECONDS, _FAIL_OPEN_SECONDS = 4.5, 0.5
# A crash loses the count of one minute, so the journal is not awaited.
_OPTIONS: Final[dict[str, Any]] = {
    "w": 1,
    "journal": False,
    "maxPoolSize": 10,
    "serverSelectionTimeoutMS": 4_000,
    "connectTimeoutMS": 3_000,
    "socketTimeoutMS": 5_000,
    "appname": "pos",
}

_BLOCKED: Final = (
    "Too many requests with an unknown sign-in came from your address. Please wait a little and try again."
)

T = TypeVar("T")


class _Storage(MongoDBStorage):
    """Storage that uses the clock of the database only, which also expires the counts.

    With a clock of the machine that is a minute behind, each count would restart at once and no limit would apply.
    """

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        await self.create_indices()
        is_over = {"$lt": ["$expireAt", "$$NOW"]}
        until = {"$add": ["$$NOW", expiry * 1000]}
        counted = {
            "count": {"$cond": [is_over, amount, {"$add": ["$count", amount]}]},
            "expireAt": {"$cond": [is_over, until, "$expireAt"]},
        }
        row = await self.database[RATE_COUNTS].find_one_and_update(
            {"_id": key}, [{"$set": counted}], upsert=True, return_document=ReturnDocument.AFTER
        )
        return int(row["count"])

    async def get_expiry(self, key: str) -> float:
        left = {"left": {"$subtract": ["$expireAt", "$$NOW"]}}
        row = await self.database[RATE_COUNTS].find_one({"_id": key}, left)
        return time.time() + (row["left"] / 1000 if row else 0.0)


@dataclass(slots=True)
class _Block:
    """A block of requests that this process has reserved for a credential."""

    left: float
    #: On the clock of `time.monotonic`; until then no further block is available.
    refused_until: float = 0.0


class RateLimits:
    """The rate limits of one database.

    :param per_minute: the requests that one credential may send a minute; 0: no limit.
    :param messages: the messages to customers that one credential may send a minute; 0: no limit.
    """

    def __init__(self, url: str, database_name: str, per_minute: int, messages: int = 0) -> None:
        self._url, self._database_name = url, database_name
        self._per_credential = RateLimitItemPerMinute(per_minute, namespace="each") if per_minute else None
        self._messages = RateLimitItemPerMinute(messages, namespace="message") if messages else None
        self._block_size = max(1, min(_MAX_BLOCK, per_minute // 10))
        self._blocks: TTLCache[str, _Block] = TTLCache(_MAX_REMEMBERED, _MINUTE)
        self._fetching: SingleFlight[str, _Block] = SingleFlight()
        # By network that sent too many unknown tokens: until when it is blocked, on the clock of `time.monotonic`.
        self._blocked_until: TTLCache[str, float] = TTLCache(_MAX_REMEMBERED, _MINUTE)

    def close(self) -> None:
        if "_storage" in self.__dict__:
            self._storage.storage.close()

    @cached_property
    def _storage(self) -> _Storage:
        # Created at the first use: it has its own database client, and many shops set no limit.
        return _Storage(
            self._url.replace("mongodb", "async+mongodb", 1),
            database_name=self._database_name,
            counter_collection_name=RATE_COUNTS,
            window_collection_name=RATE_WINDOWS,
            wrap_exceptions=True,
            **_OPTIONS,
        )

    @cached_property
    def _limiter(self) -> FixedWindowRateLimiter:
        return FixedWindowRateLimiter(self._storage)

    async def count(self, limit: RateLimitItem, address: str | None) -> None:
        """Count one request of an address.

        :param limit: `LOGIN`, `PIN_LOGIN`, `SETUP` or `LINK`.
        :raises TooManyRequests: there were too many.
        :raises Unavailable: the database cannot be reached. These routes never run without their limit.
        """
        await self._count(limit, network_of(address))

    async def count_message(self, credential: str) -> None:
        """Count one message that a credential has sent; raises as `count` does."""
        if self._messages is not None:
            await self._count(self._messages, credential)

    async def _count(self, limit: RateLimitItem, name: str) -> None:
        try:
            async with asyncio.timeout(_FAIL_CLOSED_SECONDS):
                if not await self._limiter.hit(limit, name):
                    raise TooManyRequests(await self._seconds_left(limit, name))
        except (StorageError, TimeoutError) as error:
            raise Unavailable from error

    async def count_request(self, credential: str) -> None:
        """Count one request of a credential. It rarely waits for the database, and passes if that cannot be reached.

        :raises TooManyRequests: there were too many.
        """
        if self._per_credential is None:
            return
        block = self._blocks.get(credential)
        while block is None or block.left <= 0:
            if block is not None and block.refused_until > time.monotonic():
                raise TooManyRequests(block.refused_until - time.monotonic())
            block = await self._fetching(credential, lambda: self._fetch_block(credential))
        block.left -= 1

    async def record_unknown_token(self, address: str | None) -> None:
        """Count an unknown token. Without a database it is not counted, but then no token is accepted either.

        :param address: the address of the client.
        """
        network = network_of(address)
        with suppress(StorageError, TimeoutError):
            async with asyncio.timeout(_FAIL_OPEN_SECONDS):
                if not await self._limiter.hit(UNKNOWN_TOKENS, network):
                    self._blocked_until[network] = time.monotonic() + await self._seconds_left(UNKNOWN_TOKENS, network)

    def check_blocked(self, address: str | None) -> None:
        """Check that an address is not blocked, without a query to the database.

        :raises TooManyRequests: it sent too many unknown tokens.
        """
        until = self._blocked_until.get(network_of(address), 0.0) if self._blocked_until else 0.0
        if until > time.monotonic():
            raise TooManyRequests(until - time.monotonic(), _BLOCKED)

    async def _fetch_block(self, credential: str) -> _Block:
        limit = self._per_credential
        assert limit is not None  # noqa: S101  (for the type checker: `count_request` has checked)
        try:
            async with asyncio.timeout(_FAIL_OPEN_SECONDS):
                if await self._limiter.hit(limit, credential, cost=self._block_size):
                    block = _Block(self._block_size)
                else:
                    block = _Block(0, time.monotonic() + await self._seconds_left(limit, credential))
        except (StorageError, TimeoutError):
            # Not limited: requests that need the database fail by themselves.
            block = _Block(math.inf)
        self._blocks[credential] = block
        return block

    async def _seconds_left(self, limit: RateLimitItem, name: str) -> float:
        """Return the seconds until the current minute of a count ends."""
        reset, _ = await self._limiter.get_window_stats(limit, name)
        return max(1.0, reset - time.time())


def network_of(address: str | None) -> str:
    """Return the network that is counted as one client: an IPv4 address, or a /64 of IPv6, which one client can own."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped else parsed.exploded[:19]
    return str(parsed)
