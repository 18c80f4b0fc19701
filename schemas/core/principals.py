"""Who asks, and what is kept of who did something: pure values, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from schemas.core.documents import Document

OWNER, CASHIER, VIEWER, DEVICE = "owner", "cashier", "viewer", "device"
#: `DEVICE` is the role of a cashier's device; an owner's has the role of an owner, and a viewer's that of a viewer.
ROLES: Final = (OWNER, CASHIER, VIEWER, DEVICE)
OWNERS_DEVICE, VIEWERS_DEVICE = "owner's device", "viewer's device"
#: What the table of access knows: a device may do what its role may, but not all that a person may.
ACCESS_ROLES: Final = (*ROLES, OWNERS_DEVICE, VIEWERS_DEVICE)
_STANDING_OF_DEVICES: Final = {OWNER: OWNERS_DEVICE, VIEWER: VIEWERS_DEVICE}
#: The id of the owner that the claim of a shop makes: it can be given once only, so a shop is claimed once.
FIRST_OWNER_ID: Final = "USER-OWNER"
#: The roles that a person or a device can be given.
ASSIGNABLE_ROLES: Final = (OWNER, CASHIER, VIEWER)
#: What users sign in with.
SIGN_IN_SECRETS: Final = frozenset({"password", "pin"})
#: Their fields that only the database sees, and no event, no answer and no log.
SECRET_FIELDS: Final = SIGN_IN_SECRETS | {"sign_ins", "token"}


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a request comes from.

    id: of a user (`USER-…`) or a device (`DEVICE-…`). name: as people know it. role: one of `ROLES`. store: the one
    that it belongs to, None for all of them. device: the id of the device that it works at. credential: what it showed,
    as it is stored; None where nobody signs in. expires_at: when that ends by itself, UTC; None where it does not.
    """

    id: str
    name: str
    role: str
    store: str | None = None
    device: str | None = None
    credential: str | None = None
    expires_at: datetime | None = None

    @property
    def standing(self) -> str:
        """Return what the table of access knows it by: one of `ACCESS_ROLES`."""
        return self.role if self.id != self.device else _STANDING_OF_DEVICES.get(self.role, DEVICE)


#: Whoever comes to a service that is open, since only this machine reaches it.
LOCAL_OWNER: Final = Principal("open", "open", OWNER)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something, and from where, as it is kept with each change."""

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
    def stored(self) -> dict[str, Any]:
        """As an event keeps it."""
        return {
            "id": self.id,
            "name": self.name,
            "role": self.role,
            "device": self.device,
            "address": self.address,
            "request_id": self.request_id,
        }

    @property
    def signature(self) -> dict[str, Any]:
        """As a document keeps it."""
        return {"id": self.id, "name": self.name}


#: For what the service does by itself, or somebody at the machine that it runs on.
SERVICE_ACTOR: Final = Actor("service", "service", OWNER)


def role_of_device(device: Mapping[str, Any]) -> str:
    """Return the role that a stored device was given; one from before devices had any is a cashier's."""
    return OWNER if device.get("role") == OWNER else VIEWER if device.get("role") == VIEWER else CASHIER


def device_principal(device: Mapping[str, Any], credential: str) -> Principal:
    """Return what a device's key shows it to be."""
    given = role_of_device(device)
    role = DEVICE if given == CASHIER else given
    return Principal(device["_id"], device["name"], role, device["belongs_to"], device["_id"], credential)


def public_fields(account: Document) -> Document:
    """Return an account as its event keeps it: without what it signs in with."""
    return {name: value for name, value in account.items() if name not in SECRET_FIELDS}
