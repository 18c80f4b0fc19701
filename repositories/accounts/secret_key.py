"""The check that `SECRET_KEY` is the key that the passwords of a database were hashed with.

The database stores a proof of the key from its first use on: an argon2id hash of a value derived from the key. It is as
slow to attack as a password.
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
    "SECRET_KEY is not the key that the passwords and PINs of this database were hashed with, so none of them would "
    "match. Set the earlier key again. If it is lost, or if you want to replace it, stop the service, run `pos migrate "
    "--new-key`, and set a new password for each user with `pos user password`."
)


async def check_key(database: Database, secret_key: str | None) -> None:
    """Compare SECRET_KEY with the stored proof; store the proof of the first key.

    :param secret_key: None if it is not set, which is not checked.
    :raises DatabaseRefused: it is another key, or the proof cannot be read.
    """
    if secret_key is None:
        return
    facts = database[FACTS]
    try:
        stored = await facts.find_one({"_id": KEY_PROOF})
        if stored is None:
            proof = await asyncio.to_thread(_proof_of, secret_key)
            # If two processes start at once, one of them stores its proof.
            with suppress(DuplicateKeyError):
                await facts.update_one({"_id": KEY_PROOF}, {"$setOnInsert": {"proof": proof}}, upsert=True)
            stored = await facts.find_one({"_id": KEY_PROOF})
    except PyMongoError as error:
        raise DatabaseRefused(f"SECRET_KEY cannot be compared with the database's: {first_clause(error)}") from error
    if stored is not None and not await asyncio.to_thread(is_proof_of, stored["proof"], secret_key):
        raise DatabaseRefused(WRONG_KEY)


async def replace_key(database: Database, secret_key: str | None) -> None:
    """Store the proof of a new key. Passwords and PINs hashed with another key no longer match.

    :raises NoSecretKey: the key is None.
    :raises PyMongoError: callers translate.
    """
    if secret_key is None:
        raise NoSecretKey
    proof = await asyncio.to_thread(_proof_of, secret_key)
    await database[FACTS].update_one({"_id": KEY_PROOF}, {"$set": {"proof": proof}}, upsert=True)


def is_proof_of(proof: str, secret_key: str) -> bool:
    """Return whether a proof belongs to a key. This takes about 16 ms."""
    try:
        return HASHER.verify(proof, _key_digest(secret_key))
    except VerificationError:
        return False


def _proof_of(secret_key: str) -> str:
    return HASHER.hash(_key_digest(secret_key))


def _key_digest(secret_key: str) -> bytes:
    return hmac.digest(secret_key.encode(), b"pos key", sha256)
