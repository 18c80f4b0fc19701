"""Connections whose peer takes nothing of what is sent to it: a limit of time, and a way to end one at once."""

import asyncio
import socket
import struct
from typing import Final

#: A peer that takes no byte for so long is gone, or means to hold what waits for it.
WRITE_SECONDS: Final = 30.0
# Linux alone has it, as everything that the service is deployed on.
_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)
# What the system keeps of an answer that is not taken; its own choice would go up to megabytes for each connection.
_SEND_BUFFER: Final = 256 * 1024
_AT_ONCE: Final = struct.pack("ii", 1, 0)


def limit_writing(transport: asyncio.BaseTransport) -> None:
    """Have the system keep little for a peer, and end the connection once that has taken nothing for a while.

    It counts what lies in the buffers of the system, too, which no write of ours would ever wait for, and neither a
    dead peer nor one whose window stays shut outlasts it (RFC 5482; `tcp(7)`).
    """
    sock = _socket_of(transport)
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    if _TIMEOUT is not None:
        sock.setsockopt(socket.IPPROTO_TCP, _TIMEOUT, round(1_000 * WRITE_SECONDS))


def cut(transport: asyncio.Transport) -> None:
    """End the connection now, and drop what was not taken, also from the buffers of the system."""
    sock = _socket_of(transport)
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


def _socket_of(transport: asyncio.BaseTransport) -> socket.socket | None:
    """Return the socket of a TCP connection that is open."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    return sock if sock is not None and sock.fileno() >= 0 and sock.family != socket.AF_UNIX else None
