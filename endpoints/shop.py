"""`/api/settings`: the settings of the shop, as one flat object."""

from base64 import b64decode
from typing import Final

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.actor import actor_of
from endpoints.http.operations import Operation, ResponseSpec, operation, update_op
from endpoints.http.requests import if_match_versions, read_json, read_query
from endpoints.http.responses import document_answer
from endpoints.http.state import ShopRequest
from repositories.database.errors import Unavailable
from schemas.core.errors import InvalidQuery
from schemas.fields.shapes import ref
from schemas.fields.validation import load_body
from schemas.openapi.examples import SETTINGS
from schemas.shop.settings_body import ShopSettingsBody, ShopSettingsQuery
from services.printing.worker_pool import PdfUnavailable

BODY: Final = ShopSettingsBody()
QUERY: Final = ShopSettingsQuery()
_SHOWN: Final = ResponseSpec(
    content=ref("ShopSettings"), description="The settings as they are now.", headers=("ETag",)
)


class Settings(HTTPEndpoint):
    @operation(
        Operation(
            summary="The settings of the shop",
            description="Each member is always there. Until the shop sets them, texts are empty, but for a name and "
            "`api_url`, which is the public address; and notifications, backup, dark mode and sounds are on, as in the "
            "app. The logo comes with `logo=true` only.",
            query=QUERY,
            responses={200: _SHOWN},
            errors=(InvalidQuery, Unavailable),
        )
    )
    async def get(self, request: ShopRequest) -> Response:
        asked = read_query(request, QUERY)
        settings = await request.state.shop_settings.current()
        return document_answer(settings.shown(with_logo=asked["logo"]))

    @operation(
        update_op(
            "Change settings",
            _SHOWN,
            description="Omitted members keep their values.",
            body=BODY,
            examples=SETTINGS,
            errors=(PdfUnavailable,),
        )
    )
    async def put(self, request: ShopRequest) -> Response:
        changes = load_body(BODY, await read_json(request))
        if changes.get("logo"):
            await request.state.pdf_renderer.check_logo(b64decode(changes["logo"]))
        outcome = await request.state.shop_settings.change(changes, if_match_versions(request), actor=actor_of(request))
        request.state.hub.notify(outcome.events)
        settings = await request.state.shop_settings.current()
        return document_answer(settings.shown())
