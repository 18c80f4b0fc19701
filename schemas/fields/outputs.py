"""Fields that only show: a document's own id, number, lines and times, as the existing clients read them."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import fields

from schemas.core.calendar import shop_time
from schemas.core.document_numbers import format_number
from schemas.fields.fast_schema import FastSchema


class LineItemsOutput(fields.List[Any]):
    """The lines of a document. Dump only.

    :param schema: of one line.
    """

    def __init__(self, schema: type[FastSchema], **kwargs: Any) -> None:
        super().__init__(fields.Nested(schema), **kwargs)
        self._dump = schema().dump

    def show(self, value: list[Any]) -> list[Any]:
        return [self._dump(each) for each in value]


class PublicId(fields.String):
    """The document's own id. Dump only: several names show it, which `attribute` would not allow."""

    source = "_id"
    show = None

    def get_value(self, obj: Any, attr: str, accessor: Any = None, default: Any = None) -> Any:
        return obj[self.source]


class DocumentNumber(fields.Field[int]):
    """A document number: 7 -> `#007`. Dump only."""

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return self.show(value)

    @staticmethod
    def show(value: int | None) -> str | None:
        return None if value is None else format_number(value)


class ShopTime(fields.Field[datetime]):
    """A UTC instant in the time zone of the schema that it stands in. Dump only."""

    zone: ZoneInfo

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        super()._bind_to_schema(field_name, parent)
        root: Any = self.root
        self.zone = root.zone

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return self.show(value)

    def show(self, value: datetime | None) -> str | None:
        return None if value is None else shop_time(value, self.zone)


class ZonedSchema(FastSchema):
    """A schema whose times are shown in the shop's zone."""

    def __init__(self, zone: ZoneInfo, **kwargs: Any) -> None:
        self.zone = zone
        super().__init__(**kwargs)
