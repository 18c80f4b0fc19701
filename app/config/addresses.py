"""Addresses that a process listens on."""

import socket
from typing import Final

#: What only this machine reaches.
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def try_to_listen(host: str, port: int) -> None:
    """Takes an address and leaves it again at once, as the service would take it.

    :raises OSError: it is taken (EADDRINUSE), not allowed (PermissionError), or not of this machine.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
