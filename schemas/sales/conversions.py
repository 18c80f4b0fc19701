"""The payment of a converted estimate: in the body, or in the query, where older versions of the app send it."""

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
    """The payment of a sale in a request.

    :ivar amount: minor units; None for the total.
    :ivar sale_by: the seller; None for any.
    """

    mode: str
    amount: int | None
    sale_by: str | None = None

    def matches(self, sale: Mapping[str, Any]) -> bool:
        """Return whether a recorded sale has this payment."""
        amount = sale["total"] if self.amount is None else self.amount
        is_mode = str(sale["payment_mode"]).casefold() == self.mode.casefold()
        return is_mode and bool(sale["amount_paid"] == amount) and self.sale_by in (None, sale["sale_by"])


class QueryMoney(Money):
    """An amount in a query: the text of a JSON number."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        try:
            return super()._deserialize(orjson.loads(value), attr, data, **kwargs)
        except orjson.JSONDecodeError:
            raise ValidationError("must be a number") from None


class ConvertQuery(Body):
    """The members of `ConvertBody` in the query."""

    amount_paid = QueryMoney(maximum=MAX_TOTAL, round_excess=True)
    payment_mode = Text()
    sale_by = Text()


def resolve_payment(body: Mapping[str, Any], loaded: Mapping[str, Any], query: Mapping[str, Any]) -> Payment:
    """Return the payment of a conversion.

    :param body: as the client sent it.
    :param loaded: the body that `ConvertBody` loaded.
    :param query: the query that `ConvertQuery` loaded.
    :raises InvalidQuery: body and query contradict each other.
    """
    differing = [name for name, value in query.items() if body.get(name) is not None and loaded[name] != value]
    if differing:
        raise InvalidQuery(
            f"{differing[0]}: the address and the body say different things. Please say it once.",
            [{"pointer": f"/{name}", "detail": "must not differ from the body"} for name in differing],
        )
    both = {**loaded, **query}
    return Payment(both["payment_mode"], both.get("amount_paid"), both.get("sale_by"))
