"""Logs: one line an occurrence, JSON for machines or text for people, and nothing that a customer said in any of them.

Whatever is logged through `logging`, by us or by uvicorn, goes through one formatter. Of an exception it shows the
types and the frames, never the message: what a message quotes may be a name or a phone number.
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

#: What libraries say below these levels quotes what they were given: addresses, commands; of uvicorn headers, frames.
_LIBRARIES: Final = logging.WARNING
_UVICORN: Final = logging.INFO
#: uvicorn's lines on WebSockets, which name the whole address with its query.
_ADDRESSES: Final = '%s - "WebSocket'

_MOST_CAUSES: Final = 8

Fields = MutableMapping[str, Any]


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Sends all that is logged in this process to one place, in one format."""
    root = logging.getLogger()
    root.handlers = [_handler(settings.log_format, stream)]
    root.setLevel(_LIBRARIES)
    level = level_of(settings)
    logging.getLogger("pos").setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(max(level, _UVICORN))
    # Ours takes its place: see `access_log.py`.
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False


def handler() -> logging.Handler:
    """What `logging.json` names: for uvicorn's own process that watches over the workers."""
    try:
        log_format = read_settings().log_format
    except InvalidSettings:
        # The workers will say so.
        log_format = "auto"
    return _handler(log_format)


def level_of(settings: Settings) -> int:
    """The number of the level; `trace` is for uvicorn, and is `debug` to everyone else."""
    level = settings.log_level.upper()
    return logging.DEBUG if level == "TRACE" else logging.getLevelNamesMapping()[level]


def shows_requests(settings: Settings) -> bool:
    """Whether there is a line for each request."""
    return level_of(settings) <= logging.INFO


def is_json(log_format: str, stream: TextIO) -> bool:
    """Whether lines to this stream are for machines."""
    return log_format == "json" or (log_format == "auto" and not stream.isatty())


def text_renderer(stream: TextIO) -> structlog.typing.Processor:
    """Lines for people."""
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
    # The lines after it show the task with its exception's message.
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
    """Where an exception came from, and what that came from: frames and types, without values."""
    parts: list[str] = []
    each: BaseException | None = error
    while each is not None and len(parts) < 2 * _MOST_CAUSES:
        frames = "".join(traceback.format_tb(each.__traceback__))
        parts += [f"{frames}{safe_error_text(each)}", "which came from"]
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return "\n".join(parts[:-1])
