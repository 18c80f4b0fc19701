"""Messages to customers: requested by users who may sell, listed for owners."""

from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.actor import actor_of
from endpoints.http.multipart import MalformedForm, read_form
from endpoints.http.operations import create_op, operation, page_op
from endpoints.http.requests import incoming, read_json, read_query
from endpoints.http.responses import answer, page_headers, replay_headers
from endpoints.http.state import document_in_path, documents_of
from endpoints.transfer.cached_responses import page_turn
from endpoints.transfer.state import TransferRequest
from repositories.database.errors import NotFound, TooManyRequests
from repositories.journal.transaction import Outcome
from repositories.messaging.uploads import Upload
from schemas.fields.validation import load_body
from schemas.journal.idempotency import message_keys
from schemas.messaging.composition import compose_caption, document_message, require_phone, text_message
from schemas.messaging.delivery import OutgoingMessage
from schemas.messaging.documents import Attachment
from schemas.messaging.messages import NO_ATTACHMENT, serialize_message
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
ACCEPTED: Final = 200
QUERY: Final = MessageQuery()


class Messages(HTTPEndpoint):
    @operation(
        page_op(
            "List messages to customers with their states",
            "MessageList",
            QUERY,
            "Newest first, in pages. An `unknown` message may have been sent, and is not retried automatically.",
        )
    )
    async def get(self, request: TransferRequest) -> Response:
        listing: MessageListing = read_query(request, QUERY)
        async with page_turn(request):
            page, is_last = await request.state.messages.page(listing)
        next_cursor = None if is_last else MessageCursor(page[-1]["_id"])
        headers = {"Cache-Control": "no-store", **page_headers(request, QUERY, next_cursor)}
        return answer({"messages": [serialize_message(each, request.state.zone) for each in page]}, headers=headers)


class TextMessage(HTTPEndpoint):
    @operation(
        create_op(
            "Send a text to a phone, with a document of this service or without",
            "MessageAsked",
            BODY,
            MESSAGES,
            ids=(),
            status=200,
            errors=(NotFound, NoPublicAddress, TooManyRequests),
        )
    )
    async def post(self, request: TransferRequest) -> Response:
        content = await read_json(request)
        origin = incoming(request, content)._replace(path=TEXT_PATH)
        body: dict[str, Any] = load_body(BODY, content)
        to = require_phone(body["phone_number"], request.state.region)
        message = text_message(body, to)
        keys = message_keys(origin, message.to, message.text, message.document_url)
        await count_message(request)
        attachment = await _find_attachment(request, message)
        outcome = await request.state.messages.send(message, attachment, keys, actor=actor_of(request))
        return message_response(request, outcome, ACCEPTED)


class UploadedMessage(HTTPEndpoint):
    @operation(
        replace(
            create_op(
                "Send an uploaded PDF to a phone",
                "MessageAsked",
                UPLOAD,
                {},
                ids=(),
                status=200,
                errors=(MalformedForm, NoPublicAddress, TooManyRequests),
            ),
            media="multipart/form-data",
        )
    )
    async def post(self, request: TransferRequest) -> Response:
        form = await read_form(request)
        body: dict[str, Any] = load_body(UPLOAD, form)
        file = sha256(body["file"]).hexdigest()
        to = require_phone(body["phone_number"], request.state.region)
        text, base_url = compose_caption(body), require_public_address(request.state.document_base_url)
        keys = message_keys(incoming(request, {**form, "file": file}), to, text, file)
        await count_message(request)
        uploads, messages = request.state.uploads, request.state.messages
        async with uploads.stored(request.state.store, Upload(FILE_NAME, body["file"])) as kept:
            message = OutgoingMessage(to, text, pdf_url_of(base_url, kept.token), FILE_NAME)
            attachment: Attachment = {**NO_ATTACHMENT, "until": kept.until}
            outcome: Outcome = await messages.send(message, attachment, keys, actor=actor_of(request))
        if outcome.replayed:
            await uploads.delete(kept.token)
        return message_response(request, outcome, ACCEPTED)


class DocumentMessage(HTTPEndpoint):
    @operation(
        create_op(
            "Send the document to its customer, with a link to it as a PDF",
            "MessageAsked",
            DOCUMENT,
            DOCUMENT_MESSAGES,
            ids=(),
            optional=True,
            errors=(NotFound, NoPublicAddress, TooManyRequests),
        )
    )
    async def post(self, request: TransferRequest) -> Response:
        content = await read_json(request, optional=True)
        body: dict[str, Any] = load_body(DOCUMENT, content)
        kind, document_id = document_in_path(request)
        document = await documents_of(request.state, kind).get(document_id)
        number = body["phone_number"] if "phone_number" in body else document["customer_phone"]
        to = require_phone(number, request.state.region)
        keys = message_keys(incoming(request, content), to, document["version"], body.get("message"), body["days"])
        await count_message(request)
        address = require_public_address(request.state.document_base_url)
        head, currency = await request.state.letterhead(), request.state.currency
        link, token = request.state.links.draft(kind, document_id, days=body["days"], actor=actor_of(request))
        url = pdf_url_of(address, token)
        letter = document_message(document, head, currency, to=to, text=body.get("message"), document_url=url)
        outcome = await request.state.messages.send(letter, keys=keys, link=link, actor=actor_of(request))
        return message_response(request, outcome)


async def count_message(request: TransferRequest) -> None:
    """Count a message against the rate limit; raise TooManyRequests beyond it."""
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


async def _find_attachment(request: TransferRequest, message: OutgoingMessage) -> Attachment:
    if message.document_url is None:
        return NO_ATTACHMENT
    state = request.state
    return await find_attachment(
        state.public_links, state.uploads, state.document_base_url, state.store, message.document_url
    )
