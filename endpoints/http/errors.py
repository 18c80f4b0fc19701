"""Errors that belong to HTTP: not signed in, forbidden."""

from typing import Final

from schemas.core.errors import ShopError

#: Basic is accepted but not offered: browsers would show their own password dialog.
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="pos"'}


class NotSignedIn(ShopError):
    """The request has no credential, or an unknown one."""

    status, code, title = 401, "not_signed_in", "Not signed in"

    def __init__(self, detail: str = "Please sign in.") -> None:
        super().__init__(detail, headers=_CHALLENGE)


class SignInExpired(NotSignedIn):
    """The credential has expired."""

    code, title = "sign_in_expired", "The sign-in has expired"

    def __init__(self) -> None:
        super().__init__("Your sign-in has expired. Please sign in again.")


class RepeatedAuthorization(ShopError):
    """Several credentials in one request: a proxy and the service could each use another one."""

    status, code, title = 400, "repeated_authorization", "More than one Authorization"

    def __init__(self) -> None:
        super().__init__("The Authorization header must be given once.")


class Forbidden(ShopError):
    """The role does not permit the operation."""

    status, code, title = 403, "forbidden", "Not allowed"

    def __init__(self, detail: str = "Your role does not allow this. Please ask the owner.") -> None:
        super().__init__(detail)
