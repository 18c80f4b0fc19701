"""The times of a document of the earlier backend: its fields, or the time of its own id where that is right."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from schemas.legacy import values

#: The time of a document without any time, not even in its id.
UNDATED: Final = datetime(1970, 1, 2, tzinfo=UTC)
#: How far a phone's clock, with the duration of a request, may differ from the id's time.
_AGREEING: Final = timedelta(minutes=10)


class Times(NamedTuple):
    """The times of a document.

    :ivar rule: the defect of `created_at`, if any.
    """

    created_at: datetime
    updated_at: datetime
    rule: str | None


def document_times(raw: Any, updated: Any, own: Any, zone: ZoneInfo) -> Times:
    """Return when a document was created and changed last.

    For some weeks the earlier backend stored the phone's clock as if it were UTC. MongoDB's own id has the server's
    time. So where both differ by exactly the zone's offset, in either direction, the id is right.

    :param raw: `created_at`, as it is stored.
    :param updated: `updated_at`, likewise.
    :param own: the document's `_id`.
    """
    rule: str | None = None
    written, changed = values.instant(raw, zone), values.instant(updated, zone)
    made = values.instant(values.made_at(own), zone)
    if written is None:
        created, rule = made or changed or UNDATED, "created_at_unreadable"
    elif made is not None and _is_shifted(written, made, zone):
        created, rule = made, "created_at_is_local"
        changed = None if changed is None else changed + (made - written)
    else:
        created = written
        if not isinstance(raw, datetime):
            rule = "created_at_not_a_time"
    return Times(created, max(created, changed or created), rule)


def _is_shifted(written: datetime, made: datetime, zone: ZoneInfo) -> bool:
    """Return whether a time differs from that of the id by the zone's offset at that time."""
    offset = abs(made.astimezone(zone).utcoffset() or timedelta())
    return bool(offset) and abs(abs(written - made) - offset) <= _AGREEING
