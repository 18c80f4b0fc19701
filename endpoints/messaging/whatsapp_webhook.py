"""`/api/whatsapp/webhook`: delivery updates from WhatsApp, authenticated by their signature."""

from typing import Final

from marshmallow import EXCLUDE, Schema, fields
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse, Response

from endpoints.http.operations import Operation, ResponseSpec, operation
from endpoints.http.requests import MAX_BODY, BodyTooLarge, MalformedBody, json_object, read_body, read_query
from endpoints.http.responses import answer
from endpoints.http.state import ShopRequest
from repositories.database.errors import OutcomeUnknown, Unavailable
from schemas.core.errors import InvalidQuery
from schemas.fields.shapes import ref
from schemas.messaging.whatsapp_webhook import NotFromProvider, status_updates
from services.messaging.provider_settings import CLOUD

#: Meta sends up to 3 MB at a time.
LARGEST: Final = 3 * 1024 * 1024


class VerificationQuery(Schema):
    """The query with which Meta verifies the webhook."""

    class Meta:
        unknown = EXCLUDE

    token = fields.String(data_key="hub.verify_token", load_default="", metadata={"description": "The verify token."})
    challenge = fields.String(data_key="hub.challenge", load_default="", metadata={"description": "What comes back."})


QUERY: Final = VerificationQuery()


class Webhook(HTTPEndpoint):
    @operation(
        Operation(
            summary="Tell WhatsApp that the webhook is this shop's",
            query=QUERY,
            responses={200: ResponseSpec(content={}, description="`hub.challenge`.", media="text/plain")},
            errors=(InvalidQuery, NotFromProvider),
        )
    )
    async def get(self, request: ShopRequest) -> Response:
        query = read_query(request, QUERY)
        keys = request.state.webhook_keys
        keys.check_token(query["token"])
        return PlainTextResponse(query["challenge"])

    @operation(
        Operation(
            summary="Status reports of WhatsApp",
            description="Signed with the app's secret: `X-Hub-Signature-256` over the raw body. Anything "
            "of anything but the states of messages is passed over.",
            responses={200: ResponseSpec(content=ref("NewsTaken"), description="They are kept.")},
            errors=(NotFromProvider, BodyTooLarge, MalformedBody, Unavailable, OutcomeUnknown),
        )
    )
    async def post(self, request: ShopRequest) -> Response:
        keys = request.state.webhook_keys
        signature = ",".join(request.headers.getlist("x-hub-signature-256"))
        keys.check_form(signature)
        raw = await _body(request)
        keys.check_signature(raw, signature)
        updates = status_updates(json_object(raw))
        outbox = request.state.outbox
        for each in updates:
            await outbox.record_status(CLOUD, each.provider_id, each.state, each.at, each.error, each.reference)
        return answer({"success": True, "statuses": len(updates)})


async def _body(request: ShopRequest) -> bytes:
    """Return the body. Few large ones are read concurrently, since the signature is checked only in memory."""
    announced = request.headers.get("content-length", "")
    if announced and len(announced) <= len(str(MAX_BODY)) and int(announced) <= MAX_BODY:
        return await read_body(request)
    async with request.state.large_bodies:
        return await read_body(request, LARGEST)
