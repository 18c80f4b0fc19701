"""Messages between processes of one user on one machine: pickles over a Unix socket."""

import asyncio
import logging
import os
import pickle
import socket
import struct
from abc import ABC, abstractmethod
from typing import Any, Final, cast

_LENGTH: Final = struct.Struct("!I")
_CREDENTIALS: Final = struct.Struct("3i")

logger = logging.getLogger("pos.journal")


def connect(address: str) -> socket.socket:
    """Connect to a Unix socket without waiting. (uvloop does not accept abstract addresses.)"""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def peer_user(connection: socket.socket) -> int:
    """Return the user id of the process at the other end, as the kernel knows it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    return int(user)


class MessageProtocol(asyncio.Protocol, ABC):
    """A protocol of lists of messages, each list a pickle preceded by its length.

    All messages of one iteration of the event loop are sent as one list: the outcomes of a group are one write.
    """

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[Any] = []
        self._incoming = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        user = peer_user(transport.get_extra_info("socket"))
        # A pickle can run code as this user, which a process of the same user can do anyway.
        if user != os.getuid():
            logger.warning("The socket of the shared journal belongs to user %d; it is not used.", user)
            transport.close()
        else:
            self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.closed.set()

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        self._incoming += data
        while len(self._incoming) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._incoming)[0]
            if len(self._incoming) < end:
                return
            messages = pickle.loads(self._incoming[_LENGTH.size : end])  # noqa: S301  (see connection_made)
            del self._incoming[:end]
            for message in messages:
                self.received(*message)

    @abstractmethod
    def received(self, number: int, content: Any) -> None:
        """Handle a message."""

    def send(self, number: int, content: Any) -> None:
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append((number, content))

    def close(self) -> None:
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None:
            content = pickle.dumps(self._outgoing, pickle.HIGHEST_PROTOCOL)
            self._transport.write(_LENGTH.pack(len(content)) + content)
        self._outgoing.clear()
