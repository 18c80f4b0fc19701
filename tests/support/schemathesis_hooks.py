"""Hooks of Schemathesis, which runs as a process of its own."""

from http import HTTPStatus
from typing import Any

import schemathesis

from schemas.core.limits import MAX_TOTAL
from schemas.shop.gst import STATES

Json = dict[str, Any]

#: Rejections of valid requests, for reasons that JSON Schema cannot express: the state of the books, two members
#: that contradict each other, or a weak secret.
ALLOWED = {
    "account_exists",
    "already_claimed",
    "already_converted",
    "body_too_large",
    "customer_exists",
    "events_gone",
    "forbidden",
    "idempotency_key_reused",
    "illegal_transition",
    "invalid_cursor",
    "last_owner",
    "no_secret_key",
    "no_such_store",
    "not_found",
    "not_from_provider",
    "not_signed_in",
    "route_not_found",
    "stale_version",
    "too_many_requests",
    "totals_mismatch",
    "wrong_setup_token",
}
DISAGREEMENTS = {
    ("invalid_query", "/to", "must not be before the first day"),
    ("invalid_query", "/end_date", "must not be before the first day"),
    *(("invalid_query", f"/{name}", "must not differ from the body") for name in ("amount_paid", "sale_by")),
    ("invalid_query", "/payment_mode", "must not differ from the body"),
    ("invalid_fields", "/password", "is missing"),
    ("invalid_fields", "/password", "must not repeat one piece over and over"),
    ("invalid_fields", "/pin", "must not be one of those that are tried first, as 111111 or 123456"),
    ("invalid_fields", "/status", "is missing"),
    ("invalid_fields", "/amount_paid", "must be 0 or more"),
    *(("invalid_fields", "/state", f"must be {name}, as the GST number says") for name in STATES.values()),
    ("invalid_fields", "/gst_number", "must be a valid GST number"),
    ("invalid_fields", "/logo", "must be in base64"),
    ("invalid_fields", "/phone_number", "must be a phone number that can be dialled"),
    ("invalid_fields", "/message", "must not be empty"),
    ("invalid_fields", "/pdf_url", "must be an address of this service"),
    ("invalid_fields", "/file", "must be a PDF"),
    ("invalid_fields", "/logo", "must be a PNG or a JPEG"),
}


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Any, kwargs: Json) -> None:
    """Make the figures of a valid body add up, and its phone number valid, so that documents are written at all."""
    body = case.body
    if case.meta is None or not case.meta.generation.mode.is_positive or not isinstance(body, dict):
        return
    if body.get("phone_number"):
        body = case.body = {**body, "phone_number": "98220 12345"}
    if "items" in body and "total" in body:
        lines = [each for each in body["items"] if isinstance(each, dict)]
        subtotal = sum(each["price"] * each["quantity"] * (1 - (each.get("discount") or 0) / 100) for each in lines)
        if subtotal <= MAX_TOTAL:
            case.body = {**body, "subtotal": subtotal, "total": subtotal, "discount_amount": 0}


@schemathesis.check
def valid_requests_are_rejected_only_for_known_reasons(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Any
) -> None:
    """Check that a request allowed by the document is not refused for its form."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code < 400:
        return
    if response.headers["content-type"][0].startswith("text/html"):
        # An invalid link is answered with an HTML page.
        assert response.status_code == HTTPStatus.NOT_FOUND
        return
    problem = response.json()
    reasons = {(problem["code"], error["pointer"], error["detail"]) for error in problem.get("errors", [])}
    assert problem["code"] in ALLOWED or (reasons and reasons <= DISAGREEMENTS), problem
