"""The guard of each route: authenticates the client, checks its role, and selects the store."""

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import QueryParams
from starlette.endpoints import HTTPEndpoint
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from endpoints.accounts.authentication import Authenticator
from endpoints.accounts.permissions import Roles
from endpoints.http.errors import Forbidden
from endpoints.http.operations import Operation
from schemas.core.errors import InvalidQuery
from schemas.core.principals import Principal

_MOST_NAMED, _LONGEST_NAME = 20, 100
_METHODS: Final = ("get", "post", "put", "delete", "patch")


class Guard:
    """Admits permitted clients to a route. It sets `request.state.principal` and the state of the store.

    :param access: method -> roles, None for any client. The handler rejects other methods.
    :param takes_tickets: whether `?ticket=` is accepted instead of a header.
    :param asked: the query parameters that a POST accepts; None: any.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Mapping[str, Roles | None],
        *,
        takes_tickets: bool = False,
        asked: frozenset[str] | None = frozenset(),
    ) -> None:
        self._app = app
        self._access = {**access, "HEAD": access.get("GET")}
        self._takes_tickets = takes_tickets
        self._asked = asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        roles = self._access.get(scope["method"])
        if roles is None:
            self._check_query(scope)
            await self._app(scope, receive, send)
            return
        await admit(scope, roles, takes_tickets=self._takes_tickets)
        self._check_query(scope)
        state = scope["state"]
        # Until the response is sent: a list may be streamed for a long time.
        with state["stores"].in_use(state["store"]):
            await self._app(scope, receive, send)

    def _check_query(self, scope: Scope) -> None:
        if scope["query_string"] and scope["method"] == "POST" and self._asked is not None:
            refuse_unknown(scope["query_string"], self._asked)


def refuse_unknown(query: bytes, known: frozenset[str]) -> None:
    """Reject unknown query parameters, so that they are not ignored silently.

    :raises InvalidQuery: names them.
    """
    unknown = [name[:_LONGEST_NAME] for name in QueryParams(query) if name not in known]
    if unknown:
        raise InvalidQuery(
            f"{unknown[0]}: is not taken in the address of this request.",
            [{"pointer": f"/{name}", "detail": "is not taken in the address"} for name in unknown[:_MOST_NAMED]],
        )


async def admit(scope: Scope, roles: Roles, *, takes_tickets: bool = False) -> Principal:
    """Authenticate a request, check the role, and switch `request.state` to the store of the request.

    :raises NotSignedIn, SignInExpired: see `Authenticator.principal`.
    :raises TooManyRequests: the rate limit of the credential is reached.
    :raises Forbidden: the role or the store is not permitted.
    :raises NoSuchStore: the store does not exist.
    """
    state = scope["state"]
    authenticator: Authenticator = state["authenticator"]
    client = scope["client"]
    address = None if client is None else client[0]
    ticket = _ticket_of(scope) if takes_tickets else None
    if ticket is None:
        principal, asked = await authenticator.principal(scope["headers"], address), None
    else:
        principal, asked = await authenticator.of_ticket(ticket, address)
    if principal.credential is not None:
        await state["rate_limits"].count_request(principal.credential)
    store = admitted(principal, roles, asked or _store_asked(scope))
    if store is not None and store != state["store"]:
        state.update(await state["stores"].state(store))
    state["principal"] = principal
    return principal


def admitted(principal: Principal, roles: Roles, asked: str | None) -> str | None:
    """Return the store of a request; None for that of the settings.

    :param asked: the requested store, if any.
    :raises Forbidden: the role or the store is not permitted.
    """
    if principal.access_role not in roles:
        raise Forbidden
    if principal.store is None:
        return asked
    if asked is not None and asked != principal.store:
        raise Forbidden("Your sign-in belongs to another store.")
    return principal.store


def _store_asked(scope: Scope) -> str | None:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-store"), None)


def _ticket_of(scope: Scope) -> str | None:
    query = scope["query_string"]
    return QueryParams(query).get("ticket") if b"ticket=" in query else None


class GuardedRoute(Route):
    """A route of the API with its guard.

    :ivar roles: method -> permitted roles, None for any client.
    """

    def __init__(
        self,
        path: str,
        endpoint: type[HTTPEndpoint],
        roles: Mapping[str, Roles | None],
        *,
        takes_tickets: bool = False,
        takes_any_query: bool = False,
    ) -> None:
        """Guard an endpoint.

        :param takes_tickets: whether `?ticket=` is accepted instead of a header.
        :param takes_any_query: whether a POST may have unknown query parameters: for webhooks.
        :raises LookupError: the roles and the handler name different methods.
        """
        super().__init__(path, endpoint)
        handled = {method.upper() for method in _METHODS if hasattr(endpoint, method)}
        if handled != set(roles):
            raise LookupError(f"{path}: the route table names {set(roles)}, the handler {handled}.")
        self.roles = roles
        self.takes_any_query = takes_any_query
        query = None if takes_any_query else _query_members(endpoint)
        self.app = Guard(self.app, roles, takes_tickets=takes_tickets, asked=query)


def route(
    path: str,
    endpoint: type[HTTPEndpoint],
    *,
    takes_tickets: bool = False,
    takes_any_query: bool = False,
    **roles: Roles | None,
) -> GuardedRoute:
    """Return a row of the route table: `route("/api/orders/{order_id}", Order, GET=ALL, DELETE=OWNERS)`."""
    return GuardedRoute(path, endpoint, roles, takes_tickets=takes_tickets, takes_any_query=takes_any_query)


def _query_members(endpoint: type[HTTPEndpoint]) -> frozenset[str]:
    """Return the query parameters that a POST to an endpoint accepts."""
    operation: Operation | None = getattr(getattr(endpoint, "post", None), "operation", None)
    query = None if operation is None else operation.query
    return frozenset() if query is None else frozenset(query.load_fields)
