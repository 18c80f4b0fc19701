"""`/api/orders`: sales, and the lists of estimates and orders together."""

from typing import Any, Final

from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from endpoints.lists import groups, history, listing_of
from endpoints.requests import held_versions, read_json
from endpoints.responses import answer, document_answer, replay_headers
from repositories.transaction import Outcome
from schemas.documents import SaleBody, StatusChange, VoidQuery, draft_sale
from schemas.idempotency import keys_of_creation
from schemas.rollups import ORDERS
from schemas.validation import load_body, load_query

BODY: Final = SaleBody()
STATUS: Final = StatusChange()
VOID: Final = VoidQuery()


class SaleCreation(HTTPEndpoint):
    async def post(self, request: Request) -> Response:
        body = await read_json(request)
        keys = keys_of_creation(request.headers.get("idempotency-key"), request.scope["path"], body)
        outcome: Outcome = await request.state.orders.create_sale(draft_sale(load_body(BODY, body)), keys)
        request.state.hub.notify(outcome.events)
        receipt = request.state.views.order_receipt(outcome.answer)
        return answer(
            {
                "success": True,
                "message": "Sale created successfully",
                "data": receipt,
                "order_id": receipt["order_id"],
                "sale_number": receipt["sale_number"],
            },
            201,
            replay_headers(outcome.replayed),
        )


class TransactionList(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return await history(request, request.state.views.history_entry, listing_of(request))


class SeparateLists(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return await groups(request, request.state.views.of_kind, listing_of(request), summary=True)


class OrderList(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return await groups(request, {ORDERS: request.state.views.order}, listing_of(request), summary=False)


class OrderByNumber(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        order = await request.state.orders.by_number(request.path_params["sale_number"])
        return document_answer(request.state.views.order(order))


class Order(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        order = await request.state.orders.get(request.path_params["order_id"])
        return document_answer(request.state.views.order(order))

    async def delete(self, request: Request) -> Response:
        void: dict[str, Any] = load_query(VOID, request.query_params)
        outcome: Outcome = await request.state.orders.void(
            request.path_params["order_id"],
            keep_estimate=void["keep_estimate"],
            reason=void["reason"],
            who=void["by"],
            versions=held_versions(request),
        )
        request.state.hub.notify(outcome.events)
        return answer({"success": True, "message": "Order deleted successfully"})


class OrderStatus(HTTPEndpoint):
    async def put(self, request: Request) -> Response:
        outcome: Outcome = await request.state.orders.change_status(
            request.path_params["order_id"], await _wanted_status(request), held_versions(request)
        )
        request.state.hub.notify(outcome.events)
        status = outcome.answer["status"]
        return answer({"success": True, "message": f"Order status updated to {status}", "status": status})


async def _wanted_status(request: Request) -> str:
    query = request.query_params
    asked = query.get("status", query.get("new_status"))
    if asked is not None:
        return str(load_query(STATUS, {"status": asked})["status"])
    return str(load_body(STATUS, await read_json(request, optional=True))["status"])
