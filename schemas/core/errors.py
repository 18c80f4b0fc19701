"""The base class of the errors that a client reads.

An error class has its HTTP status, a stable `code` and a `title`. The code that raises it adds a sentence (`detail`)
that a cashier understands. `app/middleware/errors.py` answers it as RFC 9457 `application/problem+json`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class ShopError(Exception):
    """An error with a status, a stable machine-readable code, and a sentence for people.

    :param detail: one sentence that a cashier understands, without driver text or host names.
    :param headers: additional response headers, such as `Retry-After`.
    :param members: additional members of the problem document, such as `allowed` or `errors`.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    #: JSON Schemas of the additional members of the problem document, for the API's description.
    extra: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def __reduce__(self) -> Any:
        """Return how to pickle the error, whatever parameters the constructor of a subclass has."""
        return _rebuild, (type(self), self.detail, self.headers, self.members)


def _rebuild(kind: type[ShopError], detail: str, headers: Mapping[str, str], members: Mapping[str, Any]) -> ShopError:
    refusal = kind.__new__(kind)
    ShopError.__init__(refusal, detail, headers=headers, **members)
    return refusal


class InvalidBody(ShopError):
    """Fields of well-formed JSON are wrong; `errors` lists each with a JSON pointer (RFC 6901)."""

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
    """The figures of a bill do not add up; `computed` has the server's figures, as JSON floats."""

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
    """An order or a message cannot change to the requested status; `allowed` lists the possible ones."""

    status, code, title = 409, "illegal_transition", "This change of status is not possible"
    extra: ClassVar[Mapping[str, Any]] = {
        "current": {"type": "string"},
        "allowed": {"type": "array", "items": {"type": "string"}},
    }
