"""`X-Request-ID`: taken over from the client where it is plain and short, made anew otherwise, and sent back."""

from typing import Final

from asgi_correlation_id import CorrelationIdMiddleware

MAX_LENGTH: Final = 128


class RequestId(CorrelationIdMiddleware):
    """Without the package's extension, which would look for Sentry in each request wherever that is installed."""

    def __post_init__(self) -> None:
        self.validator = _is_plain
        self.transformer = None
        self.sentry_extension = _nobody


def _is_plain(text: str) -> bool:
    return 0 < len(text) <= MAX_LENGTH and text.isascii() and text.isprintable()


def _nobody(_: str) -> None:
    pass
