"""`FastSchema` loads, rejects and dumps exactly as marshmallow does."""

from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from schemas.sales.bodies import ConvertBody, EstimateBody, SaleBody
from schemas.sales.documents import draft_sale
from schemas.sales.serializers import OrderReceipt, OrderSchema
from tests.support.payloads import line, sale_body

KOLKATA = ZoneInfo("Asia/Kolkata")
values = st.one_of(
    *(st.none(), st.booleans(), st.integers(-5, 10**8), st.floats(allow_nan=True), st.text(max_size=5)),
    *(st.just("\u200b"), st.just(" Asha\n"), st.just([]), st.just([line()]), st.just([line(), "x"]), st.just({})),
)
names = st.sampled_from([*sale_body(), "amount_paid", "payment_mode", "unknown"])


def outcome(load: Any, body: Any) -> Any:
    try:
        return load(body)
    except ValidationError as error:
        return error.messages


@given(
    st.dictionaries(names, values, max_size=4), st.lists(names, max_size=2), st.dictionaries(names, values, max_size=2)
)
def test_it_loads_and_rejects_as_marshmallow_does(
    changed: dict[str, Any], removed: list[str], in_line: dict[str, Any]
) -> None:
    body = {**sale_body([{**line(), **in_line}]), **changed}
    for name in removed:
        body.pop(name, None)
    for schema in (SaleBody(), EstimateBody(), ConvertBody()):
        assert repr(outcome(schema.load, body)) == repr(outcome(lambda body, own=schema: Schema.load(own, body), body))


def test_it_dumps_as_marshmallow_does() -> None:
    draft = draft_sale(SaleBody().load(sale_body([line(19.99, 1.5, 12.5)], discount=10.0)))
    document = {**draft, "_id": "ORDER-1", "number": 7, "created_at": None, "updated_at": None, "version": 1}
    document |= {"status": "Completed", "estimate_id": None, "estimate_number": None}
    for schema in (OrderSchema(KOLKATA), OrderReceipt(KOLKATA)):
        assert schema.dump(document) == Schema.dump(schema, document)
        assert list(schema.dump(document)) == list(Schema.dump(schema, document))
