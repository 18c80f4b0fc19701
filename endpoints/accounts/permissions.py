"""The roles, and the groups of them that the route table (`routes.py`) gives access to.

    owner     everything, and alone: voiding, refunds, settings, users, devices, exports, the audit
    cashier   sells, converts, writes and edits estimates, reads lists, today's report
    viewer    reads everything that is sold, and the board
    device    a cashier's; an owner's or a viewer's does what they may

No device signs itself out, has a password, or makes users and devices: who finds a lost phone must not be able to make
more keys of it. Devices alone take a PIN.

What a role may do within a route (no refund by a cashier) is checked where the body is known: see `OWNERS_STATUSES`.
"""

from typing import Final

from schemas.core.principals import ACCESS_ROLES, CASHIER, DEVICE, OWNER, OWNERS_DEVICE, VIEWER, VIEWERS_DEVICE
from schemas.sales.statuses import CANCELLED, REFUNDED

Roles = frozenset[str]

#: Whoever reaches the service, signed in or not.
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

#: Statuses that take a sale out of the takings, which is the owner's to do.
OWNERS_STATUSES: Final = frozenset({CANCELLED, REFUNDED})
