"""PDFs of documents: `/api/estimates/{estimate_id}/pdf` and `/api/orders/{order_id}/pdf`."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.operations import ErrorTypes, Operation, ResponseSpec, operation
from endpoints.http.requests import matches_etag, read_query
from endpoints.http.state import ShopRequest, document_in_path, documents_of
from endpoints.transfer.concurrency_limits import owner_of
from repositories.database.deadlines import paused
from repositories.database.errors import NotFound, Unavailable
from schemas.core.errors import InvalidQuery
from schemas.printing.sheet import file_name
from schemas.sales.documents import SalesDocument
from schemas.sharing import PaperQuery
from services.printing.worker_pool import PdfUnavailable

PDF: Final = "application/pdf"
QUERY: Final = PaperQuery()
#: A browser may cache it, but must revalidate it.
_REVALIDATED: Final = {"Cache-Control": "private, no-cache"}
# The PDF viewers of browsers are pages of their own.
_POLICY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
    ),
}


def pdf_op(
    summary: str, *, errors: ErrorTypes = (NotFound,), responses: Mapping[int, ResponseSpec] = MappingProxyType({})
) -> Operation:
    headers = ("ETag",)
    return Operation(
        summary=summary,
        description="The same document with the same paper size gives the same bytes.",
        query=QUERY,
        headers=("If-None-Match",),
        responses={
            200: ResponseSpec(content={}, description="The PDF.", headers=(*headers, "Content-Disposition"), media=PDF),
            304: ResponseSpec(content=None, description="Nothing has changed.", headers=headers),
            **responses,
        },
        errors=(*errors, InvalidQuery, PdfUnavailable, Unavailable),
    )


class DocumentPdf(HTTPEndpoint):
    @operation(pdf_op("The document as PDF"))
    async def get(self, request: ShopRequest) -> Response:
        kind, document_id = document_in_path(request)
        return await pdf_response(request, await documents_of(request.state, kind).get(document_id))


async def pdf_response(request: ShopRequest, document: SalesDocument, **options: Any) -> Response:
    """Return the PDF of a document, or 304 without rendering if the client has it already.

    :raises InvalidQuery: the paper size is unknown.
    :raises PdfUnavailable: see `PdfRenderer.render`.
    """
    wanted = read_query(request, QUERY).get("paper")
    job = request.state.pdf_renderer.job(document, await request.state.letterhead(), wanted)
    headers = {"ETag": f'"{request.state.pdf_renderer.digest(job)}"', **_REVALIDATED, **_POLICY}
    headers |= options.pop("headers", {})
    if matches_etag(request, headers["ETag"]):
        return Response(status_code=304, headers=headers, **options)
    # Rendering has its own timeout.
    with paused():
        content = await request.state.pdf_renderer.render(job, owner_of(request.scope))
    return pdf_file_response(content, file_name(document), headers, **options)


def pdf_file_response(content: bytes, name: str, headers: Mapping[str, str], **options: Any) -> Response:
    """Return a response with a PDF. The file name is plain ASCII."""
    all_headers = {**_POLICY, **headers, "Content-Disposition": f'inline; filename="{name}"'}
    return Response(content, headers=all_headers, media_type=PDF, **options)
