"""Each line end becomes a newline in multi-line texts of request bodies and imported documents."""

from collections.abc import Iterator

import pytest
from marshmallow import Schema, ValidationError, fields

from schemas import customers
from schemas.accounts import accounts, setup
from schemas.fields.inputs import Text
from schemas.legacy import values as legacy_values
from schemas.messaging import requests as message_queries
from schemas.sales import bodies
from schemas.shop import settings_body as shop_settings_body
from tests.support.shop import Shop

ENDS = ["\r\n", "\r", "\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"]
MODULES = (accounts, customers, bodies, message_queries, setup, shop_settings_body)


def fields_of_lines() -> Iterator[tuple[str, Text]]:
    for module in MODULES:
        for name, schema in vars(module).items():
            if isinstance(schema, type) and issubclass(schema, Schema):
                for field, each in schema._declared_fields.items():
                    if isinstance(each, Text) and each.lines:
                        yield f"{name}.{field}", each


FIELDS = dict(fields_of_lines())


def test_all_multi_line_fields_are_tested() -> None:
    assert {
        *("EstimateBody.customer_address", "SaleBody.customer_address", "CustomerBody.notes", "CustomerChange.address"),
        *("MessageBody.message", "UploadBody.caption", "DocumentMessageBody.message"),
    } <= FIELDS.keys()
    assert any(name.endswith(".footer") for name in FIELDS)


@pytest.mark.parametrize("name", sorted(FIELDS))
@pytest.mark.parametrize("end", ENDS)
def test_each_line_end_becomes_a_newline(name: str, end: str) -> None:
    assert FIELDS[name].deserialize(f"{end}12 MG Road{end}{end}Pune{end}") == "12 MG Road\n\nPune"


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_line_end_of_two_characters_counts_once(name: str) -> None:
    field = FIELDS[name]
    line = "x" * (field.longest // 2 - 2)
    assert len(field.deserialize(f"{line}\r\n{line}\r\nx")) == 2 * len(line) + 3 <= field.longest
    assert field.deserialize("\r\n".join("x" * (field.longest // 2))).count("\n") == field.longest // 2 - 1
    with pytest.raises(ValidationError, match="at most"):
        field.deserialize("x" * (field.longest + 1))


@pytest.mark.parametrize("control", ["\x00", "\t", "\x08", "\x1b", "\x7f", "\x9f"])
def test_other_control_characters_are_rejected(control: str) -> None:
    with pytest.raises(ValidationError, match="control characters"):
        Text(lines=True).deserialize(f"a{control}b")


@pytest.mark.parametrize("end", ENDS)
def test_a_text_of_one_line_has_no_line_end(end: str) -> None:
    field: fields.Field[str] = Text()
    with pytest.raises(ValidationError, match="control characters"):
        field.deserialize(f"a{end}b")
    assert field.deserialize(f"a{end}") == "a"


async def test_an_address_with_any_line_ends_is_accepted_by_every_body(shop: Shop) -> None:
    typed, stored = "12 MG Road\r\nPune\r411001", "12 MG Road\nPune\n411001"
    sold = await shop.sale(customer_address=typed, customer_phone="9822012345")
    assert (await shop.get(f"/api/orders/{sold['order_id']}"))["customer_address"] == stored
    written = await shop.estimate(customer_address=typed)
    assert (await shop.get(f"/api/estimates/{written['estimate_id']}"))["customer_address"] == stored
    (customer,) = (await shop.get("/api/customers"))["customers"]
    assert customer["address"] == stored
    await shop.ok("POST", "/api/customers/create", json={"name": "Meera", "address": typed, "notes": typed})
    (meera,) = (await shop.get("/api/customers", q="meera"))["customers"]
    assert (meera["address"], meera["notes"]) == (stored, stored)


@pytest.mark.parametrize("end", ENDS)
def test_an_imported_address_keeps_its_lines(end: str) -> None:
    assert legacy_values.text(f"12 MG Road{end}Pune", lines=True) == "12 MG Road\nPune"
