"""Each wrong value of a field gets one of our sentences, not marshmallow's."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from marshmallow import Schema

from app.openapi.document import operations
from endpoints.routes import ROUTES
from schemas.core.errors import InvalidBody, ShopError
from schemas.fields.validation import load_body, load_query
from tests.support.payloads import line, sale_body
from tests.support.shop import Shop

STRANGE: tuple[Any, ...] = (
    *(None, True, -1, 1.5, 1e400, "", "x", "x" * 600, "a\x00", [], [None], [[]], ["x"], [1], {}, [{}]),
    *({"a": 1}, [{"name": None}], [line(), None]),
)
WRITTEN = ("", "x", "-1", "1e9", "x" * 600, "\x00", "0000-00-00")
DETAIL = re.compile(r"is missing|must [^.]*[^. ]")
SENTENCE = re.compile(rf"(?:Line \d+(?:, \w+)?|[\w.]+): (?:{DETAIL.pattern})\.")


def bodies(schema: Schema) -> Iterator[dict[str, Any]]:
    """Yield a valid body with one strange value, for each field of the body and of a line."""
    for value in STRANGE:
        for name in schema.load_fields:
            yield {**sale_body(), "status": "Pending", name: value}
        for name in line():
            yield {**sale_body(), "items": [{**line(), name: value}]}


OPERATIONS = {f"{method} {route.path}": operation for route, method, operation in operations(ROUTES)}


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.body is not None])
def test_every_field_of_a_body_is_refused_in_a_sentence(name: str) -> None:
    schema = OPERATIONS[name].body
    assert schema is not None
    assert sum(judge(load_body, schema, body) for body in bodies(schema)) > len(STRANGE) / 2


@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.query is not None])
def test_every_parameter_is_refused_in_a_sentence(name: str) -> None:
    schema = OPERATIONS[name].query
    assert schema is not None
    names = [field.data_key or name for name, field in schema.load_fields.items()]
    refused = [judge(load_query, schema, {name: value}) for value in WRITTEN for name in names]
    assert len(refused) == len(WRITTEN) * len(names)


def judge(load: Any, schema: Schema, given: dict[str, Any]) -> bool:
    """Return whether the response is a refusal, with sentences of ours."""
    refusal = refused(load, schema, given)
    if isinstance(refusal, InvalidBody):
        assert SENTENCE.fullmatch(refusal.detail), refusal.detail
        for error in refusal.members["errors"]:
            assert DETAIL.fullmatch(error["detail"]), error
    elif refusal is not None:
        assert re.fullmatch(r"[A-Z][^.]*\.", refusal.detail)
    return refusal is not None


def refused(load: Any, schema: Schema, given: dict[str, Any]) -> ShopError | None:
    try:
        load(schema, given)
    except ShopError as refusal:
        return refusal
    return None


@pytest.mark.parametrize("items", [[None], ["x"], [[]], [7]])
async def test_an_invalid_line_is_named_in_the_response(shop: Shop, items: Any) -> None:
    response = await shop.http.post("/api/orders/create-sale", json={**sale_body(), "items": items})
    assert (response.status_code, response.json()["detail"]) == (
        422,
        "Line 1: must have a name, a price and a quantity.",
    )
    assert response.json()["errors"] == [{"pointer": "/items/0", "detail": "must have a name, a price and a quantity"}]
