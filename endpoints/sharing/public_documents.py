"""`/d/{token}`: the public page and PDF of a document, for customers with a link."""

from typing import Final

from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.actor import address_of
from endpoints.http.operations import Operation, ResponseSpec, operation
from endpoints.http.state import ShopRequest, documents_of
from endpoints.printing import pdf_file_response, pdf_op, pdf_response
from endpoints.sharing.public_page import NOTHING_HERE, POLICY, page
from repositories.accounts.rate_limits import LINK
from repositories.database.errors import NoSuchStore, NotFound, TooManyRequests, Unavailable
from schemas.sales.documents import SalesDocument
from schemas.sharing import Link

_HTML: Final = "text/html; charset=utf-8"
_HIDDEN: Final = {"X-Robots-Tag": "noindex, nofollow, noarchive"}
_HEADERS: Final = {**_HIDDEN, "Content-Security-Policy": POLICY, "Cache-Control": "private, no-store"}
_NO_LINK: Final = ResponseSpec(content={}, description="No link, or none any more.", media="*/*")


class PublicPage(HTTPEndpoint):
    @operation(
        Operation(
            summary="The public page of a document",
            responses={
                200: ResponseSpec(content={}, description="A page that offers the PDF.", media="text/html"),
                404: _NO_LINK,
            },
            errors=(TooManyRequests, Unavailable),
        )
    )
    async def get(self, request: ShopRequest) -> Response:
        found = await _find(request)
        if found is None:
            return _nothing()
        link, document = found
        with request.state.stores.in_use(link["store"]):
            head = await request.state.letterhead()
        content = page(request.state.pdf_renderer.build_sheet(document, head), f"{request.path_params['token']}.pdf")
        return Response(content, 200, _HEADERS, _HTML, _counted(request, link))


class PublicPdf(HTTPEndpoint):
    @operation(pdf_op("That document as PDF", errors=(TooManyRequests,), responses={404: _NO_LINK}))
    async def get(self, request: ShopRequest) -> Response:
        found = await _find(request)
        if found is None:
            upload = await request.state.uploads.find(request.path_params["token"])
            return _nothing() if upload is None else pdf_file_response(upload.content, upload.name, _HIDDEN)
        link, document = found
        with request.state.stores.in_use(link["store"]):
            return await pdf_response(request, document, headers=_HIDDEN, background=_counted(request, link))


async def _find(request: ShopRequest) -> tuple[Link, SalesDocument] | None:
    """Return the link of a request and its document, and switch `request.state` to its store; None if there is none.

    :raises TooManyRequests: the address has requested too many links.
    """
    await request.state.rate_limits.count(LINK, address_of(request))
    link = await request.state.public_links.find(request.path_params["token"])
    if link is None:
        return None
    try:
        request.scope["state"].update(await request.state.stores.state(link["store"]))
        with request.state.stores.in_use(link["store"]):
            return link, await documents_of(request.state, link["kind"]).get(link["document_id"])
    except (NotFound, NoSuchStore):
        return None


def _counted(request: ShopRequest, link: Link) -> BackgroundTask | None:
    """Count the view after the response. HEAD requests, as link previews send them, do not count."""
    return None if request.method == "HEAD" else BackgroundTask(request.state.public_links.count, link)


def _nothing() -> Response:
    """Return the same response for an unknown, expired or revoked link, and for a voided document."""
    return Response(NOTHING_HERE, 404, _HEADERS, _HTML)
