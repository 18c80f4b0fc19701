"""The one place where exceptions become answers: RFC 9457 problem documents, from every layer, always JSON."""

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
from repositories.database.deadlines import current
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
    404: RouteNotFound("There is nothing at this address."),
    405: MethodNotAllowed("This address does not take that method."),
}
_UNFORESEEN: Final = InternalError("Something went wrong on our side. Please try again.")


async def on_refusal(connection: HTTPConnection, error: Exception) -> Response:
    """A refusal of the shop's own."""
    assert isinstance(error, ShopError)  # noqa: S101  (for the type checker: the table below says so)
    if type(error) is Unavailable and (deadline := current.get()) is not None:
        # A command that was sent before the database went away may have been carried out.
        error = deadline.error_for(error)
    if error.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        _warn(connection.scope, error)
    return problem(error.status, error.code, error.title, error.detail, headers=error.headers, members=error.members)


def _warn(scope: Scope, error: ShopError) -> None:
    logger.warning("%s: %s", route_of(scope), safe_error_text(error.__cause__ or error))


async def on_http_exception(_: HTTPConnection, error: Exception) -> Response:
    """What the router refuses."""
    assert isinstance(error, HTTPException)  # noqa: S101
    known = _OF_THE_ROUTER.get(error.status_code)
    if known is not None:
        return problem(known.status, known.code, known.title, known.detail, headers=error.headers)
    title = http.HTTPStatus(error.status_code).phrase
    code = title.lower().replace(" ", "_")
    return problem(error.status_code, code, title, title + ".", headers=error.headers)


EXCEPTION_HANDLERS: Final[dict[Any, Any]] = {ShopError: on_refusal, HTTPException: on_http_exception}


class ErrorGuard:
    """Turns what nobody foresaw into a JSON 500 that gives nothing away, inside CORS, so that browsers can read it.

    :param report: is told of it too.

    It also lets a start that is refused end in a sentence instead of a traceback.
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
            # There is nobody left to answer.
            logger.info("The client went away during %s %s", scope["method"], route_of(scope))
        except Exception as error:
            # Half an answer cannot be taken back: the connection breaks, which a client notices.
            if started and isinstance(error.__cause__, ShopError):
                # A refusal that came too late for Starlette to send it.
                _warn(scope, error.__cause__)
                return
            logger.exception("Unforeseen error in %s %s", scope["method"], route_of(scope))
            self._report(error, scope)
            if started:
                raise
            response = problem(_UNFORESEEN.status, _UNFORESEEN.code, _UNFORESEEN.title, _UNFORESEEN.detail)
            await response(scope, receive, send)

    async def _start(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def explain(message: Message) -> None:
            # Starlette sends this while it handles the exception that ended the start.
            if message["type"] == "lifespan.startup.failed" and isinstance(error := sys.exception(), DatabaseRefused):
                message = {**message, "message": str(error)}
            await send(message)

        await self.app(scope, receive, explain)
