"""Principals (who sends a request) and actors (who made a change). Pure values, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from schemas.core.documents import ActorFields, Document, Signature

OWNER, CASHIER, VIEWER, DEVICE = "owner", "cashier", "viewer", "device"
#: `DEVICE` is the role of a cashier's device; an owner's has the role of an owner, and a viewer's that of a viewer.
ROLES: Final = (OWNER, CASHIER, VIEWER, DEVICE)
OWNERS_DEVICE, VIEWERS_DEVICE = "owner's device", "viewer's device"
#: The roles of the permission table: a device of an owner or a viewer may do less than the person.
ACCESS_ROLES: Final = (*ROLES, OWNERS_DEVICE, VIEWERS_DEVICE)
_STANDING_OF_DEVICES: Final = {OWNER: OWNERS_DEVICE, VIEWER: VIEWERS_DEVICE}
#: The id of the first owner. An id can be inserted only once, so a shop is set up only once.
FIRST_OWNER_ID: Final = "USER-OWNER"
#: The roles that an owner can assign to a user or a device.
ASSIGNABLE_ROLES: Final = (OWNER, CASHIER, VIEWER)
#: The fields of a user that authenticate.
SIGN_IN_SECRETS: Final = frozenset({"password", "pin"})
#: The fields of an account that stay in the database: no event, response or log has them.
SECRET_FIELDS: Final = SIGN_IN_SECRETS | {"sign_ins", "token"}


@dataclass(frozen=True, slots=True)
class Principal:
    """The user or device that sends a request.

    :ivar id: of a user (`USER-…`) or a device (`DEVICE-…`).
    :ivar role: one of `ROLES`.
    :ivar store: the store that it belongs to; None for all stores.
    :ivar device: the id of the device that the request comes from.
    :ivar credential: the presented credential, as it is stored; None without authentication.
    :ivar expires_at: when the credential expires, UTC; None where it does not.
    """

    id: str
    name: str
    role: str
    store: str | None = None
    device: str | None = None
    credential: str | None = None
    expires_at: datetime | None = None

    @property
    def access_role(self) -> str:
        """Return its role in the permission table: one of `ACCESS_ROLES`."""
        return self.role if self.id != self.device else _STANDING_OF_DEVICES.get(self.role, DEVICE)


#: The principal of each request to a service without users, which only this machine can reach.
LOCAL_OWNER: Final = Principal("open", "open", OWNER)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who made a change and from where, as it is stored with the change."""

    id: str
    name: str
    role: str
    device: str | None = None
    address: str | None = None
    request_id: str | None = None

    @classmethod
    def of(cls, principal: Principal, address: str | None, request_id: str | None) -> "Actor":
        return cls(principal.id, principal.name, principal.role, principal.device, address, request_id)

    @property
    def stored(self) -> ActorFields:
        """Return the actor as an event stores it."""
        return {
            "id": self.id,
            "name": self.name,
            "role": self.role,
            "device": self.device,
            "address": self.address,
            "request_id": self.request_id,
        }

    @property
    def signature(self) -> Signature:
        """Return the actor as a document stores it."""
        return {"id": self.id, "name": self.name}


#: The actor of changes that the service makes by itself, or an operator by a command.
SERVICE_ACTOR: Final = Actor("service", "service", OWNER)


def role_of_device(device: Mapping[str, Any]) -> str:
    """Return the assigned role of a stored device; the default is a cashier's, since old devices have no role."""
    return OWNER if device.get("role") == OWNER else VIEWER if device.get("role") == VIEWER else CASHIER


def device_principal(device: Mapping[str, Any], credential: str) -> Principal:
    """Return the principal that a device's key authenticates."""
    given = role_of_device(device)
    role = DEVICE if given == CASHIER else given
    return Principal(device["_id"], device["name"], role, device["belongs_to"], device["_id"], credential)


def public_fields(account: Mapping[str, Any]) -> Document:
    """Return an account as its event stores it: without its secrets."""
    return {name: value for name, value in account.items() if name not in SECRET_FIELDS}
