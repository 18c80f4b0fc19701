"""The fields of our schemas as JSON Schema: what each takes, or shows, told by the field itself.

`field_schema` is one of the functions that apispec's marshmallow plugin asks about a field. What it does not know
itself
(marshmallow's own fields, lists, nesting) it leaves to the others; what stands in a field's `metadata` goes above all.
"""

from functools import singledispatch
from typing import Any, Final

from marshmallow import EXCLUDE, fields

from schemas.core.limits import MAX_INTEGER_ID, MAX_LINE_ID, MAX_LINES
from schemas.fields.amounts import ClientFigure, FixedPoint
from schemas.fields.inputs import (
    CONTROL,
    FLAGS,
    VISIBLE,
    Day,
    LineId,
    LineItems,
    OneOf,
    QueryBoolean,
    StrictBoolean,
    Text,
    WholeNumber,
)
from schemas.fields.outputs import DocumentNumber, ShopTime
from schemas.fields.shapes import NUMBER, Json
from schemas.messaging.requests import Pdf
from schemas.shop.gst import GSTIN, STATES
from schemas.shop.settings_body import UPI_ID, Gstin, Logo, State, UpiId

# What `str.strip` takes off the ends of a text.
_SPACE: Final = r"[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"
_DAY: Final = "^(19[7-9][0-9]|2[0-9]{3})-[0-9]{2}-[0-9]{2}$"


def field_schema(_: Any, field: fields.Field[Any], ret: Json) -> Json:
    """What a field adds to what is known of it already (`ret`), which it may also mend."""
    shape = _shape(field)
    if shape and _is_loaded(field) and not field.required:
        # Null means to a field of ours what leaving it out means.
        shape["type"] = [*_kinds(shape), "null"]
    # What only is shown is read only, as all that stands beside it.
    ret.pop("readOnly", None)
    default = ret.pop("default", None)
    if default is not None:
        ret["default"] = _as_json(field, default)
    return {**shape, **field.metadata}


def _as_json(field: fields.Field[Any], default: Any) -> Any:
    if isinstance(field, QueryBoolean):
        return str(default).lower()
    return float(default) if isinstance(field, ClientFigure) else default


def parameter_schema(_: Any, __: fields.Field[Any], ret: Json) -> Json:
    """The same of a query parameter, among which there is no null."""
    kinds = [kind for kind in _kinds(ret["schema"]) if kind != "null"]
    return {"schema": {**ret["schema"], "type": kinds[0] if len(kinds) == 1 else kinds}}


def _kinds(shape: Json) -> list[str]:
    kinds = shape["type"]
    return kinds if isinstance(kinds, list) else [kinds]


def _is_loaded(field: fields.Field[Any]) -> bool:
    """Whether the field stands in a body or a query, whose schemas keep unknown members out."""
    return getattr(field.parent, "unknown", None) == EXCLUDE


@singledispatch
def _shape(_: fields.Field[Any]) -> Json:
    return {}


@_shape.register
def _(field: FixedPoint) -> Json:
    shape: Json = {"type": "number", "minimum": field.minimum / field.unit, "maximum": field.most}
    # Of what is shown it would be true as well, but most validators divide floats, and 0.07 / 0.01 is not whole there.
    return {**shape, "multipleOf": 1 / field.unit} if _is_loaded(field) and not field.round_excess else shape


@_shape.register
def _(field: ClientFigure) -> Json:
    return {"type": "number", "minimum": field.minimum, "maximum": field.maximum}


@_shape.register
def _(field: Text) -> Json:
    inside = field.refused.pattern.replace("[", "[^", 1) + "*"
    seen = f"{inside}{VISIBLE.pattern}{inside}"
    return {
        "type": "string",
        "minLength": 0 if field.blank else 1,
        "maxLength": field.longest,
        "pattern": f"^{_SPACE}({inside if field.blank else seen}){_SPACE}$",
    }


@_shape.register
def _(_: Gstin) -> Json:
    return {"type": "string", "pattern": f"^({GSTIN.pattern})?$", "examples": ["27AAPFU0939F1ZV"]}


@_shape.register
def _(_: State) -> Json:
    return {"type": "string", "enum": ["", *STATES, *STATES.values()]}


@_shape.register
def _(_: UpiId) -> Json:
    return {"type": "string", "pattern": f"^({UPI_ID.pattern})?$"}


@_shape.register
def _(_: Logo) -> Json:
    return {"type": "string", "contentEncoding": "base64"}


@_shape.register
def _(_: Pdf) -> Json:
    return {"type": "string", "format": "binary", "description": "A PDF of at most 2 MiB."}


@_shape.register
def _(_: StrictBoolean) -> Json:
    return {"type": "boolean"}


@_shape.register
def _(_: QueryBoolean) -> Json:
    return {"type": "string", "enum": list(FLAGS)}


@_shape.register
def _(_: LineId) -> Json:
    return {
        "type": ["integer", "string"],
        "minimum": -MAX_INTEGER_ID,
        "maximum": MAX_INTEGER_ID,
        "minLength": 1,
        "maxLength": MAX_LINE_ID,
        "pattern": CONTROL.pattern.replace("[", "^[^", 1) + "*$",
    }


@_shape.register
def _(_: LineItems) -> Json:
    return {"type": "array", "minItems": 1, "maxItems": MAX_LINES}


@_shape.register
def _(_: Day) -> Json:
    return {"type": "string", "format": "date", "pattern": _DAY}


@_shape.register
def _(field: WholeNumber) -> Json:
    return {"type": "integer", "minimum": field.minimum, "maximum": field.maximum}


@_shape.register
def _(field: OneOf) -> Json:
    return {"type": "string", "enum": list(field.names.values()), "description": "In any case."}


@_shape.register
def _(field: DocumentNumber) -> Json:
    return {**NUMBER, "type": ["string", "null"]} if field.allow_none else NUMBER


@_shape.register
def _(_: ShopTime) -> Json:
    return {"type": "string", "format": "date-time", "description": "With the shop's offset."}
