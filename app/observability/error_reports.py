"""Reports of unexpected exceptions to Sentry, if `SENTRY_DSN` is set: types and frames of an exception, and the
route; no data of customers or clients."""

import asyncio
from typing import Any, Final

from starlette.types import Scope

from app import __version__
from app.config.settings import InvalidSettings
from app.middleware.observation import route_of
from endpoints.http.request_id import request_id

_FLUSH_SECONDS: Final = 2.0
#: The members of an event that are kept. All others may contain user input.
_KEPT: Final = ("event_id", "timestamp", "platform", "level", "exception", "tags", "release", "sdk")

Json = dict[str, Any]


class ErrorReports:
    """Report to one Sentry project.

    :raises InvalidSettings: the package is not installed, or cannot read the DSN.
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
            # No data are collected automatically (`send_default_pii` is off by default), and events are scrubbed.
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
            # The message would quote the DSN, which contains the key.
            raise InvalidSettings("A setting is wrong. SENTRY_DSN: must be a Sentry project's DSN.") from None
        self._event_of = event_from_exception

    def capture(self, error: Exception, scope: Scope) -> None:
        """Send an exception, from a thread of the client."""
        event, hint = self._event_of(error, client_options=self._client.options)
        event["tags"] = {"route": route_of(scope), "method": scope["method"], "request_id": request_id.get() or ""}
        self._client.capture_event(event, hint)

    async def close(self) -> None:
        """Send the waiting reports, for two seconds at most."""
        await asyncio.to_thread(self._client.close, _FLUSH_SECONDS)


def scrubbed(event: Any, _: Json) -> Any:
    """Return the event without messages, variables, addresses and other members that may quote customer data."""
    kept = {name: event[name] for name in _KEPT if name in event}
    for exception in kept.get("exception", {}).get("values", ()):
        exception["value"] = ""
        for frame in exception.get("stacktrace", {}).get("frames", ()):
            frame.pop("vars", None)
    return kept
