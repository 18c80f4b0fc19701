"""Problem documents (RFC 9457): the body of each error."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response

from endpoints.http.request_id import request_id

PROBLEM_JSON: Final = "application/problem+json"


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> Response:
    """Return a problem document. `detail` is always a string, since the existing app otherwise resends a POST."""
    content = problem_bytes(status, code, title, detail, request_id.get() or "", members)
    return Response(content, status, headers, PROBLEM_JSON)


#: `envelope.py` adds them to each response, and the server to errors that pass no middleware.
SECURITY_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def problem_bytes(
    status: int, code: str, title: str, detail: str, instance: str, members: Mapping[str, Any] | None = None
) -> bytes:
    """Return the JSON of a problem document; `instance` is the request id."""
    return orjson.dumps(
        {
            "type": f"urn:pos:problem:{code}",
            "title": title,
            "status": status,
            "detail": detail,
            "code": code,
            "instance": instance,
            **(members or {}),
        }
    )
