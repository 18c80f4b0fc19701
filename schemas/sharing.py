"""Public links at the edge: the body that makes one, the query for paper, and the shape in which a link is shown."""

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
    """A link as the list of a document's links shows it; its address is not known any more."""
    times = {
        name: None if link[name] is None else shop_time(link[name], zone)
        for name in ("created_at", "expires_at", "viewed_at")
    }
    is_open = link["voided_at"] is None and link["expires_at"] > now
    return {"id": link["_id"], **times, "views": link["views"], "is_open": is_open}
