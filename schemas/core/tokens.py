"""Hashes of tokens."""

from hashlib import sha256


def hash_token(token: str) -> str:
    """Return a token's hash, which is stored. A token has 256 random bits, so it needs no slow hash."""
    return sha256(token.encode()).hexdigest()
