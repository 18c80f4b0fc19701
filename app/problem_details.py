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
    """A problem document. `detail` is always a string: the existing app resends a POST when it is not."""
    content = {
        "type": f"urn:pos:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "instance": request_id.get() or "",
        **(members or {}),
    }
    return Response(orjson.dumps(content), status, headers, PROBLEM_JSON)


#: As `security_headers.py` adds them: what is refused here never comes so far.
SECURITY_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


def problem_bytes(status: int, code: str, title: str, detail: str, request_id: str) -> bytes:
    """Return a problem document, for what is refused before there is a request."""
    return orjson.dumps(
        {
            "type": f"urn:pos:problem:{code}",
            "title": title,
            "status": status,
            "detail": detail,
            "code": code,
            "instance": request_id,
        }
    )
