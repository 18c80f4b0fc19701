"""Public links: created and revoked by users who may sell."""

from typing import Any, Final

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.actor import actor_of
from endpoints.http.commits import commit, receipt
from endpoints.http.operations import Operation, ResponseSpec, operation, update_op
from endpoints.http.requests import BodyTooLarge, MalformedBody, incoming, read_json
from endpoints.http.responses import answer
from endpoints.http.state import ShopRequest, document_in_path, documents_of
from repositories.database.errors import NotFound, OutcomeUnknown, Unavailable
from repositories.sharing.commands import EndLink
from schemas.core.calendar import shop_time
from schemas.core.errors import InvalidBody
from schemas.fields.shapes import ref
from schemas.fields.validation import load_body
from schemas.journal.idempotency import deletion_keys
from schemas.sharing import LinkBody, serialize_link
from services.sharing import pdf_url_of

BODY: Final = LinkBody()
_EXAMPLES: Final = {"For a week": {"days": 7}, "For 30 days": {}}


class DocumentLinks(HTTPEndpoint):
    @operation(
        Operation(
            summary="Create a public link to the document",
            description="The URL is only returned once. The link expires after `days`, or when it is revoked.",
            body=BODY,
            optional=True,
            examples=_EXAMPLES,
            responses={201: ResponseSpec(content=ref("PublicLink"), description="The link.")},
            errors=(MalformedBody, BodyTooLarge, InvalidBody, NotFound, OutcomeUnknown, Unavailable),
        )
    )
    async def post(self, request: ShopRequest) -> Response:
        body: dict[str, Any] = load_body(BODY, await read_json(request, optional=True))
        kind, document_id = document_in_path(request)
        link, token = request.state.links.draft(kind, document_id, days=body["days"], actor=actor_of(request))
        await commit(request, link)
        base_url, until = request.state.public_base_url, shop_time(link.expires_at, request.state.zone)
        urls = {"url": f"{base_url}/d/{token}", "pdf_url": pdf_url_of(base_url, token)}
        return answer({"id": link.link_id, **urls, "expires_at": until}, 201)

    @operation(
        Operation(
            summary="The links to the document, including expired ones",
            responses={200: ResponseSpec(content=ref("LinkList"), description="The newest first.")},
            errors=(NotFound, Unavailable),
        )
    )
    async def get(self, request: ShopRequest) -> Response:
        kind, document_id = document_in_path(request)
        await documents_of(request.state, kind).get(document_id)
        links = await request.state.links.list_for_document(kind, document_id)
        now, zone = request.state.clock(), request.state.zone
        return answer({"links": [serialize_link(link, now, zone) for link in links]})


class Link(HTTPEndpoint):
    @operation(
        update_op(
            "Revoke a link", ResponseSpec(content=ref("Done"), description="It leads nowhere any more."), is_keyed=True
        )
    )
    async def delete(self, request: ShopRequest) -> Response:
        command = EndLink(
            request.path_params["link_id"], keys=deletion_keys(incoming(request)), actor=actor_of(request)
        )
        return receipt(await commit(request, command), "Link revoked successfully")
