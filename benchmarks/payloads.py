"""The payloads of requests."""

from typing import Any

CREATE_SALE = "/api/orders/create-sale"
CREATE_ESTIMATE = "/api/estimates/create"

SALE: dict[str, Any] = {
    "customer_name": "Asha Patil",
    "customer_phone": "9876543210",
    "customer_address": "12 MG Road, Pune",
    "sale_by": "Ravi",
    "items": [
        {"id": 1, "name": "Basmati rice 5 kg", "price": 649.5, "quantity": 2, "discount": 5.0},
        {"id": 2, "name": "Toor dal 1 kg", "price": 172.0, "quantity": 3, "discount": 0.0},
    ],
    "subtotal": 1750.05,
    "discount_amount": 0.0,
    "is_percentage_discount": False,
    "total": 1750.05,
}

#: The same sale to different regular customers.
SALES: list[dict[str, Any]] = [{**SALE, "customer_phone": f"98{number:08}"} for number in range(5_000)]
