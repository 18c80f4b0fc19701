"""`/api/audit`: the audit log, with actor, time, address and previous values."""

from typing import Final

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.operations import operation, page_op
from endpoints.http.requests import read_query
from endpoints.http.responses import answer, page_headers
from endpoints.transfer.cached_responses import page_turn
from endpoints.transfer.state import TransferRequest
from repositories.database.errors import BeingRestored, Unavailable
from repositories.database.raw_documents import decode_document
from schemas.auditing import AuditCursor, AuditListing, AuditQuery, audit_row

QUERY: Final = AuditQuery()


class AuditLog(HTTPEndpoint):
    @operation(
        page_op(
            "Who did what",
            "AuditPage",
            QUERY,
            "Every change with who made it and what it was before, newest first, page by page; the `hash` "
            "covers the events that were written together, and the hash before: `pos verify` finds altered ones.",
            (Unavailable, BeingRestored),
        )
    )
    async def get(self, request: TransferRequest) -> Response:
        listing: AuditListing = read_query(request, QUERY)
        # Rejects the request during a restore.
        await request.state.event_log.head()
        zone = request.state.zone
        async with page_turn(request):
            events, is_last = await request.state.audit.page(listing)
            page = [audit_row(decode_document(event), zone) for event in events]
        next_cursor = None if is_last else AuditCursor(page[-1]["seq"])
        headers = {"Cache-Control": "no-store", **page_headers(request, QUERY, next_cursor)}
        return answer(page, headers=headers)
