"""How a converted estimate was paid: in the body, or in the query, where older forms of the app say it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from marshmallow import ValidationError

from schemas.core.errors import InvalidQuery
from schemas.core.limits import MAX_TOTAL
from schemas.fields.amounts import Money
from schemas.fields.body import Body
from schemas.fields.inputs import Text


class Payment(NamedTuple):
    """How a request says that a sale was paid. amount: minor units, None for the total. sale_by: None for any."""

    mode: str
    amount: int | None
    sale_by: str | None = None

    def is_of(self, sale: Mapping[str, Any]) -> bool:
        """Return whether a sale, as it was answered, was paid so."""
        amount = sale["total"] if self.amount is None else self.amount
        is_mode = str(sale["payment_mode"]).casefold() == self.mode.casefold()
        return is_mode and bool(sale["amount_paid"] == amount) and self.sale_by in (None, sale["sale_by"])


class QueryMoney(Money):
    """An amount in a query: a JSON number, as text."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        try:
            return super()._deserialize(orjson.loads(value), attr, data, **kwargs)
        except orjson.JSONDecodeError:
            raise ValidationError("must be a number") from None


class ConvertQuery(Body):
    """What `ConvertBody` has, in the query. What is blank there is as left out."""

    amount_paid = QueryMoney(maximum=MAX_TOTAL, round_excess=True)
    payment_mode = Text()
    sale_by = Text()


def resolve_payment(body: Mapping[str, Any], loaded: Mapping[str, Any], asked: Mapping[str, Any]) -> Payment:
    """Return how an estimate that is converted was paid.

    :param body: as it came; loaded: as `ConvertBody` loads it; asked: as `ConvertQuery` loads the query.
    :raises InvalidQuery: body and query say different things.
    """
    differing = [name for name, value in asked.items() if body.get(name) is not None and loaded[name] != value]
    if differing:
        raise InvalidQuery(
            f"{differing[0]}: the address and the body say different things. Please say it once.",
            [{"pointer": f"/{name}", "detail": "must not differ from the body"} for name in differing],
        )
    said = {**loaded, **asked}
    return Payment(said["payment_mode"], said.get("amount_paid"), said.get("sale_by"))
