"""What a message to a customer says, where nobody has written it: pure."""

import re

from schemas.core.documents import Document
from schemas.core.errors import InvalidBody
from schemas.messaging.delivery import LONGEST_CAPTION, LONGEST_TEXT, OutgoingMessage
from schemas.printing.formatting import amount
from schemas.printing.letterhead import Letterhead
from schemas.printing.sheet import file_name, written_number
from schemas.text.phones import normalised


def dialable(text: str, region: str) -> str:
    """A phone number in E.164.

    :raises InvalidBody: it is none that can be dialled.
    """
    number = normalised(text, region)
    if number is None:
        raise wrong("phone_number", "must be a phone number that can be dialled")
    return number


def text_letter(body: Document, to: str) -> OutgoingMessage:
    """A letter of a loaded `MessageBody`.

    :raises InvalidBody: it says nothing, or more than stands below a document.
    """
    url = body.get("pdf_url")
    if url is not None:
        return OutgoingMessage(to, caption_of(body), url, re.split("[?#]", url)[0].rpartition("/")[2])
    text = _said(body, LONGEST_TEXT)
    if not text:
        raise wrong("message", "must not be empty")
    return OutgoingMessage(to, text)


def caption_of(body: Document) -> str:
    """What a loaded body says below a document.

    :raises InvalidBody: it says more than stands there.
    """
    return _said(body, LONGEST_CAPTION)


def _said(body: Document, longest: int) -> str:
    """What the message and the caption say, each once."""
    text = "\n\n".join(dict.fromkeys(each for each in (body["message"], body["caption"]) if each))
    if len(text) > longest:
        raise wrong("message", f"must have at most {longest} characters, with the caption")
    return text


def wrong(name: str, detail: str) -> InvalidBody:
    return InvalidBody(f"{name}: {detail}.", [{"pointer": f"/{name}", "detail": detail}])


def document_letter(
    document: Document, head: Letterhead, currency: str, *, to: str, text: str | None, document_url: str
) -> OutgoingMessage:
    """An estimate or an order to whom it is for. text: None for a line with its number, its total and both names; of
    names so long that it would not stand below a document, the shop's alone."""
    kind = "Bill" if "amount_paid" in document else "Estimate"
    total = amount(document["total"], currency)
    titled = f"{kind} {written_number(document, head)}"
    said = f"{titled} for {document['customer_name']}: {total}. {head.business_name}"
    if len(said) > LONGEST_CAPTION:
        said = f"{titled}: {total}. {head.business_name}"
    return OutgoingMessage(to, text or said, document_url, file_name(document))
