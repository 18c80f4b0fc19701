"""Tokens, as they are stored."""

from hashlib import sha256


def hash_token(token: str) -> str:
    """As a token is stored. It has 256 random bits, so a plain hash is as good as a slow one."""
    return sha256(token.encode()).hexdigest()
