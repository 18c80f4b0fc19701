"""`/api/customers`: customers with their totals and dues."""

from typing import Final

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.actor import actor_of
from endpoints.http.commits import commit, receipt
from endpoints.http.operations import ResponseSpec, create_op, list_op, operation, update_op
from endpoints.http.requests import if_match_versions, incoming, read_json, read_query
from endpoints.http.responses import answer, page_headers
from endpoints.transfer.cached_responses import cached_response
from endpoints.transfer.json_streams import enclosed_list
from endpoints.transfer.response_cache import CacheVersion
from endpoints.transfer.state import TransferRequest
from repositories.customers.commands import AddCustomer, ChangeCustomer, CustomerExists, RemoveCustomer
from schemas.core.collections import CUSTOMERS
from schemas.core.public_ids import new_id
from schemas.customers import (
    CustomerBody,
    CustomerChange,
    CustomerCursor,
    CustomerListing,
    CustomerQuery,
    serialize_customer,
)
from schemas.fields.shapes import ref
from schemas.fields.validation import load_body
from schemas.journal.idempotency import creation_keys, deletion_keys
from schemas.openapi import examples
from schemas.text.phones import normalize_phone

BODY: Final = CustomerBody()
CHANGE: Final = CustomerChange()
QUERY: Final = CustomerQuery()


class CustomerList(HTTPEndpoint):
    @operation(list_op("Customers", "CustomerList", QUERY))
    async def get(self, request: TransferRequest) -> Response:
        customers, zone = request.state.customers, request.state.zone

        async def make(listing: CustomerListing, cache_version: CacheVersion) -> Response:
            if listing.limit is None:
                stream = customers.stream(listing)
                show = lambda customer: serialize_customer(customer, zone)  # noqa: E731
                return await enclosed_list(request, b'{"customers":[', stream, show, b"]}", cache_version.headers)
            page, is_last = await customers.page(listing, listing.limit)
            next_cursor = None if is_last else CustomerCursor.of(page[-1])
            headers = {**cache_version.headers, **page_headers(request, QUERY, next_cursor)}
            return answer({"customers": [serialize_customer(each, zone) for each in page]}, headers=headers)

        return await cached_response(request, lambda: read_query(request, QUERY), make)


class CustomerCreation(HTTPEndpoint):
    @operation(
        create_op(
            "Make a customer",
            "CustomerSaved",
            BODY,
            examples.CUSTOMERS,
            ids=("customer_id",),
            errors=(CustomerExists,),
        )
    )
    async def post(self, request: TransferRequest) -> Response:
        body = await read_json(request)
        draft = load_body(BODY, body)
        command = AddCustomer(
            new_id(CUSTOMERS, request.state.clock()),
            draft,
            normalize_phone(draft["phone"], request.state.region),
            keys=creation_keys(incoming(request, body), draft),
            actor=actor_of(request),
        )
        outcome = await commit(request, command)
        customer = serialize_customer(outcome.answer, request.state.zone)
        return receipt(outcome, "Customer created successfully", customer, "customer_id", status=201)


class Customer(HTTPEndpoint):
    @operation(
        update_op(
            "Change a customer",
            ResponseSpec(content=ref("CustomerSaved"), description="The customer as they are now.", headers=("ETag",)),
            description="Omitted members keep their values. Sales to an earlier phone number still count.",
            body=CHANGE,
            examples=examples.CUSTOMER_CHANGES,
            errors=(CustomerExists,),
        )
    )
    async def put(self, request: TransferRequest) -> Response:
        changes = load_body(CHANGE, await read_json(request, optional=True))
        command = ChangeCustomer(
            request.path_params["customer_id"],
            changes,
            normalize_phone(changes.get("phone", ""), request.state.region),
            versions=if_match_versions(request),
            actor=actor_of(request),
        )
        outcome = await commit(request, command)
        customer = serialize_customer(outcome.answer, request.state.zone)
        tag = {"ETag": f'"{customer["version"]}"'}
        return receipt(outcome, "Customer updated successfully", customer, "customer_id", headers=tag)

    @operation(
        update_op(
            "Take a customer out of the list",
            ResponseSpec(content=ref("Done"), description="Gone from the list, until the next sale to them."),
            is_keyed=True,
        )
    )
    async def delete(self, request: TransferRequest) -> Response:
        command = RemoveCustomer(
            request.path_params["customer_id"],
            versions=if_match_versions(request),
            keys=deletion_keys(incoming(request)),
            actor=actor_of(request),
        )
        return receipt(await commit(request, command), "Customer deleted successfully")
