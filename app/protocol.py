"""uvicorn's HTTP protocol, with its own refusals as JSON too: the existing app resends what is not."""

from typing import Final
from uuid import uuid4

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import PROBLEM_JSON

_DETAIL: Final = "The request is not valid HTTP."


class JsonHttpProtocol(HttpToolsProtocol):
    """Answers what is not HTTP with a problem document instead of plain text."""

    def send_400_response(self, msg: str) -> None:
        request_id = uuid4().hex
        content = orjson.dumps(
            {
                "type": "urn:pos:problem:invalid_http",
                "title": "Not valid HTTP",
                "status": 400,
                "detail": _DETAIL,
                "code": "invalid_http",
                "instance": request_id,
            }
        )
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            f"content-type: {PROBLEM_JSON}\r\n"
            f"x-request-id: {request_id}\r\n"
            f"content-length: {len(content)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + content)
        self.transport.close()
