"""The roles, and the groups of roles for the route table (`routes.py`).

    owner     everything; only owners void, refund, and manage settings, users, devices, exports and the audit log
    cashier   creates sales and estimates, converts and edits estimates, reads lists and the report of today
    viewer    reads sales and the board
    device    as its role: cashier, owner or viewer

A device cannot sign out, has no password, and cannot create users or devices: a lost phone must not give access to more
keys. Only devices accept a PIN.

The handler checks permissions that depend on the body (a cashier may not refund): see `OWNERS_STATUSES`.
"""

from typing import Final

from schemas.core.principals import ACCESS_ROLES, CASHIER, DEVICE, OWNER, OWNERS_DEVICE, VIEWER, VIEWERS_DEVICE
from schemas.sales.statuses import CANCELLED, REFUNDED

Roles = frozenset[str]

#: Any client, with or without sign-in.
ANYONE: Final[Roles | None] = None
ALL: Final[Roles | None] = frozenset(ACCESS_ROLES)
SELLERS: Final[Roles | None] = frozenset({OWNER, CASHIER, DEVICE, OWNERS_DEVICE})
PEOPLE: Final[Roles | None] = frozenset({OWNER, CASHIER, VIEWER})
READERS: Final[Roles | None] = frozenset({OWNER, VIEWER, OWNERS_DEVICE, VIEWERS_DEVICE})
OWNERS: Final[Roles | None] = frozenset({OWNER, OWNERS_DEVICE})
OWNERS_IN_PERSON: Final[Roles | None] = frozenset({OWNER})
DEVICES: Final[Roles | None] = frozenset({DEVICE, OWNERS_DEVICE, VIEWERS_DEVICE})

#: Clients that follow the event log, over `/ws` and `/api/events/stream`.
FOLLOWERS: Final = frozenset(ACCESS_ROLES)

#: Statuses that remove a sale from the revenue; only owners may set them.
OWNERS_STATUSES: Final = frozenset({CANCELLED, REFUNDED})
