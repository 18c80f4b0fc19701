"""The names of the collections."""

from typing import Final

ESTIMATES = "estimates"
ORDERS = "orders"
CUSTOMERS = "customers"
MESSAGES: Final = "messages"
SETTINGS: Final = "settings"
#: The collections of those who can sign in.
USERS: Final = "users"
DEVICES: Final = "devices"
COUNTERS: Final = "counters"
LINKS: Final = "links"
