"""Who may do what: role by route, in one table. A route that is not in it is not served.

    owner     everything, and alone: voiding, refunds, settings, users, devices, exports, the audit
    cashier   sells, converts, writes and edits estimates, reads lists, today's report
    viewer    reads everything that is sold, and the board
    device    a cashier's; an owner's or a viewer's does what they may

No device signs itself out, has a password, or makes users and devices: who finds a lost phone must not be able to make
more keys of it. Devices alone take a PIN.

What a role may do within a route (no refund by a cashier) is checked where the body is known: see `OWNERS_STATUSES`.
"""

from collections.abc import Mapping
from typing import Final

from schemas.principals import CASHIER, DEVICE, OWNER, OWNERS_DEVICE, STANDINGS, VIEWER, VIEWERS_DEVICE
from schemas.statuses import CANCELLED, REFUNDED

Roles = frozenset[str]

#: Whoever reaches the service, signed in or not.
ANYONE: Final[Roles | None] = None
ALL: Final[Roles | None] = frozenset(STANDINGS)
SELLERS: Final[Roles | None] = frozenset({OWNER, CASHIER, DEVICE, OWNERS_DEVICE})
PEOPLE: Final[Roles | None] = frozenset({OWNER, CASHIER, VIEWER})
READERS: Final[Roles | None] = frozenset({OWNER, VIEWER, OWNERS_DEVICE, VIEWERS_DEVICE})
OWNERS: Final[Roles | None] = frozenset({OWNER, OWNERS_DEVICE})
OWNERS_IN_PERSON: Final[Roles | None] = frozenset({OWNER})
DEVICES: Final[Roles | None] = frozenset({DEVICE, OWNERS_DEVICE, VIEWERS_DEVICE})

_READ: Final = {"GET": ALL}
_REPORT: Final = {"GET": READERS}
_PUBLIC: Final = {"GET": ANYONE}

#: Path in the route table -> method -> who. HEAD is as GET.
ACCESS: Final[Mapping[str, Mapping[str, Roles | None]]] = {
    "/": _PUBLIC,
    "/health": _PUBLIC,
    "/livez": _PUBLIC,
    "/readyz": _PUBLIC,
    "/metrics": _REPORT,
    "/api/": _PUBLIC,
    "/api/health": _PUBLIC,
    "/api/version": _PUBLIC,
    "/api/setup": {"GET": ANYONE, "POST": ANYONE},
    "/api/websocket/status": _READ,
    "/api/estimates/create": {"POST": SELLERS},
    "/api/estimates/all": _READ,
    "/api/estimates/pending": _READ,
    "/api/estimates/converted": _READ,
    "/api/estimates/number/{estimate_number}": _READ,
    "/api/estimates/{estimate_id}": {"GET": ALL, "PUT": SELLERS, "DELETE": OWNERS},
    "/api/estimates/{estimate_id}/convert-to-order": {"POST": SELLERS},
    "/api/estimates/{estimate_id}/pdf": _READ,
    "/api/estimates/{estimate_id}/link": {"GET": ALL, "POST": SELLERS},
    "/api/orders/{order_id}/pdf": _READ,
    "/api/messages": _REPORT,
    "/api/whatsapp/send": {"POST": SELLERS},
    "/api/whatsapp/sms/send": {"POST": SELLERS},
    "/api/whatsapp/send-estimate-pdf": {"POST": SELLERS},
    "/api/whatsapp/webhook": {"GET": ANYONE, "POST": ANYONE},
    "/api/estimates/{estimate_id}/send": {"POST": SELLERS},
    "/api/orders/{order_id}/send": {"POST": SELLERS},
    "/api/orders/{order_id}/link": {"GET": ALL, "POST": SELLERS},
    "/api/links/{link_id}": {"DELETE": SELLERS},
    "/d/{token}": _PUBLIC,
    "/d/{token}.pdf": _PUBLIC,
    "/static/estimates/{token}.pdf": _PUBLIC,
    "/api/orders/create-sale": {"POST": SELLERS},
    "/api/orders/all": _READ,
    "/api/orders/separate": _READ,
    "/api/orders/orders-only": _READ,
    "/api/orders/number/{sale_number}": _READ,
    "/api/orders/{order_id}": {"GET": ALL, "DELETE": OWNERS},
    "/api/orders/{order_id}/status": {"PUT": SELLERS},
    "/api/reports/today": _READ,
    "/api/reports/date-range": _REPORT,
    "/api/reports/monthly/{year}/{month}": _REPORT,
    "/api/reports/staff-performance": _REPORT,
    "/api/reports/estimates-only": _REPORT,
    "/api/reports/orders-only": _REPORT,
    "/api/reports/stores": {"GET": OWNERS},
    "/api/auth/login": {"POST": ANYONE},
    "/api/auth/refresh": {"POST": ANYONE},
    "/api/auth/pin": {"POST": DEVICES},
    "/api/auth/logout": {"POST": PEOPLE},
    "/api/auth/profile": _READ,
    "/api/auth/password": {"POST": PEOPLE},
    "/api/users": {"GET": OWNERS_IN_PERSON, "POST": OWNERS_IN_PERSON},
    "/api/users/{user_id}": {"GET": OWNERS_IN_PERSON, "PUT": OWNERS_IN_PERSON, "DELETE": OWNERS_IN_PERSON},
    "/api/devices": {"GET": OWNERS_IN_PERSON, "POST": OWNERS_IN_PERSON},
    "/api/devices/{device_id}": {"DELETE": OWNERS_IN_PERSON},
    "/board": _PUBLIC,
    "/board/{file}": _PUBLIC,
    "/api/board": _REPORT,
    "/api/audit": {"GET": OWNERS},
    "/api/customers": _READ,
    "/api/customers/create": {"POST": SELLERS},
    "/api/customers/{customer_id}": {"PUT": SELLERS, "DELETE": SELLERS},
    "/api/settings": {"GET": ALL, "PUT": OWNERS},
    "/api/events": _READ,
    "/api/events/stream": _READ,
    "/api/ws-ticket": {"POST": ALL},
    "/ws": _READ,
    "/openapi.json": _PUBLIC,
    "/asyncapi.json": _PUBLIC,
    "/docs": _PUBLIC,
    "/docs/{asset}": _PUBLIC,
}

#: Where a ticket is taken: what a browser cannot open with a header of its own.
TICKETED: Final = frozenset({"/ws", "/api/events/stream"})

#: Statuses that take a sale out of the takings, which is the owner's to do.
OWNERS_STATUSES: Final = frozenset({CANCELLED, REFUNDED})
