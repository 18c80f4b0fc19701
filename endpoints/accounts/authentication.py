"""Who a request comes from, by what it shows: a token as Bearer, or as the password of Basic.

The existing app can only put a key into its address, `https://till:KEY@shop.example`, which its HTTP client turns into
Basic; the name before the colon is not looked at.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterable
from typing import Final

from endpoints.http.errors import NotSignedIn, RepeatedAuthorization, SignInExpired
from repositories.accounts.credentials import TICKET, Credentials, TokenStatus, new_token
from schemas.core.principals import LOCAL_OWNER, Principal

_MAX_CREDENTIAL: Final = 512

Headers = Iterable[tuple[bytes, bytes]]


class Authenticator:
    """Knows people by their credentials.

    :param credentials: None where nobody signs in: everybody is the owner then.
    """

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials

    @property
    def is_open(self) -> bool:
        """Whether nobody signs in here."""
        return self._credentials is None

    async def principal(self, headers: Headers, address: str | None) -> Principal:
        """Whoever sent these headers.

        :param address: that they came from.
        :raises RepeatedAuthorization, NotSignedIn, SignInExpired, TooManyRequests:
        :raises Unavailable: the database is away.
        """
        if self._credentials is None:
            return LOCAL_OWNER
        shown = [value for name, value in headers if name == b"authorization"]
        if len(shown) > 1:
            raise RepeatedAuthorization
        token = _token(shown[0]) if shown else ""
        if not token:
            raise NotSignedIn
        return _somebody(await self._credentials.resolve(token, address))

    async def ticket(self, principal: Principal, store: str) -> str:
        """A ticket of theirs to one connection to this store. Where nobody signs in, any will do.

        :raises Unavailable: the database is away.
        """
        if self._credentials is None:
            return new_token(TICKET)
        return await self._credentials.issue_ticket(principal, store)

    async def of_ticket(self, ticket: str, address: str | None) -> tuple[Principal, str | None]:
        """Whoever a ticket was given to, and the store that it is for. It can be used once.

        :param address: that it came from.
        :raises NotSignedIn, SignInExpired, TooManyRequests:
        :raises Unavailable: the database is away.
        """
        if self._credentials is None:
            return LOCAL_OWNER, None
        known, store = await self._credentials.redeem(ticket, address)
        return _somebody(known), store


def _somebody(known: TokenStatus) -> Principal:
    """:raises NotSignedIn, SignInExpired: it is nobody."""
    if known.is_expired:
        raise SignInExpired
    if known.principal is None:
        raise NotSignedIn("This sign-in is not known here, or was ended. Please sign in again.")
    return known.principal


def _token(authorization: bytes) -> str:
    """The token of an `Authorization` header; empty where there is none."""
    if len(authorization) > _MAX_CREDENTIAL:
        return ""
    scheme, _, rest = authorization.decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
