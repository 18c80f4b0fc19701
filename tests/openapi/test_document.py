"""The OpenAPI document: it is complete, valid, and consistent with the service."""

from typing import Any

import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from app.application import EXPOSED_HEADERS
from app.openapi import http_file
from app.openapi.document import document
from endpoints.routes import ROUTES
from tests.server.test_startup import ROOT
from tests.support.openapi_contract import all_refusals, served_document
from tests.support.shop import Shop

Json = dict[str, Any]


@pytest.fixture(scope="module")
def openapi() -> Json:
    return served_document()


def test_the_document_is_valid_openapi(openapi: Json) -> None:
    assert openapi["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(openapi).iter_errors()] == []


def test_the_document_has_exactly_the_served_routes(openapi: Json) -> None:
    served = {
        (route.path, method)
        for route in ROUTES
        if isinstance(route, Route)
        for method in ("get", "post", "put", "patch", "delete", "options")
        if hasattr(route.endpoint, method)
    }
    assert served == {(path, method) for path, methods in openapi["paths"].items() for method in methods}
    assert len([route for route in ROUTES if isinstance(route, Route)]) == len(openapi["paths"])


def test_the_document_has_every_error_with_status_and_code(openapi: Json) -> None:
    answers = [
        (status, answer)
        for methods in openapi["paths"].values()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
    ]
    answers.append(("405", openapi["components"]["responses"]["method_not_allowed"]))
    named = {(int(status), code) for status, answer in answers for code in _codes(answer)}
    assert named == {(refusal.status, refusal.code) for refusal in all_refusals()}
    for refusal in all_refusals():
        schema_of_error = openapi["components"]["schemas"][f"Problem-{refusal.code}"]
        assert schema_of_error["properties"]["status"] == {"const": refusal.status}
        assert f"| {refusal.status} | `{refusal.code}` |" in openapi["info"]["description"]


def _codes(answer: Json) -> list[str]:
    schema = answer.get("content", {}).get("application/problem+json", {}).get("schema", {})
    return [each["$ref"].partition("Problem-")[2] for each in schema.get("oneOf", [schema]) if each]


def test_the_document_has_all_headers(openapi: Json) -> None:
    assert set(EXPOSED_HEADERS) <= set(openapi["components"]["headers"])
    assert set(openapi["components"]["parameters"]) == {
        "Idempotency-Key",
        "If-Match",
        "If-None-Match",
        "Last-Event-ID",
        "X-Request-ID",
        "X-Store",
    }


def test_limits_come_from_the_fields(openapi: Json) -> None:
    line_body = openapi["components"]["schemas"]["LineBody"]["properties"]
    assert line_body["price"] == {"type": "number", "minimum": 0, "maximum": 10_000_000, "multipleOf": 0.01}
    assert line_body["discount"] == {"type": ["number", "null"], "minimum": 0, "maximum": 100, "default": 0}
    body = openapi["components"]["schemas"]["SaleBody"]
    assert body["properties"]["items"]["maxItems"] == 1_000
    assert body["properties"]["customer_name"]["maxLength"] == 500
    assert set(body["required"]) == {"customer_name", "sale_by", "items", "subtotal", "total"}


async def test_the_document_is_served_with_an_etag(shop: Shop) -> None:
    first = await shop.http.get("/openapi.json")
    assert first.json() == orjson.loads(orjson.dumps(document(ROUTES)))
    again = await shop.http.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (await shop.http.get("/openapi.json", headers={"If-None-Match": '"other"'})).status_code == 200


def test_the_http_file_is_up_to_date(openapi: Json) -> None:
    assert (ROOT / "docs" / "pos.http").read_text() == http_file.render(openapi), "run `make docs`"
