"""Connections whose client does not read: a time limit, and a way to end one at once."""

import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import Collection
from typing import Any, Final

#: A client that takes no byte for so long is gone, or wants to occupy memory.
WRITE_SECONDS: Final = 30.0
# Looks are counted, not seconds, so that a pause of the service ends no connection.
_LOOKS: Final = 6
# Bytes of an unread response in the system's buffer. The system's default goes up to megabytes for each connection.
_SEND_BUFFER: Final = 256 * 1024
_AT_ONCE: Final = struct.pack("ii", 1, 0)
# Only Linux has it, on which the service is deployed. This is the offset of `tcpi_bytes_acked`.
_INFO: Final[int | None] = getattr(socket, "TCP_INFO", None)
_BYTES_ACKED: Final = struct.Struct("120xQ")


class UnreadWatch:
    """End each connection whose client took no byte at six looks in a row, while data waited for it.

    Data in the system's buffers count too, which no write of the service would ever wait for. `TCP_USER_TIMEOUT`
    would also end clients with a small window that do read, since the system does not count small steps.
    """

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        # For each connection with waiting data: the bytes taken, and for how many looks this number is the same.
        self._seen: dict[asyncio.Transport, tuple[int, int]] = {}

    def begin(self, connections: Collection[Any]) -> None:
        """Watch these connections, the protocols of all open ones now and later, while there are any."""
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
    """Make the system buffer little for a client that does not read."""
    sock = _socket_of(transport)
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


def cut(transport: asyncio.Transport) -> None:
    """End the connection now, and drop unread data, also from the system's buffers."""
    sock = _socket_of(transport)
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()


def _taken(transport: asyncio.Transport) -> int | None:
    """Return how many bytes the client has taken; None if no data wait for it."""
    sock = _socket_of(transport)
    if sock is None or _INFO is None:
        return None
    waiting = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]
    if not waiting and not transport.get_write_buffer_size():
        return None
    return int(_BYTES_ACKED.unpack(sock.getsockopt(socket.IPPROTO_TCP, _INFO, _BYTES_ACKED.size))[0])


def _socket_of(transport: asyncio.BaseTransport) -> socket.socket | None:
    """Return the socket of an open TCP connection."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    return sock if sock is not None and sock.fileno() >= 0 and sock.family != socket.AF_UNIX else None
