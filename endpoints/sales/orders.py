"""`/api/orders`: sales, and the combined lists of estimates and orders."""

from typing import Any, Final

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.accounts.permissions import OWNERS_STATUSES
from endpoints.http.actor import actor_of
from endpoints.http.commits import commit, receipt
from endpoints.http.errors import Forbidden
from endpoints.http.operations import ResponseSpec, create_op, list_op, operation, read_op, update_op
from endpoints.http.requests import if_match_versions, read_json, read_query, sent
from endpoints.http.responses import answer, document_answer
from endpoints.sales.lists import groups, history
from endpoints.sales.state import SalesRequest
from repositories.database.errors import SumsFull
from repositories.sales.commands import ChangeStatus, CreateDocument
from repositories.sales.void_commands import VoidOrder
from schemas.core.collections import ORDERS
from schemas.core.errors import IllegalTransition, InvalidBody, TotalsMismatch
from schemas.core.principals import OWNER
from schemas.core.public_ids import ORDER_PREFIX, new_id
from schemas.fields.shapes import ref
from schemas.fields.validation import load_body
from schemas.journal.idempotency import SoldOtherwise, creation_keys, deletion_keys
from schemas.openapi.examples import SALES, STATUSES
from schemas.sales.documents import SaleBody, StatusChange, StatusQuery, VoidQuery, draft_sale
from schemas.sales.listing import ListingQuery, OrderListing

BODY: Final = SaleBody()
STATUS: Final = StatusChange()
ASKED: Final = StatusQuery()
VOID: Final = VoidQuery()
LISTING: Final = OrderListing()
BOTH: Final = ListingQuery()


class SaleCreation(HTTPEndpoint):
    @operation(
        create_op(
            "Book a sale",
            "SaleCreated",
            BODY,
            SALES,
            gives=("order_id", "sale_number"),
            refuses=(TotalsMismatch, SoldOtherwise, SumsFull),
        )
    )
    async def post(self, request: SalesRequest) -> Response:
        body = await read_json(request)
        said = sent(request, body)
        sale = draft_sale(load_body(BODY, body))
        command = CreateDocument(
            ORDERS,
            new_id(ORDER_PREFIX, request.state.clock()),
            sale,
            keys=creation_keys(said, sale),
            actor=actor_of(request),
        )
        outcome = await commit(request, command)
        created = request.state.serializers.order_receipt(outcome.answer)
        return receipt(outcome, "Sale created successfully", created, "order_id", "sale_number", status=201)


class TransactionList(HTTPEndpoint):
    @operation(list_op("Estimates and orders in one list", "TransactionList", BOTH))
    async def get(self, request: SalesRequest) -> Response:
        return await history(request, request.state.render_caches.entries, BOTH)


class SeparateLists(HTTPEndpoint):
    @operation(list_op("Estimates and orders, apart", "SeparateLists", BOTH))
    async def get(self, request: SalesRequest) -> Response:
        return await groups(request, request.state.render_caches.of_kind, BOTH, summary=True)


class OrderList(HTTPEndpoint):
    @operation(list_op("Orders", "OrderList", LISTING))
    async def get(self, request: SalesRequest) -> Response:
        return await groups(request, {ORDERS: request.state.render_caches.of_kind[ORDERS]}, LISTING, summary=False)


class OrderByNumber(HTTPEndpoint):
    @operation(read_op("An order by its number", "Order"))
    async def get(self, request: SalesRequest) -> Response:
        order = await request.state.orders.by_number(request.path_params["sale_number"])
        return document_answer(request.state.serializers.order(order))


class Order(HTTPEndpoint):
    @operation(read_op("An order", "Order"))
    async def get(self, request: SalesRequest) -> Response:
        order = await request.state.orders.get(request.path_params["order_id"])
        return document_answer(request.state.serializers.order(order))

    @operation(
        update_op(
            "Void an order, and the estimate that it came from",
            ResponseSpec(content=ref("Done"), description="Gone from every list; the numbers are never used again."),
            description="With `keep_estimate` the estimate is open again instead.",
            query=VOID,
            is_keyed=True,
            refuses=(SumsFull,),
        )
    )
    async def delete(self, request: SalesRequest) -> Response:
        void: dict[str, Any] = read_query(request, VOID)
        keys = deletion_keys(sent(request), void)
        order_id = request.path_params["order_id"]
        # The order's estimate never changes, so it can be read before the transaction.
        order = await request.state.orders.get(order_id, include_voided=bool(keys))
        command = VoidOrder(
            order_id,
            order["estimate_id"],
            void["keep_estimate"],
            void["reason"] or None,
            void["by"] or None,
            versions=if_match_versions(request),
            keys=keys,
            actor=actor_of(request),
        )
        return receipt(await commit(request, command), "Order deleted successfully")


class OrderStatus(HTTPEndpoint):
    @operation(
        update_op(
            "Change the status of an order",
            ResponseSpec(content=ref("StatusChanged"), description="The order has this status."),
            description="The status stands in the query, under either name, or in the body.",
            query=ASKED,
            body=STATUS,
            optional=True,
            examples=STATUSES,
            refuses=(IllegalTransition, SumsFull),
        )
    )
    async def put(self, request: SalesRequest) -> Response:
        wanted = await _wanted_status(request)
        if wanted in OWNERS_STATUSES and request.state.principal.role != OWNER:
            raise Forbidden(f"Only the owner may set the status {wanted}.")
        command = ChangeStatus(
            request.path_params["order_id"], wanted, versions=if_match_versions(request), actor=actor_of(request)
        )
        outcome = await commit(request, command)
        status = outcome.answer["status"]
        return answer({"success": True, "message": f"Order status updated to {status}", "status": status})


async def _wanted_status(request: SalesRequest) -> str:
    """Return the status in the query, or else in the body; both are validated."""
    asked = read_query(request, ASKED)
    said = load_body(STATUS, await read_json(request, optional=True))
    wanted = asked.get("status") or asked.get("new_status") or said.get("status")
    if wanted is None:
        raise InvalidBody("status: is missing.", [{"pointer": "/status", "detail": "is missing"}])
    return str(wanted)
