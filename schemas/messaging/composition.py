"""What a message to a customer says, where nobody has written it: pure."""

import re

from schemas.core.documents import Document
from schemas.core.errors import InvalidBody
from schemas.messaging.delivery import MAX_CAPTION_LENGTH, MAX_TEXT_LENGTH, OutgoingMessage
from schemas.printing.formatting import format_money
from schemas.printing.letterhead import Letterhead
from schemas.printing.sheet import display_number, file_name
from schemas.text.phones import normalize_phone


def require_phone(text: str, region: str) -> str:
    """A phone number in E.164.

    :raises InvalidBody: it is none that can be dialled.
    """
    number = normalize_phone(text, region)
    if number is None:
        raise invalid_field("phone_number", "must be a phone number that can be dialled")
    return number


def text_message(body: Document, to: str) -> OutgoingMessage:
    """A letter of a loaded `MessageBody`.

    :raises InvalidBody: it says nothing, or more than stands below a document.
    """
    url = body.get("pdf_url")
    if url is not None:
        return OutgoingMessage(to, compose_caption(body), url, re.split("[?#]", url)[0].rpartition("/")[2])
    text = _said(body, MAX_TEXT_LENGTH)
    if not text:
        raise invalid_field("message", "must not be empty")
    return OutgoingMessage(to, text)


def compose_caption(body: Document) -> str:
    """What a loaded body says below a document.

    :raises InvalidBody: it says more than stands there.
    """
    return _said(body, MAX_CAPTION_LENGTH)


def _said(body: Document, longest: int) -> str:
    """What the message and the caption say, each once."""
    text = "\n\n".join(dict.fromkeys(each for each in (body["message"], body["caption"]) if each))
    if len(text) > longest:
        raise invalid_field("message", f"must have at most {longest} characters, with the caption")
    return text


def invalid_field(name: str, detail: str) -> InvalidBody:
    return InvalidBody(f"{name}: {detail}.", [{"pointer": f"/{name}", "detail": detail}])


def document_message(
    document: Document, head: Letterhead, currency: str, *, to: str, text: str | None, document_url: str
) -> OutgoingMessage:
    """An estimate or an order to whom it is for. text: None for a line with its number, its total and both names; of
    names so long that it would not stand below a document, the shop's alone."""
    kind = "Bill" if "amount_paid" in document else "Estimate"
    total = format_money(document["total"], currency)
    titled = f"{kind} {display_number(document, head)}"
    said = f"{titled} for {document['customer_name']}: {total}. {head.business_name}"
    if len(said) > MAX_CAPTION_LENGTH:
        said = f"{titled}: {total}. {head.business_name}"
    return OutgoingMessage(to, text or said, document_url, file_name(document))
