"""Whether `SECRET_KEY` is the one that the passwords of a database were made with.

The database keeps a proof of it, from its first use on: an argon2id of something that only the key makes, as slow
to try as a password, so that it gives the key away as little.
"""

import asyncio
import hmac
from contextlib import suppress
from hashlib import sha256
from typing import Final

from argon2.exceptions import VerificationError
from pymongo.errors import DuplicateKeyError, PyMongoError

from repositories.accounts.password_hashing import HASHER, NoSecretKey
from repositories.database.client import KEY_PROOF, Database
from repositories.database.errors import DatabaseRefused, first_clause
from schemas.core.collections import FACTS

WRONG_KEY: Final = (
    "SECRET_KEY is not the one that the passwords and PINs of this database were made with, so none of them would be "
    "right. Set that one again. If it is lost, or must be another one, stop the service, run `pos migrate --new-key`, "
    "and give each their new password with `pos user password`."
)


async def check_key(database: Database, secret_key: str | None) -> None:
    """Keeps the proof of the first key. secret_key: None where there is none, which is nothing to check.

    :raises DatabaseRefused: it is another one, or that cannot be known.
    """
    if secret_key is None:
        return
    facts = database[FACTS]
    try:
        stored = await facts.find_one({"_id": KEY_PROOF})
        if stored is None:
            proof = await asyncio.to_thread(_proof_of, secret_key)
            # Of two who start at once, one keeps its own.
            with suppress(DuplicateKeyError):
                await facts.update_one({"_id": KEY_PROOF}, {"$setOnInsert": {"proof": proof}}, upsert=True)
            stored = await facts.find_one({"_id": KEY_PROOF})
    except PyMongoError as error:
        raise DatabaseRefused(f"SECRET_KEY cannot be compared with the database's: {first_clause(error)}") from error
    if stored is not None and not await asyncio.to_thread(is_proof_of, stored["proof"], secret_key):
        raise DatabaseRefused(WRONG_KEY)


async def replace_key(database: Database, secret_key: str | None) -> None:
    """From now on this is the right key. What was made with another one is worth nothing.

    :raises NoSecretKey: there is none.
    :raises PyMongoError: callers translate.
    """
    if secret_key is None:
        raise NoSecretKey
    proof = await asyncio.to_thread(_proof_of, secret_key)
    await database[FACTS].update_one({"_id": KEY_PROOF}, {"$set": {"proof": proof}}, upsert=True)


def is_proof_of(proof: str, secret_key: str) -> bool:
    """Whether a proof is that of a key. Takes some 16 ms."""
    try:
        return HASHER.verify(proof, _key_digest(secret_key))
    except VerificationError:
        return False


def _proof_of(secret_key: str) -> str:
    return HASHER.hash(_key_digest(secret_key))


def _key_digest(secret_key: str) -> bytes:
    return hmac.digest(secret_key.encode(), b"pos key", sha256)
