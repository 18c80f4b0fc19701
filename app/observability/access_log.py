"""The access log: a line a request.

A request takes a fraction of a millisecond of this process, so its line may not cost much: it is rendered by orjson,
and the lines of one turn of the event loop, in which a whole group of sales is answered, are written together.
"""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson

from app.middleware.observation import RequestRecord
from app.observability.logs import is_json, text_renderer
from endpoints.http.request_id import request_id

_JSON: Final = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE

Render = Callable[[dict[str, Any]], bytes]


class AccessLog:
    """Observes requests, and writes of each: method, address in the route table, status, milliseconds, request id.

    :param log_format: as the setting `LOG_FORMAT`.
    """

    def __init__(self, log_format: str, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._render: Render = _json if is_json(log_format, self._stream) else _text(self._stream)
        self._lines: list[bytes] = []

    def __call__(self, exchange: RequestRecord) -> None:
        fields = {
            "timestamp": datetime.now(UTC),
            "level": "error" if exchange.is_fault else "info",
            "event": "request",
            "method": exchange.method,
            "route": exchange.route,
            "status": exchange.status,
            "ms": round(exchange.ended * 1000, 2),
            "request_id": request_id.get(),
        }
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        self._lines.append(self._render(fields))

    def flush(self) -> None:
        """Writes what waits."""
        lines, self._lines = self._lines, []
        self._stream.write(b"".join(lines).decode())
        self._stream.flush()


def _json(fields: dict[str, Any]) -> bytes:
    return orjson.dumps(fields, option=_JSON)


def _text(stream: TextIO) -> Render:
    render = text_renderer(stream)

    def rendered(fields: dict[str, Any]) -> bytes:
        shown = {
            "timestamp": f"{fields['timestamp'].astimezone():%H:%M:%S}",
            "level": fields["level"],
            "event": "{method} {route} {status}".format_map(fields),
            "ms": fields["ms"],
            "request_id": fields["request_id"],
        }
        return f"{render(None, '', shown)!s}\n".encode()

    return rendered
