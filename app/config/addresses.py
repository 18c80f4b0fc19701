"""Addresses to listen on."""

import socket
from typing import Final

#: Names that only this machine reaches.
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def try_to_listen(host: str, port: int) -> None:
    """Bind an address as the service would, and release it at once.

    :raises OSError: it is in use (EADDRINUSE), not allowed (PermissionError), or not an address of this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
