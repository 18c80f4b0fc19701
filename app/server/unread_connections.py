"""Connections whose peer takes nothing of what is sent to it: a limit of time, and a way to end one at once."""

import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import Collection
from typing import Any, Final

#: A peer that takes no byte for so long is gone, or means to hold what waits for it.
WRITE_SECONDS: Final = 30.0
# How often it is looked at meanwhile. Looks are counted, not seconds, so that a pause of the service ends nobody.
_LOOKS: Final = 6
# What the system keeps of an answer that is not taken; its own choice would go up to megabytes for each connection.
_SEND_BUFFER: Final = 256 * 1024
_AT_ONCE: Final = struct.pack("ii", 1, 0)
# Linux alone has it, as everything that the service is deployed on. `tcpi_bytes_acked` stands at this place of it.
_INFO: Final[int | None] = getattr(socket, "TCP_INFO", None)
_BYTES_ACKED: Final = struct.Struct("120xQ")


class UnreadWatch:
    """Ends each connection of a process whose peer took nothing at six looks in a row, while something waited for it.

    What lies in the buffers of the system counts, too, which no write of ours would ever wait for. `TCP_USER_TIMEOUT`
    would end clients with a small window that do take something: the system does not count small steps.
    """

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        # Of those that something waits for: how many bytes they have taken, and at how many looks it was as many.
        self._seen: dict[asyncio.Transport, tuple[int, int]] = {}

    def begin(self, connections: Collection[Any]) -> None:
        """Look at these connections from now on, as long as there are any.

        :param connections: the protocols of all that are open, now and later.
        """
        if self._timer is None and _INFO is not None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_SECONDS / _LOOKS, self._look, connections)

    def _look(self, connections: Collection[Any]) -> None:
        self._timer = None
        seen, self._seen = self._seen, {}
        for transport in [protocol.transport for protocol in connections]:
            taken = _taken(transport)
            if taken is None:
                continue
            before, looks = seen.get(transport, (-1, 0))
            looks = looks + 1 if taken == before else 0
            if looks >= _LOOKS:
                cut(transport)
            else:
                self._seen[transport] = (taken, looks)
        if connections:
            self.begin(connections)


def limit_writing(transport: asyncio.BaseTransport) -> None:
    """Have the system keep little for a peer that does not take what is sent to it."""
    sock = _socket_of(transport)
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


def cut(transport: asyncio.Transport) -> None:
    """End the connection now, and drop what was not taken, also from the buffers of the system."""
    sock = _socket_of(transport)
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


def _taken(transport: asyncio.Transport) -> int | None:
    """Return how many bytes the peer has taken; None where nothing waits for it."""
    sock = _socket_of(transport)
    if sock is None or _INFO is None:
        return None
    waiting = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]
    if not waiting and not transport.get_write_buffer_size():
        return None
    return int(_BYTES_ACKED.unpack(sock.getsockopt(socket.IPPROTO_TCP, _INFO, _BYTES_ACKED.size))[0])


def _socket_of(transport: asyncio.BaseTransport) -> socket.socket | None:
    """Return the socket of a TCP connection that is open."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    return sock if sock is not None and sock.fileno() >= 0 and sock.family != socket.AF_UNIX else None
