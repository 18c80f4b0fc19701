"""The writer of the access log and the WebSocket log."""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson

from app.observability.logs import is_json, text_renderer

_JSON: Final = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


class LineWriter:
    """Write log lines as JSON or as text, the lines of one turn of the event loop together.

    A request takes a fraction of a millisecond, so its line must be cheap: orjson renders it, and the lines of a whole
    group of sales are one write.
    """

    def __init__(self, log_format: str, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._text = None if is_json(log_format, self._stream) else text_renderer(self._stream)
        self._lines: list[bytes] = []

    @property
    def is_json(self) -> bool:
        return self._text is None

    def write(self, event: str, fields: dict[str, Any], level: str = "info") -> None:
        """Add a line, with the fields in their order."""
        now = datetime.now(UTC)
        if self._text is None:
            line = orjson.dumps({"timestamp": now, "level": level, "event": event, **fields}, option=_JSON)
        else:
            shown = {"timestamp": f"{now.astimezone():%H:%M:%S}", "level": level, "event": event, **fields}
            line = f"{self._text(None, '', shown)!s}\n".encode()
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        self._lines.append(line)

    def flush(self) -> None:
        """Write the waiting lines."""
        lines, self._lines = self._lines, []
        self._stream.write(b"".join(lines).decode())
        self._stream.flush()
