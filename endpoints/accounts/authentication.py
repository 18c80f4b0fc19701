"""Authentication of requests: a token as Bearer, or as the password of Basic.

The existing app can only put a key into its URL, `https://till:KEY@shop.example`, which its HTTP client sends as Basic;
the name before the colon is ignored.
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
    """Authenticates requests.

    :param credentials: None if the service runs without sign-in; then every client is the owner.
    """

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials

    @property
    def is_open(self) -> bool:
        return self._credentials is None

    async def principal(self, headers: Headers, address: str | None) -> Principal:
        """Return the principal of a request.

        :raises RepeatedAuthorization: there are several credentials.
        :raises NotSignedIn: there is no credential, or it is unknown.
        :raises SignInExpired: the credential has expired.
        :raises TooManyRequests: the address has sent too many unknown tokens.
        """
        if self._credentials is None:
            return LOCAL_OWNER
        shown = [value for name, value in headers if name == b"authorization"]
        if len(shown) > 1:
            raise RepeatedAuthorization
        token = _token(shown[0]) if shown else ""
        if not token:
            raise NotSignedIn
        return _principal_of(await self._credentials.resolve(token, address))

    async def ticket(self, principal: Principal, store: str) -> str:
        """Issue a ticket for one connection to a store. Without sign-in any ticket is accepted."""
        if self._credentials is None:
            return new_token(TICKET)
        return await self._credentials.issue_ticket(principal, store)

    async def of_ticket(self, ticket: str, address: str | None) -> tuple[Principal, str | None]:
        """Use a ticket, and return its principal and its store.

        :raises NotSignedIn: the ticket is unknown or was used.
        :raises SignInExpired: the ticket has expired.
        :raises TooManyRequests: the address has sent too many unknown tokens.
        """
        if self._credentials is None:
            return LOCAL_OWNER, None
        known, store = await self._credentials.redeem(ticket, address)
        return _principal_of(known), store


def _principal_of(known: TokenStatus) -> Principal:
    """Return the principal of a credential.

    :raises NotSignedIn: it is unknown.
    :raises SignInExpired: it has expired.
    """
    if known.is_expired:
        raise SignInExpired
    if known.principal is None:
        raise NotSignedIn("This sign-in is not known here, or was ended. Please sign in again.")
    return known.principal


def _token(authorization: bytes) -> str:
    """Return the token of an `Authorization` header; empty if there is none."""
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
