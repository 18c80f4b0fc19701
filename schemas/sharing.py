"""Public links: the request body, the query of the paper size, and serialization."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from schemas.core.calendar import shop_time
from schemas.core.documents import Document
from schemas.fields.body import Body
from schemas.fields.inputs import DEFAULT_LINK_DAYS, DayCount, OneOf
from schemas.printing.letterhead import PAPERS


class LinkBody(Body):
    days = DayCount(load_default=DEFAULT_LINK_DAYS)


class PaperQuery(Body):
    paper = OneOf(PAPERS)


def serialize_link(link: Document, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """Return a link as the list shows it, without its address, which is not stored."""
    times = {
        name: None if link[name] is None else shop_time(link[name], zone)
        for name in ("created_at", "expires_at", "viewed_at")
    }
    is_open = link["voided_at"] is None and link["expires_at"] > now
    return {"id": link["_id"], **times, "views": link["views"], "is_open": is_open}
