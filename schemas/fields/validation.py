"""marshmallow's errors as the `errors` of a problem document: a JSON pointer (RFC 6901) and a sentence each."""

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import Schema, ValidationError

from schemas.core.errors import InvalidBody, InvalidQuery

_MOST_SHOWN = 20
#: marshmallow's messages and ours in their place.
_OWN_WORDS = {"Missing data for required field.": "is missing", "Field may not be null.": "must not be null"}


def load_body(schema: Schema, body: Mapping[str, Any]) -> Any:
    """Return the loaded body; raise InvalidBody, whose errors name each wrong field by a pointer."""
    return _load(schema, body, InvalidBody)


def load_query(schema: Schema, parameters: Mapping[str, Any]) -> Any:
    """Return the loaded query parameters; raise InvalidQuery, whose errors name each wrong one."""
    return _load(schema, parameters, InvalidQuery)


def _load(schema: Schema, data: Mapping[str, Any], refusal: type[InvalidBody]) -> Any:
    try:
        return schema.load(data)
    except ValidationError as error:
        errors = [
            {"pointer": pointer, "detail": detail}
            for (pointer, detail), _ in zip(_flatten("", error.messages), range(_MOST_SHOWN), strict=False)
        ]
    raise refusal(_sentence(errors[0]), errors)


def _flatten(pointer: str, messages: Any) -> Iterator[tuple[str, str]]:
    if isinstance(messages, dict):
        for name, below in messages.items():
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from _flatten(pointer if name == "_schema" else f"{pointer}/{escaped}", below)
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            yield pointer, _OWN_WORDS.get(message, str(message))


def _sentence(error: Mapping[str, str]) -> str:
    """Return an error as a sentence: `/items/0/price` "must be a number" -> "Line 1, price: must be a number."."""
    parts = error["pointer"].split("/")[1:]
    if len(parts) > 1 and parts[0] == "items" and parts[1].isdigit():
        place = ", ".join([f"Line {int(parts[1]) + 1}", *parts[2:]])
    else:
        place = ".".join(parts) or "Body"
    return f"{place}: {error['detail']}."
