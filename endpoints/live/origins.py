"""The web pages that may open a WebSocket."""


class Origins:
    """The origins that may open a WebSocket: those of the service, and those of the settings.

    :param allowed: origins such as `https://shop.example`, or `*` for any.
    """

    def __init__(self, *allowed: str) -> None:
        self._allowed = {origin.rstrip("/").lower() for origin in allowed}

    def allow(self, origin: str | None, host: str | None) -> bool:
        """Return whether a client may connect. Clients that are not browsers send no origin, and may.

        :param host: the requested host, so that pages of the service are allowed under each of its names.
        """
        if origin is None or "*" in self._allowed or origin.lower() in self._allowed:
            return True
        # Not parsed: parsing fails on invalid URLs.
        netloc = origin.lower().partition("://")[2]
        return bool(netloc) and host is not None and netloc == host.lower()
