"""The check of `Host` and `Origin` of each request.

A web page can make a browser send requests to any address, also to a service on the same machine. It cannot change
the `Host` and `Origin` that the browser sends. A foreign page appears in `Origin`, and a name that was pointed to
this address (DNS rebinding) in `Host`. An open service also checks both addresses of the connection, since the server
may listen on more addresses than the settings say.
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from app.config.addresses import LOOPBACK
from app.config.proxy_headers import FORWARDED_FOR, is_of_a_proxy, names_another_machine
from app.config.settings import Settings
from app.middleware.errors import on_refusal
from endpoints.live.origins import Origins
from schemas.core.errors import ShopError
from schemas.live.close_codes import FORBIDDEN
from schemas.live.protocol import SUBPROTOCOL

#: Platforms call these by IP address.
PROBES: Final = frozenset({"/livez", "/readyz", "/health"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_REMEMBERED: Final = 1_024
_LONGEST_HOST: Final = 300
_LONGEST_WAY: Final = 4_096


class WrongHost(ShopError):
    """`Host` is not a name of this service."""

    status, code, title = 400, "wrong_host", "Not a name of this service"


class ForeignOrigin(ShopError):
    """A foreign web page tries to change something."""

    status, code, title = 403, "foreign_origin", "Not from this page"


class LoopbackOnly(ShopError):
    """The service is open, so only its own machine may use it, and the request came from another one."""

    status, code, title = 403, "only_this_machine", "Open to its own machine only"


_WRONG_HOST: Final = WrongHost(
    "The service does not answer by this name. If it should, put the name into PUBLIC_BASE_URL or ALLOWED_HOSTS."
)
_FOREIGN: Final = ForeignOrigin(
    "This web page may not change anything here. If it should, put its origin into CORS_ORIGINS."
)
_ELSEWHERE: Final = LoopbackOnly(
    "Sign-in is off, so the service answers only its own machine. To let other machines in, set PUBLIC_BASE_URL to "
    "its address and SECRET_KEY to a secret of 32 characters or more. Then users must sign in."
)


class HostOriginGuard:
    """Accept requests with a known host, and changes from known origins only.

    :param origins: the pages that may change something.
    """

    def __init__(self, app: ASGIApp, settings: Settings, origins: Origins) -> None:
        self.app = app
        self._names = {settings.public_host, *(host.strip("[]") for host in settings.allowed_hosts)}
        self._origins = origins
        self._is_for_this_machine = settings.is_open and not settings.is_insecure
        self._trusts_proxies = settings.trusted_proxies > 0
        self._is_ours: Callable[[bytes, str], bool] = lru_cache(_MOST_REMEMBERED)(self._knows)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        refusal = None if scope["type"] == "lifespan" else self._refusal(scope)
        return self.app(scope, receive, send) if refusal is None else refuse(refusal, scope, receive, send)

    def _refusal(self, scope: Scope) -> ShopError | None:
        host, origin, forwarded, hosts = b"", None, None, 0
        for name, value in scope["headers"]:
            if name == b"host":
                host, hosts = value, hosts + 1
            elif name == b"origin":
                origin = value
            elif name == FORWARDED_FOR:
                forwarded = value if forwarded is None else b",".join((forwarded, value))
        if self._is_for_this_machine and (
            not _is_of_this_machine(scope, forwarded) or self._is_forwarded(scope, forwarded)
        ):
            return _ELSEWHERE
        if scope["path"] in PROBES:
            return None
        if hosts != 1 or len(host) > _LONGEST_HOST or not self._is_ours(host, _own_address(scope)):
            return _WRONG_HOST
        # The WebSocket endpoint refuses foreign pages itself, with a close code that they can read.
        if origin is None or scope["type"] == "websocket" or scope["method"] in _SAFE:
            return None
        is_known = self._origins.allow(origin.decode("latin-1"), host.decode("latin-1"))
        return None if is_known else _FOREIGN

    def _is_forwarded(self, scope: Scope, forwarded: bytes | None) -> bool:
        """Return whether a proxy forwards for another client. A trusted one names it in `X-Forwarded-For`."""
        signs = [value for name, value in scope["headers"] if is_of_a_proxy(name)]
        if self._trusts_proxies and forwarded is not None:
            return any(names_another_machine(value) for value in signs)
        return bool(signs)

    def _knows(self, host: bytes, address: str) -> bool:
        """Return whether a `Host` names this service, which the request reached at this address."""
        name = _name_of(host.decode("latin-1").lower())
        return name in self._names or (is_loopback(address) and (name in LOOPBACK or is_loopback(name)))


async def refuse(error: ShopError, scope: Scope, receive: Receive, send: Send, code: int = FORBIDDEN) -> None:
    """Answer with an error. A WebSocket is closed with the code after the handshake, so that browsers can read it."""
    if scope["type"] == "http":
        response = await on_refusal(HTTPConnection(scope), error)
        await response(scope, receive, send)
        return
    await receive()
    chosen = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": []})
    await send({"type": "websocket.close", "code": code, "reason": error.title})


@lru_cache(_MOST_REMEMBERED)
def is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


def _is_of_this_machine(scope: Scope, forwarded: bytes | None) -> bool:
    client = scope["client"]
    if client is None or not is_loopback(client[0]) or not is_loopback(_own_address(scope)):
        return False
    # A proxy on this machine forwards requests of other machines.
    if forwarded is None:
        return True
    # The address that the proxy adds is the last one, so none is lost.
    way = forwarded.decode("latin-1").split(",") if len(forwarded) <= _LONGEST_WAY else [""]
    return all(is_loopback(each.strip()) for each in way)


def _own_address(scope: Scope) -> str:
    server = scope["server"]
    return "" if server is None else str(server[0])


def _name_of(host: str) -> str:
    """Return the name in a `Host`, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")
