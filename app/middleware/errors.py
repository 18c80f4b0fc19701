"""The one place that maps exceptions to responses: RFC 9457 problem documents, always JSON."""

import http
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.middleware.observation import route_of
from app.problem_details import problem
from repositories.database.deadlines import current_deadline
from repositories.database.errors import DatabaseRefused, Unavailable, safe_error_text
from schemas.core.errors import ShopError

logger = logging.getLogger("pos")

Report = Callable[[Exception, Scope], None]


class RouteNotFound(ShopError):
    status, code, title = 404, "route_not_found", "Not Found"


class MethodNotAllowed(ShopError):
    status, code, title = 405, "method_not_allowed", "Method Not Allowed"


class InternalError(ShopError):
    status, code, title = 500, "internal_error", "Something went wrong"


_OF_THE_ROUTER: Final[dict[int, ShopError]] = {
    404: RouteNotFound("No route has this path."),
    405: MethodNotAllowed("This path does not support that method."),
}
_UNFORESEEN: Final = InternalError("The service failed unexpectedly. Please try again.")


async def on_refusal(connection: HTTPConnection, error: Exception) -> Response:
    assert isinstance(error, ShopError)  # noqa: S101  (for the type checker: the table below says so)
    if type(error) is Unavailable and (deadline := current_deadline.get()) is not None:
        # Its subclasses are already the right answer. A command that was sent may have been executed.
        error = deadline.error_for(error)
    if error.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        _warn(connection.scope, error)
    return problem(error.status, error.code, error.title, error.detail, headers=error.headers, members=error.members)


def _warn(scope: Scope, error: ShopError) -> None:
    logger.warning("%s: %s", route_of(scope), safe_error_text(error.__cause__ or error))


async def on_http_exception(_: HTTPConnection, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    known = _OF_THE_ROUTER.get(error.status_code)
    if known is not None:
        return problem(known.status, known.code, known.title, known.detail, headers=error.headers)
    title = http.HTTPStatus(error.status_code).phrase
    code = title.lower().replace(" ", "_")
    return problem(error.status_code, code, title, title + ".", headers=error.headers)


EXCEPTION_HANDLERS: Final[dict[Any, Any]] = {ShopError: on_refusal, HTTPException: on_http_exception}


class ErrorGuard:
    """Answer unexpected exceptions with a JSON 500 without details, inside CORS, so that browsers can read it.

    It also ends a refused start with a sentence instead of a traceback.

    :param report: receives each unexpected exception.
    """

    def __init__(self, app: ASGIApp, report: Report = lambda *_: None) -> None:
        self.app = app
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._start(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        def watch(message: Message) -> Awaitable[None]:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            return send(message)

        try:
            await self.app(scope, receive, watch)
        except ClientDisconnect:
            logger.info("The client disconnected during %s %s", scope["method"], route_of(scope))
        except Exception as error:
            if started and isinstance(error.__cause__, ShopError):
                # An error after the begin of the response, which Starlette cannot send any more.
                _warn(scope, error.__cause__)
                return
            logger.exception("Unexpected error in %s %s", scope["method"], route_of(scope))
            self._report(error, scope)
            if started:
                # The connection must break, to show the client that the response is incomplete.
                raise
            response = problem(_UNFORESEEN.status, _UNFORESEEN.code, _UNFORESEEN.title, _UNFORESEEN.detail)
            await response(scope, receive, send)

    async def _start(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def explain(message: Message) -> None:
            # Starlette sends this message while it handles the exception of the start.
            if message["type"] == "lifespan.startup.failed" and isinstance(error := sys.exception(), DatabaseRefused):
                message = {**message, "message": str(error)}
            await send(message)

        await self.app(scope, receive, explain)
