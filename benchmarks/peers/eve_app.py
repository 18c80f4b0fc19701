"""Eve with one resource. It checks a sale against the schema, and answers with the id, an etag and links.

An insert of Eve takes only `w` of a write concern. The majority of a replica set has a write on disk by default, so `j`
is implied.
"""

import os
from typing import Any

from eve import Eve

TEXT = {"type": "string", "required": True}
WHOLE = {"type": "integer", "required": True}
NUMBER = {"type": "number", "required": True}

LINE: dict[str, Any] = {"id": WHOLE, "name": TEXT, "price": NUMBER, "quantity": WHOLE, "discount": NUMBER}
SALE: dict[str, Any] = {
    "customer_name": TEXT,
    "customer_phone": TEXT,
    "customer_address": TEXT,
    "sale_by": TEXT,
    "items": {"type": "list", "required": True, "schema": {"type": "dict", "schema": LINE}},
    "subtotal": NUMBER,
    "discount_amount": NUMBER,
    "is_percentage_discount": {"type": "boolean", "required": True},
    "total": NUMBER,
}

app = Eve(
    settings={
        "MONGO_URI": os.environ["MONGODB_URL"],
        "MONGO_DBNAME": os.environ["DATABASE_NAME"],
        "MONGO_WRITE_CONCERN": {"w": "majority"},
        "DOMAIN": {"Sale": {"schema": SALE, "resource_methods": ["GET", "POST"]}},
    }
)
