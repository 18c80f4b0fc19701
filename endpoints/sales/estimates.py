"""`/api/estimates`: estimates, and their conversion to orders."""

from typing import Any, Final

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.actor import actor_of
from endpoints.http.commits import commit, receipt
from endpoints.http.operations import ResponseSpec, create_op, list_op, operation, read_op, update_op
from endpoints.http.requests import if_match_versions, read_json, read_query, sent
from endpoints.http.responses import document_answer
from endpoints.sales.lists import array
from endpoints.sales.state import SalesRequest
from repositories.database.errors import AlreadyConverted, NotFound, SumsFull
from repositories.sales.commands import ConvertEstimate, CreateDocument, ReplaceEstimate
from repositories.sales.void_commands import VoidEstimate
from schemas.core.collections import ESTIMATES
from schemas.core.errors import TotalsMismatch
from schemas.core.public_ids import ESTIMATE_PREFIX, ORDER_PREFIX, new_id
from schemas.fields.shapes import ref
from schemas.fields.validation import load_body
from schemas.journal.idempotency import conversion_keys, creation_keys, deletion_keys
from schemas.openapi import examples
from schemas.sales.conversions import ConvertQuery, resolve_payment
from schemas.sales.documents import ConvertBody, EstimateBody, VoidQuery, draft
from schemas.sales.listing import ConvertedListing, EstimateListing, PendingListing

BODY: Final = EstimateBody()
CONVERSION: Final = ConvertBody()
ASKED: Final = ConvertQuery()
VOID: Final = VoidQuery()
LISTING: Final = EstimateListing()
PENDING: Final = PendingListing()
CONVERTED: Final = ConvertedListing()


class EstimateCreation(HTTPEndpoint):
    @operation(
        create_op(
            "Write an estimate", "EstimateCreated", BODY, examples.ESTIMATES, gives=("estimate_id", "estimate_number")
        )
    )
    async def post(self, request: SalesRequest) -> Response:
        body = await read_json(request)
        said = sent(request, body)
        estimate = draft(load_body(BODY, body))
        command = CreateDocument(
            ESTIMATES,
            new_id(ESTIMATE_PREFIX, request.state.clock()),
            estimate,
            keys=creation_keys(said, estimate),
            actor=actor_of(request),
        )
        outcome = await commit(request, command)
        created = request.state.serializers.estimate_receipt(outcome.answer)
        return receipt(outcome, "Estimate created successfully", created, "estimate_id", "estimate_number", status=201)


class EstimateList(HTTPEndpoint):
    @operation(list_op("Estimates", "EstimateList", LISTING))
    async def get(self, request: SalesRequest) -> Response:
        return await array(request, request.state.estimates, LISTING)


class PendingEstimates(HTTPEndpoint):
    @operation(list_op("Estimates that are no order yet", "EstimateList", PENDING))
    async def get(self, request: SalesRequest) -> Response:
        return await array(request, request.state.estimates, PENDING)


class ConvertedEstimates(HTTPEndpoint):
    @operation(list_op("Estimates that became orders", "EstimateList", CONVERTED))
    async def get(self, request: SalesRequest) -> Response:
        return await array(request, request.state.estimates, CONVERTED)


class EstimateByNumber(HTTPEndpoint):
    @operation(read_op("An estimate by its number", "Estimate"))
    async def get(self, request: SalesRequest) -> Response:
        estimate = await request.state.estimates.by_number(request.path_params["estimate_number"])
        return document_answer(request.state.serializers.estimate(estimate))


class Estimate(HTTPEndpoint):
    @operation(read_op("An estimate", "Estimate"))
    async def get(self, request: SalesRequest) -> Response:
        estimate = await request.state.estimates.get(request.path_params["estimate_id"])
        return document_answer(request.state.serializers.estimate(estimate))

    @operation(
        update_op(
            "Replace the body of an unconverted estimate",
            ResponseSpec(content=ref("Estimate"), description="The estimate as it is now.", headers=("ETag",)),
            body=BODY,
            examples=examples.ESTIMATES,
            refuses=(TotalsMismatch, AlreadyConverted, SumsFull),
        )
    )
    async def put(self, request: SalesRequest) -> Response:
        command = ReplaceEstimate(
            request.path_params["estimate_id"],
            draft(load_body(BODY, await read_json(request))),
            versions=if_match_versions(request),
            actor=actor_of(request),
        )
        outcome = await commit(request, command)
        return document_answer(request.state.serializers.estimate(outcome.answer))

    @operation(
        update_op(
            "Void an estimate",
            ResponseSpec(
                content=ref("Done"), description="It is gone from every list; its number is never used again."
            ),
            query=VOID,
            is_keyed=True,
            refuses=(AlreadyConverted,),
        )
    )
    async def delete(self, request: SalesRequest) -> Response:
        void: dict[str, Any] = read_query(request, VOID)
        command = VoidEstimate(
            request.path_params["estimate_id"],
            void["reason"] or None,
            void["by"] or None,
            versions=if_match_versions(request),
            keys=deletion_keys(sent(request), void),
            actor=actor_of(request),
        )
        return receipt(await commit(request, command), "Estimate deleted successfully")


class EstimateConversion(HTTPEndpoint):
    @operation(
        create_op(
            "Make an estimate an order",
            "EstimateConverted",
            CONVERSION,
            examples.CONVERSIONS,
            gives=("order_id", "sale_number"),
            status=200,
            query=ASKED,
            optional=True,
            refuses=(NotFound, AlreadyConverted, SumsFull),
        )
    )
    async def post(self, request: SalesRequest) -> Response:
        body = await read_json(request, optional=True)
        said = sent(request, body)
        asked = read_query(request, ASKED, skips_blank=True)
        payment = resolve_payment(body, load_body(CONVERSION, body), asked)
        command = ConvertEstimate(
            request.path_params["estimate_id"],
            new_id(ORDER_PREFIX, request.state.clock()),
            payment.mode,
            payment.amount,
            payment.sale_by,
            keys=conversion_keys(said, payment),
            actor=actor_of(request),
        )
        outcome = await commit(request, command)
        created = request.state.serializers.conversion_receipt(outcome.answer)
        return receipt(outcome, "Estimate converted to order successfully", created, "order_id", "sale_number")
