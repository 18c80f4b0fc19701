"""A checker of documents against the TypedDicts that describe them."""

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict


def differences(value: Any, shape: Any, place: str = "") -> Iterator[str]:
    """Yield how a value differs from a type: an absent, additional or differing member, by its place."""
    origin, arguments = get_origin(shape), get_args(shape)
    if is_typeddict(shape):
        yield from _of_members(value, shape, place)
    elif origin in (Union, UnionType, NotRequired):
        yield from min((list(differences(value, each, place)) for each in arguments), key=len)
    elif origin is list and isinstance(value, list):
        for number, each in enumerate(value):
            yield from differences(each, arguments[0], f"{place}[{number}]")
    elif origin in (dict, Mapping) and isinstance(value, dict):
        for name, each in value.items():
            yield from differences(name, arguments[0], f"{place}.{name}")
            yield from differences(each, arguments[1], f"{place}.{name}")
    elif not _is_of(value, shape):
        yield f"{place} is of type {type(value).__name__}"


def _is_of(value: Any, shape: Any) -> bool:
    """Return whether a value is of a plain type. The driver reads large integers as a subclass of `int`."""
    return shape is Any or (isinstance(value, shape or NoneType) and (shape is bool or not isinstance(value, bool)))


def _of_members(value: Any, shape: Any, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place} is of type {type(value).__name__}"
        return
    hints = get_type_hints(shape, include_extras=True)
    yield from (f"{place}.{name} is absent" for name in shape.__required_keys__ - value.keys())
    yield from (f"{place}.{name} is not described" for name in value.keys() - hints.keys())
    for name in hints.keys() & value.keys():
        yield from differences(value[name], hints[name], f"{place}.{name}")
