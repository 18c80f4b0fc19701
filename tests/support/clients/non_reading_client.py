"""Clients as raw sockets that send a request and do not read the answer."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

#: A small receive buffer, so that the server soon notices that the client does not read.
_SMALL = 4_096
_ESTABLISHED = 1


async def send_get(port: int, path: str, headers: Mapping[str, str] | None = None) -> socket.socket:
    """Send a GET, and return the socket without reading."""
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
    """Open clients that do not read, and close them at the end."""
    clients = [await send_get(port, path, headers) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


async def answer_begins(client: socket.socket) -> bytes:
    """Return the first line of an answer, and read no more."""
    return await asyncio.get_running_loop().sock_recv(client, 15)


async def is_cut(client: socket.socket, seconds: float = 10) -> bool:
    """Return whether the answer ends without the last chunk, which marks its end."""
    loop = asyncio.get_running_loop()
    last = b""
    try:
        async with asyncio.timeout(seconds):
            while piece := await loop.sock_recv(client, 1 << 20):
                last = (last + piece)[-5:]
    except ConnectionError:
        return True
    return last != b"0\r\n\r\n"


async def wait_until_closed(client: socket.socket, seconds: float = 20) -> None:
    """Wait until the kernel knows that the connection is closed, without reading."""
    async with asyncio.timeout(seconds):
        while client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED:
            await asyncio.sleep(0.02)
