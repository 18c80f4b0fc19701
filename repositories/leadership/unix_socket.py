"""Sockets between processes of one user on one machine, and what goes over them: lists of messages, as pickles."""

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
    """A connection to a socket of this machine, which comes at once or not at all. (uvloop takes no such address.)"""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def peer_user(connection: socket.socket) -> int:
    """Who is at the other end, as the system knows it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    return int(user)


class MessageProtocol(asyncio.Protocol, ABC):
    """Lists of messages between two processes of one user, each list a pickle behind its length.

    What is sent in one turn of the event loop goes as one list: the outcomes of a group are one message.
    """

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[Any] = []
        self._incoming = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        user = peer_user(transport.get_extra_info("socket"))
        # A pickle can do anything its sender can, which is nothing new where that is ourselves.
        if user != os.getuid():
            logger.warning("The socket of the shared journal is in the hands of user %d; not used.", user)
            transport.close()
        else:
            self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.gone.set()

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
        """A message has come."""

    def send(self, number: int, content: Any) -> None:
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append((number, content))

    def leave(self) -> None:
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None:
            content = pickle.dumps(self._outgoing, pickle.HIGHEST_PROTOCOL)
            self._transport.write(_LENGTH.pack(len(content)) + content)
        self._outgoing.clear()
