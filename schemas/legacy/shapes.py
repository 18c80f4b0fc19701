"""Variants of the earlier backend's documents: fields with other names, and sales in the collection of estimates."""

from collections.abc import Mapping
from typing import Any, Final

from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.documents import Document
from schemas.legacy import values
from schemas.sales import statuses

#: The names of a field in other versions of the earlier backend and its app.
OtherNames = Mapping[str, tuple[str, ...]]
_OF_BOTH: Final[OtherNames] = {"customer_name": ("customer",), "total": ("amount",)}
OTHER_NAMES: Final[Mapping[str, OtherNames]] = {
    ESTIMATES: _OF_BOTH,
    ORDERS: {**_OF_BOTH, "payment_mode": ("payment_method",), "order_id": ("sale_id",)},
}
OTHER_NAMES_OF_LINES: Final[OtherNames] = {
    "price": ("rate", "unit_price"),
    "quantity": ("qty",),
    "name": ("item_name", "product_name"),
}
_ORDER_STATUSES: Final = {
    **{status.casefold(): status for status in statuses.ORDER_STATUSES},
    "canceled": statuses.CANCELLED,
    "complete": statuses.COMPLETED,
    "done": statuses.COMPLETED,
    "paid": statuses.COMPLETED,
    "in progress": statuses.PROCESSING,
}
_ESTIMATE_STATUSES: Final = frozenset(("", *(status.casefold() for status in statuses.ESTIMATE_STATUSES)))


def with_usual_names(source: Mapping[str, Any], names: OtherNames) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Return a document or a line with the usual names, and the usual name of each other name in it.

    :param names: the other names of each usual name, the best first.
    """
    found: dict[str, str] = {}
    for name, others in names.items():
        other = None if _has(source, name) else next((each for each in others if _has(source, each)), None)
        if other is not None:
            found[other] = name
    return ({**source, **{name: source[other] for other, name in found.items()}}, found) if found else (source, {})


def actual_kind(kind: str, source: Mapping[str, Any]) -> str:
    """Return the kind of a document: a completed sale in the collection of estimates is an order.

    An older version of the earlier backend stored sales there, with a `sale_id` and a `sale_number`. An estimate that
    names its order is not one of them.

    :param kind: of its collection.
    """
    if kind == ORDERS or not (_has(source, "sale_id") or _has(source, "sale_number")):
        return kind
    if values.truth(source.get("is_converted_to_order")) or _has(source, "linked_order_id"):
        return kind
    is_estimate = _has(source, "estimate_id") or _has(source, "estimate_number")
    is_completed = _ORDER_STATUSES.get(_word(source)) == statuses.COMPLETED
    return ESTIMATES if is_estimate and not is_completed else ORDERS


def order_status(source: Mapping[str, Any]) -> str | None:
    """Return the status of an order; None where it is missing or unknown."""
    return _ORDER_STATUSES.get(_word(source))


def status_note(kind: str, source: Mapping[str, Any]) -> Document:
    """Return `{"note": …}` with the status of a document where it is unknown, else nothing."""
    known = _ESTIMATE_STATUSES if kind == ESTIMATES else _ORDER_STATUSES
    status = values.text(source.get("status"))
    return {"note": status} if status is not None and _word(source) not in known else {}


def is_converted(source: Mapping[str, Any]) -> bool:
    """Return whether an estimate is marked as converted to an order."""
    return values.truth(source.get("is_converted_to_order")) or _word(source) == statuses.CONVERTED.casefold()


def _word(source: Mapping[str, Any]) -> str:
    """Return the status as it is compared."""
    status = source.get("status")
    return " ".join(str(status).casefold().split()) if status is not None else ""


def _has(source: Mapping[str, Any], field: str) -> bool:
    return source.get(field) not in (None, "")
