"""The JSON Schemas of the responses about messages to customers."""

from typing import Final

from schemas.fields.shapes import COUNT, TEXT, TIME, TRUE, Json, array, record, ref
from schemas.messaging.states import STATES

_STATE: Final[Json] = {"enum": list(STATES)}
_OPTIONAL: Final[Json] = {"type": ["string", "null"]}
_TIME_OR_NONE: Final[Json] = {"type": ["string", "null"], "format": "date-time"}

MESSAGE_RESPONSES: Final[dict[str, Json]] = {
    "MessageAsked": record(success=TRUE, message=TEXT, message_id=TEXT, state=_STATE, pdf_url=_OPTIONAL),
    "Message": record(
        id=TEXT,
        state=_STATE,
        phone_number=TEXT,
        message=TEXT,
        has_document={"type": "boolean"},
        document_id=_OPTIONAL,
        provider=_OPTIONAL,
        attempts=COUNT,
        error={**record(code=TEXT, reason=TEXT), "type": ["object", "null"]},
        by=TEXT,
        created_at=TIME,
        updated_at=TIME,
        **dict.fromkeys(("sent_at", "delivered_at", "read_at", "next_try_at"), _TIME_OR_NONE),
        version={"type": "integer", "minimum": 1},
    ),
    "MessageList": record(messages=array(ref("Message"))),
    "NewsTaken": record(success=TRUE, statuses=COUNT),
}
