"""What nobody foresaw, told to Sentry where `SENTRY_DSN` is set: types and frames of an exception, and the route;
nothing that a customer or a till said."""

import asyncio
from typing import Any, Final

from starlette.types import Scope

from app import __version__
from app.config.settings import InvalidSettings
from app.middleware.observation import route_of
from endpoints.http.request_id import request_id

_FLUSH_SECONDS: Final = 2.0
#: What stays of an event; all else may hold what somebody typed.
_KEPT: Final = ("event_id", "timestamp", "platform", "level", "exception", "tags", "release", "sdk")

Json = dict[str, Any]


class ErrorReports:
    """Reports to one Sentry project.

    :raises InvalidSettings: the package for it is not installed, or cannot read the DSN.
    """

    def __init__(self, dsn: str) -> None:
        try:
            import sentry_sdk
            from sentry_sdk.utils import event_from_exception
        except ImportError as error:
            raise InvalidSettings(
                "SENTRY_DSN is set, but its package is missing: pip install '.[sentry]', or unset it."
            ) from error
        try:
            # Nothing is collected by itself (`send_default_pii` is off unless set), and what is told is scrubbed.
            self._client = sentry_sdk.Client(
                dsn,
                release=__version__,
                default_integrations=False,
                auto_enabling_integrations=False,
                auto_session_tracking=False,
                include_local_variables=False,
                max_request_body_size="never",
                before_send=scrubbed,
            )
        except ValueError:
            # Its reason would quote the address, of which the key is a part.
            raise InvalidSettings("A setting is wrong. SENTRY_DSN: must be a Sentry project's DSN.") from None
        self._event_of = event_from_exception

    def capture(self, error: Exception, scope: Scope) -> None:
        """Sends it, from a thread of the client's own."""
        event, hint = self._event_of(error, client_options=self._client.options)
        event["tags"] = {"route": route_of(scope), "method": scope["method"], "request_id": request_id.get() or ""}
        self._client.capture_event(event, hint)

    async def close(self) -> None:
        """Sends what waits, for two seconds at the most."""
        await asyncio.to_thread(self._client.close, _FLUSH_SECONDS)


def scrubbed(event: Any, _: Json) -> Any:
    """The event without messages, variables, addresses and whatever else may quote a customer."""
    kept = {name: event[name] for name in _KEPT if name in event}
    for exception in kept.get("exception", {}).get("values", ()):
        exception["value"] = ""
        for frame in exception.get("stacktrace", {}).get("frames", ()):
            frame.pop("vars", None)
    return kept
