"""The address of the client behind proxies.

Each proxy appends the address of its own client to `X-Forwarded-For`. Entries further left come from the request and
can be forged. So the client is the n-th entry from the right, where n is the number of proxies.
"""

from collections.abc import Awaitable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from app.config.proxy_headers import FORWARDED_FOR

# More than an address and its port need; the limit bounds the cache.
_LONGEST: Final = 100


class ClientAddress:
    """Replace the proxy's address in the scope with that of the client.

    :param proxies: the number of proxies in front of the service, at least one.
    """

    def __init__(self, app: ASGIApp, proxies: int) -> None:
        self.app = app
        self._proxies = proxies

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "lifespan":
            given = [value for name, value in scope["headers"] if name == FORWARDED_FOR]
            addresses = b",".join(given).rsplit(b",", self._proxies)[-self._proxies :]
            is_whole = bool(given) and len(addresses) == self._proxies and len(addresses[0]) <= _LONGEST
            client = _address_in(addresses[0]) if is_whole else None
            # A request that passed fewer proxies keeps the address of its connection.
            if client is not None:
                scope["client"] = (client, 0)
        return self.app(scope, receive, send)


@lru_cache(1_024)
def _address_in(entry: bytes) -> str | None:
    """Return the address of an entry without its port; None if it has no address."""
    text = entry.decode("latin-1").strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
