"""The fields of our schemas as JSON Schema, for apispec's marshmallow plugin.

Each field of ours has a `json_schema`. The plugin describes marshmallow's own fields, lists and nesting itself. A
field's `metadata` overrides both.
"""

from typing import Any

from marshmallow import EXCLUDE, fields

from schemas.fields.shapes import Json


def field_schema(_: Any, field: fields.Field[Any], ret: Json) -> Json:
    """Return what a field adds to its description; an attribute function of apispec.

    :param ret: the description so far, from which `readOnly` and `default` are taken out.
    """
    own: Any = field
    shape = dict(getattr(field, "json_schema", {}))
    if getattr(field.parent, "unknown", None) != EXCLUDE:
        # True of what a response shows as well, but most validators divide floats, where 0.07 / 0.01 is not whole.
        shape.pop("multipleOf", None)
    elif shape and not field.required:
        # In a body or a query, null means the same as being left out.
        shape["type"] = [*_types(shape), "null"]
    # Fields that are only shown stand in schemas of which all fields are.
    ret.pop("readOnly", None)
    default = ret.pop("default", None)
    if default is not None:
        ret["default"] = own.json_default(default) if hasattr(field, "json_default") else default
    return {**shape, **field.metadata}


def parameter_schema(_: Any, __: fields.Field[Any], ret: Json) -> Json:
    """Return the description of a query parameter, which cannot be null."""
    types = [each for each in _types(ret["schema"]) if each != "null"]
    return {"schema": {**ret["schema"], "type": types[0] if len(types) == 1 else types}}


def _types(shape: Json) -> list[str]:
    types = shape["type"]
    return types if isinstance(types, list) else [types]
