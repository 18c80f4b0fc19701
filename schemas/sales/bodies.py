"""The request bodies and queries of estimates and orders."""

from schemas.core.limits import MAX_PRICE, MAX_TOTAL
from schemas.fields.amounts import ClientFigure, Money, Percent, Quantity
from schemas.fields.body import Body
from schemas.fields.inputs import LineId, LineItems, OneOf, QueryBoolean, StrictBoolean, Text
from schemas.sales import statuses


class LineBody(Body):
    error_messages = {"type": "must have a name, a price and a quantity"}  # noqa: RUF012  (as marshmallow has it)

    id = LineId()
    name = Text(required=True)
    price = Money(required=True, maximum=MAX_PRICE)
    quantity = Quantity(required=True)
    discount = Percent(load_default=0)


class EstimateBody(Body):
    """The body that creates or replaces an estimate."""

    customer_name = Text(required=True)
    customer_phone = Text(blank=True, load_default="")
    customer_address = Text(blank=True, lines=True, load_default="")
    sale_by = Text(required=True)
    items = LineItems(LineBody, required=True)
    subtotal = ClientFigure(required=True)
    discount_amount = ClientFigure(load_default=0)
    is_percentage_discount = StrictBoolean(load_default=False)
    total = ClientFigure(required=True, maximum=MAX_TOTAL, late_rounding=True)


class SaleBody(EstimateBody):
    """The body that creates a sale: an estimate's, and the payment."""

    amount_paid = ClientFigure(maximum=MAX_TOTAL, late_rounding=True)
    payment_mode = Text(load_default=statuses.CASH)


class ConvertBody(Body):
    """The payment of a converted estimate; every field may be left out."""

    amount_paid = Money(maximum=MAX_TOTAL, round_excess=True)
    payment_mode = Text(load_default=statuses.CASH)
    sale_by = Text()


class StatusChange(Body):
    """The new status of an order; left out where the query has it."""

    status = OneOf(statuses.ORDER_STATUSES)


class StatusQuery(StatusChange):
    """The new status of an order in the query, under either name."""

    new_status = OneOf(statuses.ORDER_STATUSES)


class VoidQuery(Body):
    """Why a document is voided, and by whom."""

    reason = Text(blank=True, load_default="")
    by = Text(blank=True, load_default="")
    keep_estimate = QueryBoolean(load_default=False)
