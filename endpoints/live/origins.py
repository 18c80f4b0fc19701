"""The web pages that may open a WebSocket."""


class Origins:
    """The web pages that may open a socket: those of the service itself, and those that the settings name.

    :param allowed: origins as `https://shop.example`, or `*` for any.
    """

    def __init__(self, *allowed: str) -> None:
        self._allowed = {origin.rstrip("/").lower() for origin in allowed}

    def allow(self, origin: str | None, host: str | None) -> bool:
        """Whether a client from `origin` may come in. What is no browser sends none, and may.

        host: the address that it asked, so that a page of the service is allowed under every name that the service has.
        """
        if origin is None or "*" in self._allowed or origin.lower() in self._allowed:
            return True
        # Not parsed, which fails on what is no address at all.
        netloc = origin.lower().partition("://")[2]
        return bool(netloc) and host is not None and netloc == host.lower()
