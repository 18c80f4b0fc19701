"""Examples of request bodies for the API's description. A test sends each to the running service."""

from typing import Any, Final

Json = dict[str, Any]

_CUSTOMER: Final[Json] = {
    "customer_name": "Test Customer",
    "customer_phone": "1234567890",
    "customer_address": "Test Address",
    "sale_by": "Test User",
}

ESTIMATE: Final[Json] = {
    **_CUSTOMER,
    "items": [{"id": 1, "name": "Test Item", "price": 100.0, "quantity": 1}],
    "subtotal": 100.0,
    "discount_amount": 0.0,
    "is_percentage_discount": True,
    "total": 100.0,
}

DISCOUNTED: Final[Json] = {
    **_CUSTOMER,
    "items": [
        {"id": 1, "name": "Basmati rice, 1 kg", "price": 129.5, "quantity": 2.5, "discount": 4},
        {"id": 2, "name": "Jaggery", "price": 60.0, "quantity": 3},
    ],
    "subtotal": 490.8,
    "discount_amount": 10.0,
    "is_percentage_discount": True,
    "total": 441.72,
}

ESTIMATES: Final = {"One line": ESTIMATE, "Two lines and ten per cent off": DISCOUNTED}
SALES: Final = {
    "Paid in full, in cash": ESTIMATE,
    "Paid in part": {**DISCOUNTED, "amount_paid": 400.0, "payment_mode": "UPI: Asha"},
}
CONVERSIONS: Final[dict[str, Json]] = {
    "Paid in full, in cash": {},
    "Paid in part, by card": {"amount_paid": 50.0, "payment_mode": "Card", "sale_by": "Test User"},
}
CUSTOMERS: Final[dict[str, Json]] = {
    "With a phone number": {"name": "Meera Kulkarni", "phone": "98220 12345", "address": "12 MG Road, Pune"}
}
CUSTOMER_CHANGES: Final[dict[str, Json]] = {"An address": {"address": "14 MG Road, Pune", "notes": "Pays monthly"}}
MESSAGES: Final[dict[str, Json]] = {
    "A text": {"phone_number": "98220 12345", "message": "Your order is ready. Asha Stores"},
}
DOCUMENT_MESSAGES: Final[dict[str, Json]] = {
    "To another phone": {"phone_number": "+91 98220 12345", "message": "As we spoke of.", "days": 7},
}
SETTINGS: Final[dict[str, Json]] = {
    "Name and tax number": {
        "business_name": "Asha Stores",
        "business_phone": "020 2553 1234",
        "gst_number": "27AAPFU0939F1ZV",
        "upi_id": "asha.stores@okbank",
        "enable_notifications": True,
    },
    "A narrow roll": {"paper": "80mm", "footer": "Thank you. Come again."},
}
STATUSES: Final[dict[str, Json]] = {"Cancelled": {"status": "Cancelled"}}
LOGINS: Final[dict[str, Json]] = {"With a password": {"username": "asha", "password": "three quiet mango trees"}}
PINS: Final[dict[str, Json]] = {"With a PIN": {"username": "asha", "pin": "702946"}}
REFRESHES: Final[dict[str, Json]] = {"Once": {"refresh_token": "pos_r_…"}}
PASSWORDS: Final[dict[str, Json]] = {
    "A new one": {"current": "three quiet mango trees", "new": "seven loud coconut palms"}
}
USERS: Final[dict[str, Json]] = {
    "A cashier": {
        "username": "ravi",
        "name": "Ravi",
        "role": "cashier",
        "password": "nine slow paper boats",
        "pin": "481503",
    }
}
USER_CHANGES: Final[dict[str, Json]] = {"Another role": {"role": "viewer"}, "No PIN any more": {"pin": None}}
DEVICES: Final[dict[str, Json]] = {
    "A tablet": {"name": "Counter tablet"},
    "The phone of an owner": {"name": "Phone of Asha", "role": "owner"},
}
