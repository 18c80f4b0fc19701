"""The id of the request that is being served, for whatever is logged or kept of it."""

from contextvars import ContextVar
from typing import Final

#: None outside of any request.
request_id: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
