"""The names of the collections."""

from typing import Final

ADOPTION: Final = "adoption"
ATTEMPTS: Final = "attempts"
CREDENTIALS: Final = "credentials"
#: Of versions before the log: their events and idempotency keys, until `pos migrate` has converted them.
EVENTS: Final = "events"
REQUESTS: Final = "requests"
FACTS: Final = "facts"
LOG: Final = "log"
LINK_VIEWS: Final = "link_views"
ORIGINALS: Final = "adopted"
RATE_COUNTS: Final = "rate_limits"
RATE_WINDOWS: Final = "rate_windows"
TOTALS: Final = "totals"
UPLOADS: Final = "uploads"

ESTIMATES: Final = "estimates"
ORDERS: Final = "orders"
CUSTOMERS: Final = "customers"
MESSAGES: Final = "messages"
SETTINGS: Final = "settings"
#: The collections of users and devices, which can sign in.
USERS: Final = "users"
DEVICES: Final = "devices"
COUNTERS: Final = "counters"
LINKS: Final = "links"
