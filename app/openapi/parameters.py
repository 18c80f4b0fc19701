"""Path parameters and headers that many operations share, for the API description."""

from typing import Any, Final

from endpoints import documentation
from endpoints.reporting import board
from schemas.journal.idempotency import MAX_KEY
from schemas.live.protocol import SINCE

Json = dict[str, Any]

_INTEGER: Final[Json] = {"type": "integer", "minimum": 0}
_NUMBER: Final[Json] = {
    "description": "`%23001`, `001` or `1`.",
    "schema": {"type": "string", "minLength": 1, "examples": ["1"]},
}

PATH_PARAMETERS: Final[dict[str, Json]] = {
    "estimate_id": {"description": "The public id of an estimate, `EST-…`."},
    "order_id": {"description": "The public id of an order, `ORDER-…`."},
    "customer_id": {"description": "The public id of a customer, `CUST-…`."},
    "estimate_number": _NUMBER,
    "sale_number": _NUMBER,
    "link_id": {
        "description": "The id of a public link, `LINK-…`.",
        "schema": {"type": "string", "minLength": 1, "examples": ["LINK-01KAX3"]},
    },
    "token": {
        "description": "The secret part of a public link.",
        "schema": {"type": "string", "minLength": 1, "examples": ["HjDRhi5FN3iYO3GJOqVvoNbt2CTCDhdu"]},
    },
    "user_id": {
        "description": "The id of a user, `USER-…`.",
        "schema": {"type": "string", "minLength": 1, "examples": ["USER-OWNER"]},
    },
    "device_id": {
        "description": "The id of a device, `DEVICE-…`.",
        "schema": {"type": "string", "minLength": 1, "examples": ["DEVICE-01KAX3M5Q2T7V9WXYZ0123456A"]},
    },
    "asset": {"description": "A file of the page.", "schema": {"type": "string", "enum": list(documentation.ASSETS)}},
    "file": {"description": "A file of the page.", "schema": {"type": "string", "enum": list(board.ASSETS)}},
}

REQUEST_HEADERS: Final[dict[str, Json]] = {
    "Idempotency-Key": {
        "description": "Names this request: with the same key it is done once, however often it is sent.",
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    },
    "If-Match": {"description": "The `ETag` of the document as the client holds it: refused if it has changed since."},
    "If-None-Match": {"description": "The `ETag` of the answer that the client holds: 304 if nothing has changed."},
    "Last-Event-ID": {
        "description": "The place after which to go on: the `id` of the last event.",
        "schema": {"type": "string", "pattern": f"^({SINCE.pattern})?$"},
    },
    "X-Store": {
        "description": "The store that is meant, where the sign-in is for all of them.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    },
    "X-Request-ID": {"description": "The client's own name for the request, which comes back; else it is given one."},
}

RESPONSE_HEADERS: Final[dict[str, Json]] = {
    "Allow": {"description": "The methods that the address takes."},
    "Cache-Control": {"description": "Whether the answer may be kept."},
    "Content-Disposition": {"description": "A name for the file."},
    "ETag": {"description": "Of a document its version, for `If-Match`; of all else for `If-None-Match`."},
    "Idempotent-Replayed": {
        "description": "The request was done before; this is the answer of then.",
        "schema": {"type": "string", "const": "true"},
    },
    "Link": {"description": 'Where the next page is: `<…>; rel="next"`. Not on the last page.'},
    "Retry-After": {"description": "Seconds after which to ask again.", "schema": _INTEGER},
    "WWW-Authenticate": {"description": "How to sign in."},
    "X-Next-Cursor": {"description": "The `cursor` of the next page. Not on the last page."},
    "X-Request-ID": {"description": "The name of the request, also in the log.", "schema": {"type": "string"}},
    "X-Stream-Position": {"description": "The `seq` that the answer is at least as new as.", "schema": _INTEGER},
}
