"""Clients as bare sockets that ask for something and do not read what comes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

#: What the system takes for a client that does not read is little, so that the server soon notices.
_SMALL = 4_096
_ESTABLISHED = 1


async def send_get(port: int, path: str, headers: Mapping[str, str] | None = None) -> socket.socket:
    """A client that has sent a GET, and has read nothing of the answer."""
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", port))
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *(f"{n}: {v}" for n, v in (headers or {}).items())]
    await loop.sock_sendall(client, "".join(f"{line}\r\n" for line in (*lines, "")).encode())
    return client


@asynccontextmanager
async def non_reading_clients(
    port: int, path: str, count: int = 1, headers: Mapping[str, str] | None = None
) -> AsyncIterator[list[socket.socket]]:
    """So many of them; all are closed in the end."""
    clients = [await send_get(port, path, headers) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


async def answer_begins(client: socket.socket) -> bytes:
    """The first line of an answer, of which nothing else is read."""
    return await asyncio.get_running_loop().sock_recv(client, 15)


async def is_cut(client: socket.socket, seconds: float = 10) -> bool:
    """Whether what comes ends without the last chunk, by which a client knows that it has all of it."""
    loop = asyncio.get_running_loop()
    last = b""
    try:
        async with asyncio.timeout(seconds):
            while piece := await loop.sock_recv(client, 1 << 20):
                last = (last + piece)[-5:]
    except ConnectionError:
        return True
    return last != b"0\r\n\r\n"


async def ended(client: socket.socket, seconds: float = 20) -> None:
    """Waits until the system knows that the connection is over, of which nothing is read."""
    async with asyncio.timeout(seconds):
        while client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED:
            await asyncio.sleep(0.02)
