"""A marshmallow schema that loads and dumps in one pass; where that fails, marshmallow's own `load` names the errors.

Loading the body of a sale was the most expensive step of a sale. A pass over the same fields takes an eighth of the
time of `Schema.load`, whose bookkeeping is for errors, hooks and options that a valid body does not need. Both ways
use the same fields, so they accept the same values.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, missing


class FastSchema(Schema):
    """A schema whose fields have no additional validators, without hooks and without unknown members."""

    error_messages = {"type": "must be an object"}  # noqa: RUF012  (as marshmallow has it)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._load_steps = [
            (field.data_key or name, field.attribute or name, field, _default(field))
            for name, field in self.load_fields.items()
        ]
        assert not any(field.validators for _, _, field, _ in self._load_steps)  # noqa: S101  (a programming error)
        assert not any(self._hooks.values())  # noqa: S101

    @cached_property
    def _dump_steps(self) -> list[tuple[str, str | None, Any]]:
        # Made when first needed: many schemas only load, and have fields that cannot dump.
        return [(field.data_key or name, *self._dumper(name, field)) for name, field in self.dump_fields.items()]

    def load(self, data: Any, **kwargs: Any) -> Any:
        try:
            return self.load_valid(data)
        except ValidationError:
            return super().load(data, **kwargs)

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        if many:
            return [self.dump(each) for each in obj]
        dumped = {}
        for key, source, convert in self._dump_steps:
            if source is None:
                dumped[key] = convert(obj)
            elif source in obj:
                value = obj[source]
                dumped[key] = value if convert is None else convert(value)
        return dumped

    def _dumper(self, name: str, field: fields.Field[Any]) -> tuple[str | None, Any]:
        """Return the key that a field reads (None: it takes the whole mapping) and its conversion (None: no
        conversion)."""
        if isinstance(field, fields.Function):
            return None, field.serialize_func
        if isinstance(field, fields.Method):
            return None, getattr(self, str(field.serialize_method_name))
        if type(field) in _UNCONVERTED:
            return field.attribute or name, None
        own: Any = field
        return getattr(field, "source", field.attribute or name), own.dump_value

    def load_valid(self, data: Any) -> dict[str, Any]:
        """Return the loaded data, in one pass.

        :raises ValidationError: the data is invalid; call `load` for the errors.
        """
        # The first comparison is for speed: a check against an abstract class takes ten times as long.
        if type(data) is not dict and not isinstance(data, Mapping):
            raise ValidationError("must be an object")
        loaded = {}
        for key, attribute, field, default in self._load_steps:
            value = data.get(key)
            if value is not None:
                loaded[attribute] = field._deserialize(value, key, data)  # noqa: SLF001  (what `deserialize` wraps)
            elif default is _REQUIRED:
                raise ValidationError("is missing", key)
            elif default is not missing:
                loaded[attribute] = default
        return loaded


_REQUIRED = object()
#: Fields of marshmallow that dump the stored value unchanged. Ours have `dump_value`, and some have `source`.
_UNCONVERTED: Final = (fields.Raw, fields.String, fields.Integer, fields.Boolean)


def _default(field: fields.Field[Any]) -> Any:
    """Return the value of a member that is left out or null; `missing` where there is none."""
    return _REQUIRED if field.required else field.load_default
