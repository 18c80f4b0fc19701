"""WebSocket clients as raw sockets, so that one process can open many, and a client can stop reading."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_SMALL = 4_096
_PING, _PONG = 9, 10
_SEQ = re.compile(rb'"seq":(\d+)')


def handshake(path: str = "/ws", *headers: str) -> bytes:
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *headers,
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


async def open_websocket(port: int, *headers: str, buffer: int | None = None) -> socket.socket:
    """Open a WebSocket.

    :param buffer: the size of the receive buffer in bytes, to make it small.
    """
    loop = asyncio.get_running_loop()
    client = socket.socket()
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(client, handshake("/ws", *headers))
    assert b" 101 " in await _head(client)
    return client


async def _head(client: socket.socket) -> bytes:
    """Read the answer to a handshake, without the frames that may follow it."""
    head = await asyncio.get_running_loop().sock_recv(client, 1)
    while not head.endswith(b"\r\n\r\n"):
        with suppress(BlockingIOError):
            waiting = client.recv(1_024, socket.MSG_PEEK)
            end = waiting.find(b"\r\n\r\n")
            head += client.recv(end + 4 if end >= 0 else len(waiting))
        await asyncio.sleep(0)
    return head


async def read_all(client: socket.socket, seconds: float = 10) -> bytes:
    """Return all bytes until the server closes the connection."""
    loop = asyncio.get_running_loop()
    data = bytearray()
    with suppress(ConnectionError):
        async with asyncio.timeout(seconds):
            while chunk := await loop.sock_recv(client, 1 << 20):
                data += chunk
    return bytes(data)


def frame(content: bytes, kind: int = 1, *, is_last: bool = True, reserved: int = 0) -> bytes:
    """Return a frame of a client, masked with zeros.

    :param kind: 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    :param reserved: bits that extensions use.
    """
    size = len(content)
    length = bytes([0x80 | size]) if size < 126 else b"\xff" + size.to_bytes(8)
    return bytes([(0x80 if is_last else 0) | reserved | kind]) + length + b"\0\0\0\0" + content


async def read_close_code(client: socket.socket, seconds: float = 20) -> int | None:
    """Return the code with which a server closes."""
    loop = asyncio.get_running_loop()
    data = b""
    async with asyncio.timeout(seconds):
        while (code := close_code(data)) is None and (chunk := await loop.sock_recv(client, 1 << 16)):
            data = (data + chunk)[-256:]
    return code


def close_code(data: bytes) -> int | None:
    """Return the code of the close frame at the end of received bytes; its reason must be short."""
    place = data.rfind(b"\x88", -127)
    return (
        int.from_bytes(data[place + 2 : place + 4]) if place >= 0 and len(data) == place + 2 + data[place + 1] else None
    )


@asynccontextmanager
async def stalled_clients(port: int, count: int) -> AsyncIterator[list[socket.socket]]:
    """Open clients that do not read."""
    clients = [await open_websocket(port, buffer=_SMALL) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


class ReadingClient:
    """A client that reads, and answers pings.

    :ivar seqs: the sequence numbers of the received events.
    """

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self._data = b""

    async def read(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while chunk := await loop.sock_recv(client, 1 << 16):
            self._data += chunk
            while (found := _first_frame(self._data)) is not None:
                kind, content, end = found
                self._data = self._data[end:]
                if kind == _PING:
                    await loop.sock_sendall(client, frame(content, _PONG))
                elif seq := _SEQ.search(content):
                    self.seqs.append(int(seq[1]))


def _first_frame(data: bytes) -> tuple[int, bytes, int] | None:
    """Return kind, content and end of the first received frame; None until it is complete."""
    if len(data) < 4:
        return None
    size, start = data[1], 2
    if size == 126:
        size, start = int.from_bytes(data[2:4]), 4
    end = start + size
    return (data[0] & 15, data[start:end], end) if len(data) >= end else None


@asynccontextmanager
async def reading_clients(port: int, count: int) -> AsyncIterator[list[ReadingClient]]:
    """Open clients that read."""
    readers = [ReadingClient() for _ in range(count)]
    clients = [await open_websocket(port) for _ in readers]
    tasks = [asyncio.create_task(reader.read(client)) for reader, client in zip(readers, clients, strict=True)]
    try:
        yield readers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in clients:
            client.close()
