"""What is stored of users, devices and their credentials."""

from datetime import datetime
from typing import Literal, NotRequired, TypedDict, final

from schemas.core.documents import Signed


class AccountFields(TypedDict):
    name: str
    role: str
    belongs_to: str | None  # a store; None: all stores


@final
class Device(AccountFields, Signed):
    pass


class UserFields(AccountFields):
    login: str  # casefolded
    password: str | None  # hashed where it is stored, as `pin`
    pin: str | None


SecretName = Literal["password", "pin"]


class UserChanges(TypedDict, total=False):
    name: str
    role: str
    belongs_to: str | None
    password: str | None
    pin: str | None


class SignIns(TypedDict):
    """The sign-ins of a user that a new password or PIN has left valid."""

    since: int  # the version of the user from which they are valid
    but: str | None  # the family that stays valid nevertheless


@final
class User(UserFields, Signed):
    sign_ins: NotRequired[SignIns]


Account = User | Device


class Session(TypedDict):
    """What is listed of a credential."""

    kind: str  # access, refresh, key or ticket
    owner: str  # the id of a user or a device
    device: str | None  # the device of the sign-in
    family: str  # shared by a sign-in and all its renewals
    created_at: datetime
    expires_at: datetime | None  # None: valid until it is revoked


class Credential(Session):
    _id: str  # the SHA-256 of the token
    version: NotRequired[int]  # of access and refresh tokens: the user's version at the sign-in
    used_at: NotRequired[datetime | None]  # of refresh tokens
    retry: NotRequired[dict[str, str] | None]  # of used ones: salt and hash of the client's key
    stands_for: NotRequired[str | None]  # of tickets: the credential that requested it
    store: NotRequired[str]  # of tickets
