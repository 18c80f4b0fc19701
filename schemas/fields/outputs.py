"""Dump-only fields: a document's id, number, lines and times, as the existing clients read them."""

from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from marshmallow import fields

from schemas.core.calendar import shop_time
from schemas.core.document_numbers import format_number
from schemas.fields.fast_schema import FastSchema
from schemas.fields.shapes import NUMBER, Json


class LineItemsOutput(fields.List[Any]):
    """The lines of a document."""

    def __init__(self, schema: type[FastSchema], **kwargs: Any) -> None:
        super().__init__(fields.Nested(schema), **kwargs)
        self._dump = schema().dump

    def dump_value(self, value: list[Any]) -> list[Any]:
        return [self._dump(each) for each in value]


class PublicId(fields.String):
    """The document's own id. Several fields of a schema may show it, which `attribute` would not allow."""

    source = "_id"
    dump_value = None

    def get_value(self, obj: Any, attr: str, accessor: Any = None, default: Any = None) -> Any:
        return obj[self.source]


class DocumentNumber(fields.Field[int]):
    """A document number: 7 -> `#007`."""

    @property
    def json_schema(self) -> Json:
        return {**NUMBER, "type": ["string", "null"]} if self.allow_none else NUMBER

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return self.dump_value(value)

    @staticmethod
    def dump_value(value: int | None) -> str | None:
        return None if value is None else format_number(value)


class ShopTime(fields.Field[datetime]):
    """A UTC instant in the time zone of its schema."""

    json_schema: ClassVar[Json] = {"type": "string", "format": "date-time", "description": "With the shop's offset."}
    zone: ZoneInfo

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        super()._bind_to_schema(field_name, parent)
        root: Any = self.root
        self.zone = root.zone

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return self.dump_value(value)

    def dump_value(self, value: datetime | None) -> str | None:
        return None if value is None else shop_time(value, self.zone)


class ZonedSchema(FastSchema):
    """A schema that shows times in the shop's zone."""

    def __init__(self, zone: ZoneInfo, **kwargs: Any) -> None:
        self.zone = zone
        super().__init__(**kwargs)
