"""The query parameters that several lists share."""

from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, fields, post_load, validates_schema

from schemas.core.pagination import DEFAULT_LIMIT, MAX_LIMIT, Cursor, check_date_order
from schemas.fields.inputs import Day, WholeNumber


class PageQuery(Schema):
    """The page of a list; without `limit` and `cursor`, the whole list.

    :cvar position: the class of the cursor.
    :cvar listing: makes the result of the parameters; `after` is the decoded cursor.
    """

    class Meta:
        unknown = EXCLUDE

    position: ClassVar[type[Cursor]]
    listing: ClassVar[type]

    limit = WholeNumber(1, MAX_LIMIT)
    cursor = fields.String()

    @post_load
    def make(self, data: dict[str, Any], **kwargs: Any) -> Any:
        cursor = data.pop("cursor", None)
        if cursor is not None:
            data["after"] = self.position.decode(cursor)
            data.setdefault("limit", DEFAULT_LIMIT)
        return self.listing(**data)


class DatedPageQuery(PageQuery):
    """The page of a list, and its first and last day (`start` and `end` of the listing)."""

    class Meta(PageQuery.Meta):
        include = {"from": Day(attribute="start"), "to": Day(attribute="end")}  # noqa: RUF012  (marshmallow's own form)

    @validates_schema(skip_on_field_errors=True)
    def check(self, data: dict[str, Any], **kwargs: Any) -> None:
        check_date_order(data, "to")
