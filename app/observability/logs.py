"""Logs: one line for each entry, JSON for machines or text for people, without customer data.

One formatter handles everything that is logged through `logging`, also by uvicorn. It shows the types and frames of
an exception, but not its message, which may quote a name or a phone number.
"""

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import orjson
import structlog

from app.config.settings import InvalidSettings, Settings, read_settings
from endpoints.http.request_id import request_id
from repositories.database.errors import safe_error_text

#: Below these levels, libraries log their input: addresses and commands; uvicorn logs headers and frames.
_LIBRARIES: Final = logging.WARNING
_UVICORN: Final = logging.INFO
#: The beginning of uvicorn's lines about WebSockets, which contain the address with its query.
_ADDRESSES: Final = '%s - "WebSocket'

_MOST_CAUSES: Final = 8

Fields = MutableMapping[str, Any]


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send all log entries of this process to one stream, in one format."""
    root = logging.getLogger()
    root.handlers = [_handler(settings.log_format, stream)]
    root.setLevel(_LIBRARIES)
    level = level_of(settings)
    logging.getLogger("pos").setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(max(level, _UVICORN))
    # `access_log.py` replaces it.
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False


def handler() -> logging.Handler:
    """Return the handler that `logging.json` names, for uvicorn's supervisor process."""
    try:
        log_format = read_settings().log_format
    except InvalidSettings:
        # The workers report the error.
        log_format = "auto"
    return _handler(log_format)


def level_of(settings: Settings) -> int:
    """Return the number of the level. `trace` applies to uvicorn only, and is `debug` for all others."""
    level = settings.log_level.upper()
    return logging.DEBUG if level == "TRACE" else logging.getLevelNamesMapping()[level]


def shows_requests(settings: Settings) -> bool:
    """Return whether there is a line for each request."""
    return level_of(settings) <= logging.INFO


def is_json(log_format: str, stream: TextIO) -> bool:
    return log_format == "json" or (log_format == "auto" and not stream.isatty())


def text_renderer(stream: TextIO) -> structlog.typing.Processor:
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        exception_formatter=structlog.dev.plain_traceback,
        pad_event_to=48,
        sort_keys=False,
    )


def _handler(log_format: str, stream: TextIO | None = None) -> logging.Handler:
    chosen = stream or sys.stderr
    own: structlog.typing.Processor
    if is_json(log_format, chosen):
        own, stamp = structlog.processors.JSONRenderer(serializer=_json), structlog.processors.TimeStamper("iso")
    else:
        own, stamp = text_renderer(chosen), structlog.processors.TimeStamper("%H:%M:%S", utc=False)
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, own],
        foreign_pre_chain=[
            stamp,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            _add_request_id,
            _first_line_of_asyncio,
            _show_error,
        ],
    )
    made = logging.StreamHandler(chosen)
    made.setFormatter(formatter)
    made.addFilter(_names_no_address)
    return made


def _json(fields: Mapping[str, Any], **_: Any) -> str:
    return orjson.dumps(fields, default=str).decode()


def _names_no_address(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_ADDRESSES)


def _add_request_id(_: Any, __: str, fields: Fields) -> Fields:
    if (current := request_id.get()) is not None:
        fields["request_id"] = current
    return fields


def _first_line_of_asyncio(_: Any, __: str, fields: Fields) -> Fields:
    # The next lines show the task with the message of its exception.
    if fields["logger"] == "asyncio":
        fields["event"] = fields["event"].partition("\n")[0]
    return fields


def _show_error(_: Any, __: str, fields: Fields) -> Fields:
    error = fields.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        fields["exception"] = trace_of(error)
    return fields


def trace_of(error: BaseException) -> str:
    """Return the frames and types of an exception and its causes, without values."""
    parts: list[str] = []
    each: BaseException | None = error
    while each is not None and len(parts) < 2 * _MOST_CAUSES:
        frames = "".join(traceback.format_tb(each.__traceback__))
        parts += [f"{frames}{safe_error_text(each)}", "which came from"]
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return "\n".join(parts[:-1])
