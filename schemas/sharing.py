"""Public links: the request body, the query of the paper size, and serialization."""

from datetime import datetime
from typing import Any, TypedDict
from zoneinfo import ZoneInfo

from schemas.core.calendar import shop_time
from schemas.core.documents import Signed
from schemas.fields.body import Body
from schemas.fields.inputs import DEFAULT_LINK_DAYS, DayCount, OneOf
from schemas.printing.letterhead import PAPERS


class Link(Signed):
    kind: str
    document_id: str
    token: str  # its SHA-256
    expires_at: datetime
    message_id: str | None  # the message that it was created with
    retry_keys: list[str]  # of that message


class Views(TypedDict):
    """The views of a link, counted in `link_views` with its `_id` and `store`."""

    views: int
    viewed_at: datetime | None


class ViewedLink(Link, Views):
    pass


class LinkBody(Body):
    days = DayCount(load_default=DEFAULT_LINK_DAYS)


class PaperQuery(Body):
    paper = OneOf(PAPERS)


def serialize_link(link: ViewedLink, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """Return a link as the list shows it, without its address, which is not stored."""
    viewed_at = link["viewed_at"]
    times = {
        "created_at": shop_time(link["created_at"], zone),
        "expires_at": shop_time(link["expires_at"], zone),
        "viewed_at": None if viewed_at is None else shop_time(viewed_at, zone),
    }
    is_open = link["voided_at"] is None and link["expires_at"] > now
    return {"id": link["_id"], **times, "views": link["views"], "is_open": is_open}
