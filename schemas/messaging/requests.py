"""The query of the list of messages, and the bodies that send messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import ValidationError, post_load

from schemas.core.limits import MAX_UPLOAD
from schemas.core.pagination import DEFAULT_LIMIT, MAX_LIMIT, Cursor
from schemas.core.public_ids import MESSAGE_PREFIX
from schemas.fields.body import Body
from schemas.fields.inputs import DEFAULT_LINK_DAYS, DayCount, InputField, OneOf, Text, WholeNumber
from schemas.fields.queries import PageQuery
from schemas.messaging.delivery import MAX_CAPTION_LENGTH, MAX_TEXT_LENGTH
from schemas.messaging.states import STATES

#: The first bytes of a PDF.
PDF_MAGIC: Final = b"%PDF-"
_ID: Final = re.compile(rf"{MESSAGE_PREFIX}[0-9A-Z]{{26}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MessageCursor(Cursor):
    """A message's position in the list: its id, since ids sort by the time of creation."""

    id: str

    def is_valid(self) -> bool:
        return _ID.fullmatch(self.id) is not None


@dataclass(frozen=True, slots=True)
class MessageListing:
    """The filters of a page of messages.

    :ivar states: empty for all states.
    :ivar document_id: of the estimate or order.
    """

    limit: int = DEFAULT_LIMIT
    after: MessageCursor | None = None
    states: tuple[str, ...] = ()
    document_id: str | None = None


class MessageQuery(PageQuery):
    """The query parameters of the list of messages."""

    position, listing = MessageCursor, MessageListing

    limit = WholeNumber(1, MAX_LIMIT, load_default=DEFAULT_LIMIT)
    state = OneOf(STATES)
    document_id = Text(metadata={"description": "Of the estimate or order that they are about."})

    @post_load
    def make(self, data: dict[str, Any], **kwargs: Any) -> MessageListing:
        state = data.pop("state", None)
        found: MessageListing = super().make({**data, "states": () if state is None else (state,)})
        return found


class MessageBody(Body):
    """A text to a phone, with or without a document. A document's caption is `message`, then `caption`."""

    phone_number = Text(required=True)
    message = Text(lines=True, blank=True, load_default="", longest=MAX_TEXT_LENGTH)
    caption = Text(lines=True, blank=True, load_default="", longest=MAX_CAPTION_LENGTH)
    pdf_url = Text()


class Pdf(InputField[bytes]):
    """The bytes of a PDF of a form."""

    json_schema: Mapping[str, Any] = {"type": "string", "format": "binary", "description": "A PDF of at most 2 MiB."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bytes:
        if not isinstance(value, bytes) or not value.startswith(PDF_MAGIC):
            raise ValidationError("must be a PDF")
        if len(value) > MAX_UPLOAD:
            raise ValidationError(f"must have at most {MAX_UPLOAD >> 20} MiB")
        return value


class UploadBody(Body):
    """The form that sends an uploaded PDF."""

    file = Pdf(required=True)
    phone_number = Text(required=True)
    message = Text(lines=True, blank=True, load_default="", longest=MAX_TEXT_LENGTH)
    caption = Text(lines=True, blank=True, load_default="", longest=MAX_CAPTION_LENGTH)


class DocumentMessageBody(Body):
    """How to send an estimate or an order: by default to its customer, with a text of the service.

    `days`: how long the link to the document is valid.
    """

    phone_number = Text()
    message = Text(lines=True, longest=MAX_CAPTION_LENGTH)
    days = DayCount(load_default=DEFAULT_LINK_DAYS)
