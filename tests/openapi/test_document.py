"""The API's description: complete, valid, and true of what the running service answers."""

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
def described() -> Json:
    return served_document()


def test_it_is_valid_openapi(described: Json) -> None:
    assert described["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(described).iter_errors()] == []


def test_every_route_and_method_is_in_it_and_nothing_else(described: Json) -> None:
    served = {
        (route.path, method)
        for route in ROUTES
        if isinstance(route, Route)
        for method in ("get", "post", "put", "patch", "delete", "options")
        if hasattr(route.endpoint, method)
    }
    assert served == {(path, method) for path, methods in described["paths"].items() for method in methods}
    assert len([route for route in ROUTES if isinstance(route, Route)]) == len(described["paths"])


def test_every_refusal_is_in_it_with_its_status_and_code(described: Json) -> None:
    answers = [
        (status, answer)
        for methods in described["paths"].values()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
    ]
    answers.append(("405", described["components"]["responses"]["method_not_allowed"]))
    named = {(int(status), code) for status, answer in answers for code in _codes(answer)}
    assert named == {(refusal.status, refusal.code) for refusal in all_refusals()}
    for refusal in all_refusals():
        shape = described["components"]["schemas"][f"Problem-{refusal.code}"]
        assert shape["properties"]["status"] == {"const": refusal.status}
        assert f"| {refusal.status} | `{refusal.code}` |" in described["info"]["description"]


def _codes(answer: Json) -> list[str]:
    schema = answer.get("content", {}).get("application/problem+json", {}).get("schema", {})
    return [each["$ref"].partition("Problem-")[2] for each in schema.get("oneOf", [schema]) if each]


def test_what_a_browser_may_read_and_a_client_may_send_is_in_it(described: Json) -> None:
    assert set(EXPOSED_HEADERS) <= set(described["components"]["headers"])
    assert set(described["components"]["parameters"]) == {
        "Idempotency-Key",
        "If-Match",
        "If-None-Match",
        "Last-Event-ID",
        "X-Request-ID",
        "X-Store",
    }


def test_bounds_come_from_the_fields(described: Json) -> None:
    line_body = described["components"]["schemas"]["LineBody"]["properties"]
    assert line_body["price"] == {"type": "number", "minimum": 0, "maximum": 10_000_000, "multipleOf": 0.01}
    assert line_body["discount"] == {"type": ["number", "null"], "minimum": 0, "maximum": 100, "default": 0}
    body = described["components"]["schemas"]["SaleBody"]
    assert body["properties"]["items"]["maxItems"] == 1_000
    assert body["properties"]["customer_name"]["maxLength"] == 500
    assert set(body["required"]) == {"customer_name", "sale_by", "items", "subtotal", "total"}


async def test_it_is_served_with_a_tag(shop: Shop) -> None:
    first = await shop.http.get("/openapi.json")
    assert first.json() == orjson.loads(orjson.dumps(document(ROUTES)))
    again = await shop.http.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (await shop.http.get("/openapi.json", headers={"If-None-Match": '"other"'})).status_code == 200


def test_the_http_file_is_that_of_the_document(described: Json) -> None:
    assert (ROOT / "docs" / "pos.http").read_text() == http_file.render(described), "run `make docs`"
