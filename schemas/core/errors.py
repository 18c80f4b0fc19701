"""The root of every refusal that a client is meant to read.

A refusal knows its HTTP status, a stable `code` and a `title`; the raiser adds the sentence (`detail`) that a cashier
understands. `app/middleware/errors.py` turns it into RFC 9457 `application/problem+json`; nothing else in the house
looks at it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class ShopError(Exception):
    """A refusal with a status, a stable machine-readable code, and a sentence for people.

    :param detail: one sentence that a cashier understands; no driver text, no host name.
    :param headers: extra response headers, such as `Retry-After`.
    :param members: extra members of the problem document, such as `allowed` or `errors`.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    #: JSON Schemas of the members that it adds to the problem document, for the API's description.
    extra: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def __reduce__(self) -> Any:
        """As it goes from one process to another, whatever a subclass wants to be made of."""
        return _rebuild, (type(self), self.detail, self.headers, self.members)


def _rebuild(kind: type[ShopError], detail: str, headers: Mapping[str, str], members: Mapping[str, Any]) -> ShopError:
    refusal = kind.__new__(kind)
    ShopError.__init__(refusal, detail, headers=headers, **members)
    return refusal


class InvalidBody(ShopError):
    """The JSON is well formed, but fields of it are wrong; `errors` lists each with a JSON pointer (RFC 6901)."""

    status, code, title = 422, "invalid_fields", "A field is wrong"
    extra: ClassVar[Mapping[str, Any]] = {
        "errors": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["pointer", "detail"],
                "additionalProperties": False,
            },
        }
    }

    def __init__(self, detail: str, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__(detail, errors=list(errors))


class InvalidQuery(InvalidBody):
    """A query parameter is wrong; the pointer is the parameter's name."""

    code, title = "invalid_query", "A query parameter is wrong"


class TotalsMismatch(ShopError):
    """The figures of a bill do not add up; `computed` holds the server's own, as JSON floats."""

    status, code, title = 422, "totals_mismatch", "The totals do not add up"
    extra: ClassVar[Mapping[str, Any]] = {
        "computed": {
            "type": "object",
            "properties": {name: {"type": "number"} for name in ("subtotal", "discount", "total")},
            "required": ["subtotal", "discount", "total"],
            "additionalProperties": False,
        }
    }


class IllegalTransition(ShopError):
    """An order, or a message, cannot go from its status to the one asked for; `allowed` lists where it can go."""

    status, code, title = 409, "illegal_transition", "This change of status is not possible"
    extra: ClassVar[Mapping[str, Any]] = {
        "current": {"type": "string"},
        "allowed": {"type": "array", "items": {"type": "string"}},
    }
