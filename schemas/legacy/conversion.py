"""The conversion of one document of the earlier backend, with a note of each defect. Pure; never raises.

Conflicts between documents (repeated numbers and ids, links) are resolved later, in
`repositories/legacy/reconciliation.py`. docs/importing.md describes each rule.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from schemas.core.calendar import business_date
from schemas.core.collections import ESTIMATES
from schemas.core.document_numbers import parse_number
from schemas.core.documents import Document
from schemas.core.money import MAX_TOTAL, MONEY_PLACES
from schemas.legacy import values
from schemas.legacy.bill import convert_bill, note_rounding
from schemas.legacy.shapes import OTHER_NAMES, is_converted, order_status, status_note, with_usual_names
from schemas.legacy.times import document_times
from schemas.sales import statuses
from schemas.text.search_terms import search_terms

#: Numbers from here on are timestamps, which the earlier backend used where counting failed.
FIRST_STAMP: Final = 10_000_000
UNKNOWN: Final = "Unknown"

_URL_SAFE: Final = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,63}", re.ASCII)
#: Path segments of our URLs, which cannot be ids.
_TAKEN: Final = frozenset(("all", "pending", "converted", "number", "create", "create-sale", "separate", "orders-only"))
_PERSONAL: Final = ("customer_name", "customer_phone", "customer_address", "sale_by")
_KNOWN: Final = frozenset(
    (
        *("_id", *_PERSONAL, "items", "subtotal", "discount_amount", "is_percentage_discount", "discount_percentage"),
        *("total", "created_at", "updated_at", "status", "is_converted_to_order", "linked_order_id"),
        *("linked_order_number", "estimate_id", "estimate_number", "order_id", "sale_number", "order_number"),
        *("payment_mode", "amount_paid", "source_estimate_id", "source_estimate_number", "is_from_estimate"),
    )
)


class Defect(NamedTuple):
    """A wrong field, and its new value.

    :ivar personal: whether `was` has personal data.
    """

    rule: str
    field: str
    was: str
    became: str
    personal: bool = False


class ConvertedDocument(NamedTuple):
    """A converted document, without the fields that depend on other documents: `_id`, `store`, `number` and links.

    :ivar number: its earlier number; None where there was no valid one.
    :ivar public_id: likewise its id.
    :ivar link: the id of the linked document, if any.
    :ivar is_converted: whether an estimate is marked as converted to an order.
    """

    document: Document
    number: int | None
    public_id: str | None
    link: str | None
    is_converted: bool
    defects: tuple[Defect, ...]


class FieldReader:
    """Reads the fields of one document and notes their defects."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        self.source = source
        self.defects: list[Defect] = []

    def note(self, rule: str, field: str, became: Any) -> None:
        was = "(missing)" if field not in self.source else values.shown(self.source[field])
        self.defects.append(Defect(rule, field, was, values.shown(became), field in _PERSONAL))

    def text(self, field: str, default: str, *, lines: bool = False) -> str:
        raw = self.source.get(field)
        found = values.phone(raw) if field == "customer_phone" else values.text(raw, lines=lines)
        if found is None:
            # A field that may be blank in our documents may be absent.
            if default or raw not in (None, ""):
                self.note("text_missing", field, default)
            return default
        if not isinstance(raw, str) or found != raw.strip():
            self.note("text_cleaned", field, found)
        return found


def convert(kind: str, source: Mapping[str, Any], zone: ZoneInfo) -> ConvertedDocument:
    """Return the converted document. Never raises.

    :param kind: ESTIMATES or ORDERS.
    :param source: the document as the driver reads it.
    """
    source, other_names = with_usual_names(source, OTHER_NAMES[kind])
    finding = FieldReader(source)
    for other, name in other_names.items():
        finding.defects.append(Defect("other_name", other, values.shown(source[other]), name, name in _PERSONAL))
    document: Document = {
        "customer_name": finding.text("customer_name", UNKNOWN),
        "customer_phone": finding.text("customer_phone", ""),
        "customer_address": finding.text("customer_address", "", lines=True),
        "sale_by": finding.text("sale_by", UNKNOWN),
        **convert_bill(finding),
        **_times(finding, zone),
        **status_note(kind, source),
        "version": 1,
        "voided_at": None,
    }
    document["terms"] = search_terms(document["customer_name"], document["customer_phone"])
    document["business_date"] = business_date(document["created_at"], zone)
    if kind == ESTIMATES:
        document.update(converted=False, order_id=None, order_number=None)
        if "note" in document:
            finding.note("status_noted", "status", f"note: {document['note']}")
    else:
        document.update(_payment(finding, document["total"]), estimate_id=None, estimate_number=None)
    names = ("estimate_number",) if kind == ESTIMATES else ("sale_number", "order_number")
    found_number = _number(finding, *names)
    public_id = _public_id(finding, "estimate_id" if kind == ESTIMATES else "order_id")
    link = source.get("linked_order_id" if kind == ESTIMATES else "source_estimate_id")
    extra = [str(name) for name in source if name not in _KNOWN and name not in other_names]
    if extra:
        finding.defects.append(
            Defect("extra_fields", values.shown(", ".join(sorted(extra))), "", "kept in `adopted` only")
        )
    return ConvertedDocument(
        document,
        found_number,
        public_id,
        None if link is None else str(link)[:64] or None,
        kind == ESTIMATES and is_converted(source),
        tuple(finding.defects),
    )


def _times(finding: FieldReader, zone: ZoneInfo) -> Document:
    source = finding.source
    times = document_times(source.get("created_at"), source.get("updated_at"), source.get("_id"), zone)
    if times.rule is not None:
        finding.note(times.rule, "created_at", times.created_at.isoformat())
    return {"created_at": times.created_at, "updated_at": times.updated_at}


def _payment(finding: FieldReader, total: int) -> Document:
    mode = finding.text("payment_mode", statuses.CASH)
    status = order_status(finding.source)
    if status is None:
        status = statuses.COMPLETED
        finding.note("status_unknown", "status", status)
    paid = values.fixed(finding.source.get("amount_paid"), MONEY_PLACES, MAX_TOTAL)
    if paid is None:
        finding.note("amount_paid_unreadable", "amount_paid", f"{Decimal(total) / 100:.2f}")
        paid = total
    elif paid < 0:
        finding.note("amount_paid_negative", "amount_paid", 0)
        paid = 0
    else:
        note_rounding(finding, "amount_paid", paid)
    return {
        "status": status,
        "payment_mode": mode,
        "payment_group": statuses.payment_group(mode),
        "amount_paid": paid,
    }


def _number(finding: FieldReader, *names: str) -> int | None:
    field = next((name for name in names if finding.source.get(name) not in (None, "")), names[0])
    raw = finding.source.get(field)
    written = values.plain(raw)
    found = parse_number(values.without_point(str(written))) if isinstance(written, str | int) else None
    if not found:
        finding.note("number_missing", field, "a new number")
        return None
    if found >= FIRST_STAMP:
        finding.note("number_is_a_stamp", field, "a new number")
        return None
    return found


def _public_id(finding: FieldReader, field: str) -> str | None:
    raw = finding.source.get(field)
    if isinstance(raw, str) and _URL_SAFE.fullmatch(raw) and raw.casefold() not in _TAKEN:
        # As a plain text: the driver's own types of text cannot be looked up.
        return str(raw)
    # Without an id, the earlier lists showed MongoDB's own id, which a phone may have stored.
    own = str(finding.source.get("_id", ""))
    found = own if _URL_SAFE.fullmatch(own) and own.casefold() not in _TAKEN else None
    finding.note("id_unusable", field, found or "a new id")
    return found
