"""Whom a request came from, where proxies stand before the service.

Each proxy adds the address that it was asked from at the right end of `X-Forwarded-For`. What stands further left came
with the request, and can be anything. So the client is as many from the right as there are proxies.
"""

from collections.abc import Awaitable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from app.config.proxy_headers import FORWARDED_FOR

# Far more than an address and its port take: what is remembered is bounded.
_LONGEST: Final = 100


class ClientAddress:
    """Puts the client's address in the place of the proxy's.

    :param proxies: how many stand before the service, one at least.
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
            # A request that passed fewer proxies keeps the address of whoever handed it over.
            if client is not None:
                scope["client"] = (client, 0)
        return self.app(scope, receive, send)


@lru_cache(1_024)
def _address_in(entry: bytes) -> str | None:
    """The address, without the port that some proxies add; None where there is none."""
    text = entry.decode("latin-1").strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
