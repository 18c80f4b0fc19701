"""The composition of messages to customers. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from schemas.core.errors import InvalidBody
from schemas.messaging.delivery import MAX_CAPTION_LENGTH, MAX_TEXT_LENGTH, OutgoingMessage
from schemas.printing.formatting import format_money
from schemas.printing.letterhead import Letterhead
from schemas.printing.sheet import display_number, file_name
from schemas.sales.documents import SalesDocument
from schemas.text.phones import normalize_phone


def require_phone(text: str, region: str) -> str:
    """Return a phone number in E.164; raise InvalidBody if the text has none that can be dialled."""
    number = normalize_phone(text, region)
    if number is None:
        raise invalid_field("phone_number", "must be a phone number that can be dialled")
    return number


def text_message(body: Mapping[str, Any], to: str) -> OutgoingMessage:
    """Return the message of a loaded `MessageBody`; raise InvalidBody if it is empty, or too long for a caption."""
    url = body.get("pdf_url")
    if url is not None:
        return OutgoingMessage(to, compose_caption(body), url, re.split("[?#]", url)[0].rpartition("/")[2])
    text = _text(body, MAX_TEXT_LENGTH)
    if not text:
        raise invalid_field("message", "must not be empty")
    return OutgoingMessage(to, text)


def compose_caption(body: Mapping[str, Any]) -> str:
    """Return the caption that a loaded body gives a document; raise InvalidBody if it is too long."""
    return _text(body, MAX_CAPTION_LENGTH)


def _text(body: Mapping[str, Any], longest: int) -> str:
    """Return message and caption together, or one of them where they are equal."""
    text = "\n\n".join(dict.fromkeys(each for each in (body["message"], body["caption"]) if each))
    if len(text) > longest:
        raise invalid_field("message", f"must have at most {longest} characters, with the caption")
    return text


def invalid_field(name: str, detail: str) -> InvalidBody:
    return InvalidBody(f"{name}: {detail}.", [{"pointer": f"/{name}", "detail": detail}])


def document_message(
    document: SalesDocument, head: Letterhead, currency: str, *, to: str, text: str | None, document_url: str
) -> OutgoingMessage:
    """Return the message that sends an estimate or an order.

    :param text: None for a line with its number, its total and both names; where that is too long for a caption,
        without the customer's name.
    """
    kind = "Bill" if "amount_paid" in document else "Estimate"
    total = format_money(document["total"], currency)
    titled = f"{kind} {display_number(document, head)}"
    caption = f"{titled} for {document['customer_name']}: {total}. {head.business_name}"
    if len(caption) > MAX_CAPTION_LENGTH:
        caption = f"{titled}: {total}. {head.business_name}"
    return OutgoingMessage(to, text or caption, document_url, file_name(document))
