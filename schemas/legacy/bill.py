"""The conversion of an earlier backend's bill to whole paise, with subtotal - discount + round_off = total.

The total that the customer has on paper stays; `round_off` is its difference from the lines.
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Protocol

from schemas.core import money
from schemas.core.documents import Document
from schemas.core.limits import MAX_INTEGER_ID, MAX_LINE_ID, MAX_PRICE, MAX_QUANTITY
from schemas.legacy import values
from schemas.legacy.shapes import OTHER_NAMES_OF_LINES, with_usual_names
from schemas.sales.documents import LineItem
from schemas.sales.pricing import Line

_MAX_PRICE: Final = MAX_PRICE * money.MINOR_PER_UNIT
_MAX_QUANTITY: Final = MAX_QUANTITY * money.WHOLE_QUANTITY
_PAISA: Final = Decimal("0.01")


class DefectNotes(Protocol):
    """A document and the defects found in it; see `FieldReader` in `schemas.legacy.conversion`."""

    source: Mapping[str, Any]

    def note(self, rule: str, field: str, became: Any) -> None: ...


def convert_bill(finding: DefectNotes) -> Document:
    """Return the lines and sums of a bill."""
    items = _items(finding)
    claimed = values.fixed(finding.source.get("total"), money.MONEY_PLACES, money.MAX_TOTAL)
    subtotal = sum(item["total"] for item in items)
    if not items:
        written = values.fixed(finding.source.get("subtotal"), money.MONEY_PLACES, money.MAX_TOTAL)
        subtotal = max(0, written if written is not None else claimed or 0)
    discount, percentage = _discount(finding, subtotal, claimed)
    if claimed is None or claimed < 0:
        total = max(0, subtotal - discount)
        finding.note("total_unreadable" if claimed is None else "total_negative", "total", _shown(total))
    else:
        total = claimed
        note_rounding(finding, "total", total)
    round_off = total - (subtotal - discount)
    if abs(round_off) >= money.MINOR_PER_UNIT:
        finding.note("totals_do_not_add_up", "total", f"{_shown(total)}; the lines make {_shown(subtotal - discount)}")
    return {
        "items": items,
        "subtotal": subtotal,
        "discount": discount,
        "discount_percentage": percentage,
        "round_off": round_off,
        "total": total,
    }


def _items(finding: DefectNotes) -> list[LineItem]:
    raw = finding.source.get("items")
    if not isinstance(raw, list) or not raw:
        finding.note("items_missing", "items", "no lines")
        return []
    items: list[LineItem] = []
    subtotal, unreadable, mended = 0, 0, 0
    other_names: Counter[str] = Counter()
    rounded: list[str] = []
    for position, written in enumerate(raw, start=1):
        if not isinstance(written, Mapping):
            unreadable += 1
            continue
        line, names = with_usual_names(written, OTHER_NAMES_OF_LINES)
        item, is_mended = _item(line, position, money.MAX_TOTAL - subtotal)
        other_names.update(f"{other} is read as {name}" for other, name in names.items())
        rounded += _rounded(line, item)
        subtotal += item["total"]
        mended += is_mended
        items.append(item)
    if unreadable:
        finding.note("lines_unreadable", "items", f"{unreadable} of {len(raw)} lines left out")
    if mended:
        finding.note("lines_mended", "items", f"{mended} of {len(raw)} lines mended")
    if rounded:
        finding.note("lines_rounded", "items", f"{len(rounded)} rounded, the first: {rounded[0]}")
    for name, count in other_names.items():
        finding.note("other_name", "items", f"{name} in {count} of {len(raw)} lines")
    return items


def _item(line: Mapping[str, Any], position: int, room: int) -> tuple[LineItem, bool]:
    """Return a line, and whether a value of it was replaced.

    :param room: how much the bill's total may still grow.
    """
    raw_id, raw_name = line.get("id"), line.get("name")
    name = values.text(raw_name)
    price = values.fixed(line.get("price"), money.MONEY_PLACES, _MAX_PRICE)
    quantity = values.fixed(line.get("quantity"), money.QUANTITY_PLACES, _MAX_QUANTITY)
    discount = values.fixed(line.get("discount"), money.PERCENT_PLACES, money.HUNDRED_PERCENT)
    has_discount = line.get("discount") is not None
    is_mended = (
        name is None
        or not isinstance(raw_name, str)
        or name != raw_name.strip()
        or price is None
        or price < 0
        or quantity is None
        or quantity <= 0
        or (has_discount and (discount is None or discount < 0))
    )
    price = max(0, price or 0)
    quantity = quantity if quantity is not None and quantity > 0 else money.WHOLE_QUANTITY
    discount = max(0, discount or 0)
    total = Line(price, quantity, discount).total
    if total > room:
        price = total = 0
        is_mended = True
    item: LineItem = {
        "id": _line_id(raw_id, position),
        "name": name or "Item",
        "price": price,
        "quantity": quantity,
        "discount": discount,
        "total": total,
    }
    return item, is_mended


def _line_id(raw: Any, position: int) -> int | str:
    """Return the line's id, as a plain text or integer instead of the driver's types; without an id, its position."""
    raw = values.plain(raw)
    if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) <= MAX_INTEGER_ID:
        return int(raw)
    written = str(raw) if isinstance(raw, str) and len(raw) <= MAX_LINE_ID else ""
    return written if written and values.text(written) == written else position


def _discount(finding: DefectNotes, subtotal: int, claimed: int | None) -> tuple[int, int | None]:
    """Return the discount in minor units, and its percentage: if the document says percentage, and the total does not
    show that it is an amount."""
    raw = finding.source.get("discount_amount")
    amount = values.fixed(raw, money.MONEY_PLACES, money.MAX_MONEY)
    if amount is None or amount < 0:
        if raw is not None:
            finding.note("discount_unreadable", "discount_amount", 0)
        return 0, None
    percentage = values.fixed(raw, money.PERCENT_PLACES, money.HUNDRED_PERCENT)
    if not values.truth(finding.source.get("is_percentage_discount")) or percentage is None:
        note_rounding(finding, "discount_amount", amount)
        return amount, None
    share = money.divide_half_up(subtotal * percentage, money.HUNDRED_PERCENT)
    if claimed is not None and abs(claimed - (subtotal - amount)) < abs(claimed - (subtotal - share)):
        note_rounding(finding, "discount_amount", amount)
        return amount, None
    return share, percentage


def note_rounding(finding: DefectNotes, field: str, minor: int) -> None:
    """Note an amount that is not a whole number of paise: such floats are common, and the totals change slightly."""
    if _is_rounded(finding.source.get(field), minor, money.MONEY_PLACES):
        finding.note(f"{field}_rounded" if field == "total" else "amount_rounded", field, _shown(minor))


def _rounded(line: Mapping[str, Any], item: Mapping[str, Any]) -> list[str]:
    """Return a description of each value of a line that was rounded."""
    places = {"price": money.MONEY_PLACES, "quantity": money.QUANTITY_PLACES, "discount": money.PERCENT_PLACES}
    return [
        f"{name} {values.shown(line[name])} is {Decimal(item[name]).scaleb(-each).normalize():f}"
        for name, each in places.items()
        if name in line and item[name] and _is_rounded(line[name], item[name], each)
    ]


def _is_rounded(raw: Any, units: int, places: int) -> bool:
    """Return whether a number had more decimals than are stored, apart from the noise of floats."""
    written, unit = values.number(raw), Decimal(1).scaleb(-places)
    return written is not None and abs(written - units * unit) > unit / 100


def _shown(minor: int) -> str:
    return f"{Decimal(minor) * _PAISA:.2f}"
