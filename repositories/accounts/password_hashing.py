"""Hashing of passwords and PINs.

Each is keyed (HMAC) with SECRET_KEY before argon2id: a PIN has only a million possibilities, and without the key an
attacker with a stolen database could try them all. The parameters are OWASP's for little memory: 7 MiB and five passes,
about 16 ms on a core of a small server.
"""

import asyncio
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from repositories.database.errors import TooManyRequests
from schemas.accounts.password_policy import normalize_password
from schemas.core.errors import ShopError

#: How many hashes are computed at a time: each takes a core and its memory.
CONCURRENCY: Final = 2
#: The limit of waiting requests; further ones are refused, because a sign-in must not take many seconds.
_MAX_WAITING: Final = 100
HASHER: Final = PasswordHasher(time_cost=5, memory_cost=7 * 1024, parallelism=1)

T = TypeVar("T")


class NoSecretKey(ShopError):
    status, code, title = 409, "no_secret_key", "The service has no secret key"

    def __init__(self) -> None:
        super().__init__("Passwords need the setting SECRET_KEY: set it, and start the service again.")


class Passwords:
    """Hashes and verifies passwords and PINs, in its own threads, so that other requests do not wait.

    :param secret_key: the setting SECRET_KEY. With another key, no stored password matches.
    :param hasher: argon2id; tests pass one that counts.
    """

    def __init__(self, secret_key: str | None, hasher: PasswordHasher = HASHER) -> None:
        self._key = None if secret_key is None else hmac.digest(secret_key.encode(), b"pos passwords", sha256)
        self._hasher = hasher
        self._threads = ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="passwords")
        self._semaphore = asyncio.Semaphore(CONCURRENCY)
        self._waiting = 0
        # Secrets for unknown logins are compared with this, so that they take as long.
        self._dummy_hash: str | None = None

    async def hash_secret(self, secret: str) -> str:
        """Return the hash of a password or a PIN.

        :raises NoSecretKey: SECRET_KEY is not set.
        :raises TooManyRequests: too many requests are waiting already.
        """
        return await self._run(partial(self._hash, secret))

    async def verify(self, stored: str | None, secret: str) -> bool:
        """Return whether a password or a PIN is the right one.

        :param stored: its hash; None takes as long and is never right.

        :raises NoSecretKey, TooManyRequests:
        """
        return await self._run(partial(self._verify, stored, secret))

    def is_outdated(self, stored: str) -> bool:
        """Return whether a hash was made with other parameters than the current ones."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        self._threads.shutdown(wait=False)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._key is None:
            raise NoSecretKey
        if self._waiting >= _MAX_WAITING:
            raise TooManyRequests(1, "Too many people are signing in at the moment. Please try again.")
        self._waiting += 1
        try:
            async with self._semaphore:
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def _hash(self, secret: str) -> str:
        return self._hasher.hash(self._keyed(secret))

    def _verify(self, stored: str | None, secret: str) -> bool:
        if stored is None:
            self._dummy_hash = self._dummy_hash or self._hash("dummy")
        try:
            return self._hasher.verify(stored or self._dummy_hash or "", self._keyed(secret)) and stored is not None
        except VerificationError:
            return False

    def _keyed(self, secret: str) -> bytes:
        content = normalize_password(secret).encode("utf-8", "surrogatepass")
        return hmac.new(self._key or b"", content, sha256).hexdigest().encode()
