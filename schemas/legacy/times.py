"""When a document of the earlier backend was written: what it says, unless its own id knows better."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from schemas.legacy import values

#: Where even the document's own id does not tell when it was written.
UNDATED: Final = datetime(1970, 1, 2, tzinfo=UTC)
#: By how much a phone's clock, and the time that a request took, may differ from the id's time.
_AGREEING: Final = timedelta(minutes=10)


class Times(NamedTuple):
    """rule: what was wrong with `created_at`, None for nothing."""

    created_at: datetime
    updated_at: datetime
    rule: str | None


def document_times(raw: Any, updated: Any, own: Any, zone: ZoneInfo) -> Times:
    """Return when a document was created and changed last.

    For some weeks the earlier backend stored the phone's clock as if it were UTC. MongoDB's own id has the time of the
    server, so where both differ by just the zone's offset, either way, the id is right.

    :param raw: `created_at`, as it was written.
    :param updated: `updated_at`, likewise.
    :param own: the document's `_id`.
    :param zone: the shop's.
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
    """Whether a time differs from that of the id by the zone's offset of then."""
    offset = abs(made.astimezone(zone).utcoffset() or timedelta())
    return bool(offset) and abs(abs(written - made) - offset) <= _AGREEING
