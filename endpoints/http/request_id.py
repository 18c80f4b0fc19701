"""The id of the current request, for logs and stored changes."""

from contextvars import ContextVar
from typing import Final

#: None outside of any request.
request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
