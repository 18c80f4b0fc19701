"""The JSON Schemas of the responses about customers, a shop's settings and public links."""

from dataclasses import fields
from typing import Final

from schemas.fields.shapes import AMOUNT, BOOLEAN, COUNT, TEXT, TIME, TRUE, Json, array, record, ref, with_optional
from schemas.printing.letterhead import PAPERS
from schemas.shop.gst import STATES
from schemas.shop.settings import ShopSettings

_PLAIN: Final = {
    each.name: BOOLEAN if each.type is bool else TEXT
    for each in fields(ShopSettings)
    if each.name not in ("state", "paper", "logo", "version")
}

SHOP_RESPONSES: Final[dict[str, Json]] = {
    "Customer": record(
        **dict.fromkeys(("id", "customer_id", "name", "phone", "email", "address", "notes"), TEXT),
        created_at=TIME,
        last_visit=TIME,
        total_orders=COUNT,
        total_spent=AMOUNT,
        total_due={"type": "number", "description": "What was sold to them less what they paid."},
        estimates=COUNT,
        version={"type": "integer", "minimum": 1},
    ),
    "CustomerList": record(customers=array(ref("Customer"))),
    "CustomerSaved": record(success=TRUE, message=TEXT, data=ref("Customer"), customer_id=TEXT),
    "ShopSettings": with_optional(
        record(
            **_PLAIN,
            state={"enum": ["", *STATES]},
            state_name={"enum": ["", *STATES.values()]},
            paper={"enum": list(PAPERS)},
            has_logo=BOOLEAN,
            version=COUNT,
        ),
        logo={"type": "string", "description": "In base64; with `logo=true`."},
    ),
    "PublicLink": record(id=TEXT, url=TEXT, pdf_url=TEXT, expires_at=TIME),
    "LinkList": record(links=array(ref("Link"))),
    "Link": record(
        id=TEXT,
        created_at=TIME,
        expires_at=TIME,
        viewed_at={"type": ["string", "null"], "format": "date-time"},
        views=COUNT,
        is_open={"type": "boolean"},
    ),
}
