"""What a message to a customer says, where nobody has written it: pure."""

from schemas.documents import Document
from schemas.errors import InvalidBody
from schemas.figures import amount
from schemas.letters import Letter
from schemas.paper import file_name, written_number
from schemas.phones import normalised
from schemas.shop_head import ShopHead


def dialable(text: str, region: str) -> str:
    """A phone number in E.164.

    :raises InvalidBody: it is none that can be dialled.
    """
    number = normalised(text, region)
    if number is None:
        raise _wrong("phone_number", "must be a phone number that can be dialled")
    return number


def text_letter(body: Document, to: str, base_url: str | None) -> Letter:
    """A letter of a loaded `MessageBody`. base_url: where the documents of this service are.

    :raises InvalidBody: it says nothing; the document is not one of this service.
    """
    text, url = body["message"] or body["caption"], body.get("pdf_url")
    if url is None:
        if not text:
            raise _wrong("message", "must not be empty")
        return Letter(to, text)
    if not url.startswith(f"{base_url}/"):
        raise _wrong("pdf_url", "must be an address of this service")
    return Letter(to, body["caption"] or text, url, url.rpartition("/")[2])


def _wrong(name: str, detail: str) -> InvalidBody:
    return InvalidBody(f"{name}: {detail}.", [{"pointer": f"/{name}", "detail": detail}])


def document_letter(
    document: Document, head: ShopHead, currency: str, *, to: str, text: str | None, document_url: str
) -> Letter:
    """An estimate or an order to whom it is for.

    variables, in this order: the customer's name, the document ("Bill #007"), its total, the shop's name.
    """
    kind = "Bill" if "amount_paid" in document else "Estimate"
    total = amount(document["total"], currency)
    titled = f"{kind} {written_number(document, head)}"
    variables = (document["customer_name"], titled, total, head.business_name)
    said = text or f"{titled} for {document['customer_name']}: {total}. {head.business_name}"
    return Letter(to, said, document_url, file_name(document), variables=variables)
