"""The names of the collections."""

from typing import Final

ADOPTION: Final = "adoption"
ATTEMPTS: Final = "attempts"
CREDENTIALS: Final = "credentials"
EVENTS: Final = "events"
FACTS: Final = "facts"
LINK_VIEWS: Final = "link_views"
ORIGINALS: Final = "adopted"
RATE_COUNTS: Final = "rate_limits"
RATE_WINDOWS: Final = "rate_windows"
REQUESTS: Final = "requests"
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
