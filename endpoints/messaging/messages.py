"""Messages to customers: requested by users who may sell, listed for owners."""

from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.actor import actor_of
from endpoints.http.multipart import MalformedForm, read_form
from endpoints.http.operations import create_op, operation, page_op
from endpoints.http.requests import read_json, read_query, sent
from endpoints.http.responses import answer, page_headers, replay_headers
from endpoints.http.state import documents_of
from endpoints.transfer.cached_responses import page_turn
from endpoints.transfer.state import TransferRequest
from repositories.database.errors import NotFound, TooManyRequests
from repositories.journal.transaction import Outcome
from repositories.messaging.uploads import Upload
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.fields.validation import load_body
from schemas.journal.idempotency import message_keys
from schemas.messaging.composition import compose_caption, document_message, require_phone, text_message
from schemas.messaging.delivery import OutgoingMessage
from schemas.messaging.messages import NO_ATTACHMENT, Attachment, serialize_message
from schemas.messaging.requests import (
    DocumentMessageBody,
    MessageBody,
    MessageCursor,
    MessageListing,
    MessageQuery,
    UploadBody,
)
from schemas.openapi.examples import DOCUMENT_MESSAGES, MESSAGES
from services.messaging.document_messages import NoPublicAddress, find_attachment, require_public_address
from services.sharing import pdf_url_of

BODY: Final = MessageBody()
UPLOAD: Final = UploadBody()
#: File name of an uploaded PDF on the phone.
FILE_NAME: Final = "estimate.pdf"
DOCUMENT: Final = DocumentMessageBody()
#: The path for the keys of a text: at its other path it is the same message.
TEXT_PATH: Final = "/api/whatsapp/send"
#: The only status that the existing app accepts as success for a message.
TAKEN: Final = 200
QUERY: Final = MessageQuery()

_SENDING: Final = create_op(
    "Send the document to its customer, with a link to it as a PDF",
    "MessageAsked",
    DOCUMENT,
    DOCUMENT_MESSAGES,
    gives=(),
    optional=True,
    refuses=(NotFound, NoPublicAddress, TooManyRequests),
)


class Messages(HTTPEndpoint):
    @operation(
        page_op(
            "Messages to customers, and how each stands",
            "MessageList",
            QUERY,
            "Newest first, page by page. What is `unknown` may have been sent or not, and is not sent again by itself.",
        )
    )
    async def get(self, request: TransferRequest) -> Response:
        listing: MessageListing = read_query(request, QUERY)
        async with page_turn(request):
            page, is_last = await request.state.messages.page(listing)
        last = None if is_last else MessageCursor(page[-1]["_id"])
        headers = {"Cache-Control": "no-store", **page_headers(request, QUERY, last)}
        return answer({"messages": [serialize_message(each, request.state.zone) for each in page]}, headers=headers)


class TextMessage(HTTPEndpoint):
    @operation(
        create_op(
            "Send a text to a phone, with a document of this service or without",
            "MessageAsked",
            BODY,
            MESSAGES,
            gives=(),
            status=200,
            refuses=(NotFound, NoPublicAddress, TooManyRequests),
        )
    )
    async def post(self, request: TransferRequest) -> Response:
        content = await read_json(request)
        said = sent(request, content)._replace(path=TEXT_PATH)
        body: dict[str, Any] = load_body(BODY, content)
        to = require_phone(body["phone_number"], request.state.region)
        letter = text_message(body, to)
        keys = message_keys(said, letter.to, letter.text, letter.document_url)
        await count_message(request)
        enclosed_list = await _enclosed(request, letter)
        outcome = await request.state.messages.send(letter, enclosed_list, keys, actor=actor_of(request))
        return message_response(request, outcome, TAKEN)


class UploadedMessage(HTTPEndpoint):
    @operation(
        replace(
            create_op(
                "Send a PDF of one's own making to a phone",
                "MessageAsked",
                UPLOAD,
                {},
                gives=(),
                status=200,
                refuses=(MalformedForm, NoPublicAddress, TooManyRequests),
            ),
            takes="multipart/form-data",
        )
    )
    async def post(self, request: TransferRequest) -> Response:
        form = await read_form(request)
        body: dict[str, Any] = load_body(UPLOAD, form)
        file = sha256(body["file"]).hexdigest()
        to = require_phone(body["phone_number"], request.state.region)
        text, base_url = compose_caption(body), require_public_address(request.state.document_base_url)
        keys = message_keys(sent(request, {**form, "file": file}), to, text, file)
        await count_message(request)
        uploads, messages = request.state.uploads, request.state.messages
        async with uploads.stored(request.state.store, Upload(FILE_NAME, body["file"])) as kept:
            letter = OutgoingMessage(to, text, pdf_url_of(base_url, kept.token), FILE_NAME)
            outcome: Outcome = await messages.send(letter, Attachment(until=kept.until), keys, actor=actor_of(request))
        if outcome.replayed:
            await uploads.delete(kept.token)
        return message_response(request, outcome, TAKEN)


class EstimateMessage(HTTPEndpoint):
    @operation(_SENDING)
    async def post(self, request: TransferRequest) -> Response:
        return await _send(request, ESTIMATES, request.path_params["estimate_id"])


class OrderMessage(HTTPEndpoint):
    @operation(_SENDING)
    async def post(self, request: TransferRequest) -> Response:
        return await _send(request, ORDERS, request.path_params["order_id"])


async def count_message(request: TransferRequest) -> None:
    """Count a message against the rate limit.

    :raises TooManyRequests: the client has sent too many within a minute.
    """
    # Without sign-in, all clients of a store share a limit.
    await request.state.rate_limits.count_message(request.state.principal.credential or request.state.store)


def message_response(request: TransferRequest, outcome: Outcome, status: int = 201) -> Response:
    """Return the response to a request for a message, and wake the dispatcher of this process."""
    request.state.hub.notify(outcome.events)
    request.state.dispatcher.wake()
    message = outcome.answer
    return answer(
        {
            "success": True,
            "message": f"Message {message['state']}",
            "message_id": message["_id"],
            "state": message["state"],
            "pdf_url": message["document_url"],
        },
        status,
        replay_headers(outcome.replayed),
    )


async def _enclosed(request: TransferRequest, letter: OutgoingMessage) -> Attachment:
    if letter.document_url is None:
        return NO_ATTACHMENT
    state = request.state
    return await find_attachment(
        state.public_links, state.uploads, state.document_base_url, state.store, letter.document_url
    )


async def _send(request: TransferRequest, kind: str, document_id: str) -> Response:
    content = await read_json(request, optional=True)
    said = sent(request, content)
    body: dict[str, Any] = load_body(DOCUMENT, content)
    document = await documents_of(request.state, kind).get(document_id)
    number = body["phone_number"] if "phone_number" in body else document["customer_phone"]
    to = require_phone(number, request.state.region)
    keys = message_keys(said, to, document["version"], body.get("message"), body["days"])
    await count_message(request)
    address = require_public_address(request.state.document_base_url)
    head, currency = await request.state.letterhead(), request.state.currency
    link, token = request.state.links.draft(kind, document_id, days=body["days"], actor=actor_of(request))
    url = pdf_url_of(address, token)
    letter = document_message(document, head, currency, to=to, text=body.get("message"), document_url=url)
    outcome = await request.state.messages.send(letter, keys=keys, link=link, actor=actor_of(request))
    return message_response(request, outcome)
