"""Request parsing: bounded JSON bodies, query parameters, `If-Match` and `If-None-Match`."""

import codecs
import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import orjson
from marshmallow import Schema
from starlette.requests import Request

from endpoints.http.state import AnyState
from schemas.core.errors import InvalidQuery, ShopError
from schemas.fields.validation import load_query
from schemas.journal.idempotency import IncomingRequest, RepeatedKey, check_key

MAX_BODY: Final = 256 * 1024
MAX_DEPTH: Final = 32

_VERSION_TAG: Final = re.compile(r'(?:W/)?"?(\d{1,15})"?', re.ASCII)


class MalformedBody(ShopError):
    status, code, title = 400, "malformed_body", "The body is not a JSON object"


class BodyTooLarge(ShopError):
    status, code, title = 413, "body_too_large", "The body is too large"


async def read_json(request: Request[Any], *, optional: bool = False) -> dict[str, Any]:
    """Return the body as a JSON object.

    :param optional: whether no body, or null, is an empty object.
    :raises BodyTooLarge: `Content-Length` or the body exceeds 256 KiB.
    :raises MalformedBody: not JSON, not UTF-8, NaN or Infinity, nested too deep, or not an object.
    """
    raw = await read_body(request)
    return {} if optional and raw.strip() in (b"", b"null") else json_object(raw)


def json_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    :raises MalformedBody: not JSON, not UTF-8, NaN or Infinity, nested too deep, or not an object.
    """
    try:
        body = orjson.loads(raw.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise MalformedBody("The body is not valid JSON in UTF-8.") from error
    if not isinstance(body, dict):
        raise MalformedBody("The body must be a JSON object.")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _is_deeper(body, MAX_DEPTH):
        raise MalformedBody(f"The body is nested more than {MAX_DEPTH} levels deep.")
    return body


def read_query(request: Request[Any], schema: Schema, *, skips_blank: bool = False) -> Any:
    """Return the query parameters as loaded by the schema.

    :param skips_blank: whether a blank parameter is ignored.
    :raises InvalidQuery: a parameter is invalid, or is given twice.
    """
    given = Counter(name for name, _ in known_parameters(request, schema))
    repeated = [name for name, times in given.items() if times > 1]
    if repeated:
        raise InvalidQuery(
            f"{repeated[0]}: must be given once.",
            [{"pointer": f"/{name}", "detail": "must be given once"} for name in repeated],
        )
    asked: Mapping[str, str] = request.query_params
    return load_query(schema, {name: asked[name] for name in asked if asked[name].strip()} if skips_blank else asked)


def known_parameters(request: Request[Any], schema: Schema) -> list[tuple[str, str]]:
    """Return the query parameters that the schema knows; others have no effect."""
    known = {field.data_key or name for name, field in schema.load_fields.items()}
    return [(name, value) for name, value in request.query_params.multi_items() if name in known]


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether a JSON value is nested too deep: a value that can be parsed may be too deep to be serialized."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inner)


async def read_body(request: Request[Any], most: int = MAX_BODY) -> bytes:
    """Return the body; raise BodyTooLarge if `Content-Length` or the body exceeds `most` bytes."""
    announced = request.headers.get("content-length", "0")
    # A length of many digits is rejected without parsing; the server rejects invalid numbers.
    if len(announced) > len(str(most)) or int(announced) > most:
        raise _too_large(most)
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise _too_large(most)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(most: int) -> BodyTooLarge:
    # The rest of the body is not read, so the connection cannot serve another request.
    return BodyTooLarge(f"The body may have at most {most // 1024} KiB.", headers={"Connection": "close"})


def _listed(request: Request[Any], name: str) -> str:
    """Return a list header; several lines are joined (RFC 9110, 5.3)."""
    return ",".join(request.headers.getlist(name))


def matches_etag(request: Request[Any], etag: str) -> bool:
    """Return whether `If-None-Match` contains an ETag (weak comparison)."""
    held = _listed(request, "if-none-match")
    return held.strip() == "*" or etag.removeprefix("W/") in (tag.strip().removeprefix("W/") for tag in held.split(","))


def idempotency_key(request: Request[Any]) -> str | None:
    """Return the `Idempotency-Key`, if any; raise RepeatedKey if there are several."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise RepeatedKey("The Idempotency-Key header must be given once.")
    return keys[0] if keys else None


def incoming(request: Request[AnyState], body: Mapping[str, Any] = MappingProxyType({})) -> IncomingRequest:
    """Return the properties that identify a repeated request; raise RepeatedKey or InvalidKey."""
    key = idempotency_key(request)
    header = None if key is None else check_key(key)
    return IncomingRequest(header, request.scope["path"], body)


def if_match_versions(request: Request[Any]) -> frozenset[int] | None:
    """Return the document versions that `If-Match` accepts; None for any version."""
    header = _listed(request, "if-match")
    if header.strip() == "*" or "if-match" not in request.headers:
        return None
    matches = (_VERSION_TAG.fullmatch(tag.strip()) for tag in header.split(","))
    return frozenset(int(match[1]) for match in matches if match)
