"""Public links at the edge: the body that makes one, the query for paper, and the shape in which a link is shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from marshmallow import ValidationError

from schemas.calendar import shop_time
from schemas.documents import Body, Document
from schemas.fields import Loaded, OneOf
from schemas.shop_head import PAPERS

DEFAULT_DAYS: Final = 30
MOST_DAYS: Final = 365


class Days(Loaded[int]):
    """A whole number of days, as JSON has it."""

    minimum, maximum = 1, MOST_DAYS

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not self.minimum <= value <= self.maximum:
            raise ValidationError(f"must be a whole number from {self.minimum} to {self.maximum}")
        return value


class LinkBody(Body):
    days = Days(load_default=DEFAULT_DAYS)


class PaperQuery(Body):
    paper = OneOf(PAPERS)


def shown_link(link: Document, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """A link as the list of a document's links shows it; its address is not known any more."""
    times = {
        name: None if link[name] is None else shop_time(link[name], zone)
        for name in ("created_at", "expires_at", "viewed_at")
    }
    is_open = link["voided_at"] is None and link["expires_at"] > now
    return {"id": link["_id"], **times, "views": link["views"], "is_open": is_open}
