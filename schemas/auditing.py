"""The audit log: its query, and how it shows changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from schemas.core import money
from schemas.core.calendar import shop_time
from schemas.core.collections import EVENT_TYPES
from schemas.core.document_numbers import format_number
from schemas.core.pagination import DEFAULT_LIMIT, MAX_LIMIT, Cursor
from schemas.fields.amounts import Percent
from schemas.fields.inputs import OneOf, Text, WholeNumber
from schemas.fields.queries import DatedPageQuery
from schemas.journal.events import CONVERT, Event, event_data
from schemas.sales.serializers import LineSchema

_MONEY: Final = frozenset({"subtotal", "discount", "round_off", "total", "amount_paid"})
_NUMBERS: Final = frozenset({"order_number", "estimate_number"})
#: Fields that a row does not repeat.
_BESIDE: Final = frozenset({"_id", "store", "number"})
#: The most digits of a `seq`.
_DIGITS: Final = 16
#: A member of `before` or `after` with more bytes of JSON is cut: a bill of some hundred lines has as many.
MAX_MEMBER_BYTES: Final = 16 * 1024
_SHOW_LINES: Final = LineSchema().dump
_SHOW_PERCENT: Final = Percent().dump_value


@dataclass(frozen=True, slots=True)
class AuditCursor(Cursor):
    """An event's position in the audit log: its `seq`."""

    seq: int

    def is_valid(self) -> bool:
        return 0 < self.seq < 2**53


@dataclass(frozen=True, slots=True)
class AuditListing:
    """The filters of a page of the audit log.

    :ivar actor: an id or a name.
    :ivar id: of the changed document.
    """

    limit: int = DEFAULT_LIMIT
    after: AuditCursor | None = None
    start: date | None = None
    end: date | None = None
    actor: str | None = None
    type: str | None = None
    id: str | None = None


class AuditQuery(DatedPageQuery):
    position, listing = AuditCursor, AuditListing

    limit = WholeNumber(1, MAX_LIMIT, load_default=DEFAULT_LIMIT)
    actor = Text(metadata={"description": "Who did it: an id, or a name."})
    type = OneOf(tuple(EVENT_TYPES.values()))
    id = Text(metadata={"description": "Of what was changed, as `ORDER-…`."})


def audit_row(event: Event, zone: ZoneInfo) -> dict[str, Any]:
    """Return an event as the audit log shows it. Events from before the audit log have no `by`.

    `before` and `after` are the changed fields, by their names in the database. Of a new document, `before` is null and
    `after` is its summary; of a conversion, `after` also has the `order`. Long values are cut.

    :param event: with the `hash` of the document of the log that has it.
    """
    before, after = event.get("before"), event.get("after")
    made = _shown(event_data(event), zone)
    if event["action"] == CONVERT:
        after = {**_shown(after or {}, zone), "order": {"id": event["order_id"], **made}}
    else:
        after = made if after is None else _shown(after, zone)
    return {
        "seq": event["seq"],
        "at": shop_time(event["at"], zone),
        "type": event["type"],
        "action": event["action"],
        "id": event["id"],
        "number": _number(event),
        "by": event.get("by"),
        "before": None if before is None else _shown(before, zone),
        "after": after,
        "hash": event["hash"].hex(),
    }


def _number(event: Event) -> str | None:
    """Return the number of the event's document; a conversion's data are those of the order."""
    number = event["data"].get("estimate_number" if event["action"] == CONVERT else "number")
    return None if number is None else format_number(number)


def _shown(members: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    return {name: _short(_value(name, value, zone)) for name, value in members.items() if name not in _BESIDE}


def _short(value: Any) -> Any:
    """Return a value; in place of a long one its size, since the document itself or an archive has it."""
    if not isinstance(value, str | list | dict):
        return value
    size = len(orjson.dumps(value, default=str))
    return value if size <= MAX_MEMBER_BYTES else {"cut": True, "bytes": size}


def _value(name: str, value: Any, zone: ZoneInfo) -> Any:
    if value is None:
        return None
    if name in _MONEY:
        return money.to_json(value)
    if name in _NUMBERS:
        return format_number(value)
    if name == "discount_percentage":
        return _SHOW_PERCENT(value)
    if name == "items":
        return [_SHOW_LINES(line) for line in value]
    return shop_time(value, zone) if isinstance(value, datetime) else value
