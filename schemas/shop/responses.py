"""The JSON Schemas of the responses about customers, a shop's settings and public links."""

from typing import Final

from schemas.fields.shapes import AMOUNT, BOOLEAN, COUNT, TEXT, TIME, TRUE, Json, array, record, ref, with_optional
from schemas.printing.letterhead import PAPERS
from schemas.shop.gst import STATES

#: The settings of a shop that are texts, and switches of the app.
_BUSINESS: Final = (
    *("business_name", "business_address", "business_phone", "business_email", "gst_number", "api_url"),
    *("address_line1", "address_line2", "address_line3", "footer", "upi_id", "number_prefix"),
)
_SWITCHES: Final = (
    *("enable_notifications", "enable_auto_backup", "enable_dark_mode", "enable_sound_effects"),
    *("enable_whatsapp_integration", "enable_sms_integration"),
)

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
            **dict.fromkeys(_BUSINESS, TEXT),
            **dict.fromkeys(_SWITCHES, BOOLEAN),
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
