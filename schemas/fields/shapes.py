"""Building blocks of the JSON Schemas of responses."""

from typing import Any, Final

Json = dict[str, Any]


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: Json) -> Json:
    return {"type": "array", "items": items}


def record(**members: Json) -> Json:
    """Return the schema of an object that has exactly these members."""
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


def with_optional(shape: Json, **members: Json) -> Json:
    """Return a record that may have these members as well."""
    return {**shape, "properties": {**shape["properties"], **members}}


TEXT: Final[Json] = {"type": "string"}
COUNT: Final[Json] = {"type": "integer", "minimum": 0}
AMOUNT: Final[Json] = {"type": "number", "minimum": 0}
TIME: Final[Json] = {"type": "string", "format": "date-time"}
DAY: Final[Json] = {"type": "string", "format": "date"}
BOOLEAN: Final[Json] = {"type": "boolean"}
TRUE: Final[Json] = {"const": True}
TEXT_OR_NULL: Final[Json] = {"type": ["string", "null"]}
DAY_OR_NULL: Final[Json] = {"type": ["string", "null"], "format": "date"}
KIND: Final[Json] = {"enum": ["estimate", "order"]}
NUMBER: Final[Json] = {"type": "string", "pattern": "^#[0-9]{3,15}$", "examples": ["#007"]}
