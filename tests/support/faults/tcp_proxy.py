"""A TCP proxy between a server and its database that can cut, delay, drop and half-close connections."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_CHUNK = 65_536


@dataclass
class TcpProxy:
    """All connections through the proxy.

    :ivar delay: seconds by which each piece of data is delayed, in both directions.
    :ivar swallows: whether all data is dropped.
    :ivar cuts_after: gets each piece of data to the database, and returns whether the connection is cut after it is
        sent.
    :ivar cut: how often that happened.
    """

    port: int
    host: str = "127.0.0.1"
    delay: float = 0.0
    drops: bool = False
    cuts_after: Callable[[bytes], bool] = lambda _: False
    cut: int = 0
    own_port: int = 0
    # In the order in which they were opened, so that a seed selects the same ones again.
    _writers: dict[asyncio.StreamWriter, None] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Return a URL with a direct connection, since a driver that discovers the members would bypass the proxy."""
        return f"mongodb://127.0.0.1:{self.own_port}/?directConnection=true"

    def cut_all(self) -> None:
        """Cut all connections; new ones are accepted."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def cut_one(self, chance: random.Random) -> bool:
        """Cut one connection. Return False if there is none."""
        if self._writers:
            chance.choice(tuple(self._writers)).transport.abort()
        return bool(self._writers)

    async def half_close(self) -> None:
        """Half-close all connections: they send no more, but still receive."""
        for writer in tuple(self._writers):
            if writer.can_write_eof() and not writer.is_closing():
                with suppress(OSError):
                    writer.write_eof()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer: None, back: None}
        try:
            await asyncio.gather(self._carry(reader, back, is_request=True), self._carry(there, writer))
        except (OSError, asyncio.IncompleteReadError, RuntimeError):
            # Cut, or half-closed with data left to send (asyncio raises RuntimeError then).
            pass
        finally:
            for end in (writer, back):
                self._writers.pop(end, None)
                end.transport.abort()

    async def _carry(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_request: bool = False
    ) -> None:
        while piece := await source.read(_CHUNK):
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.drops:
                continue
            target.write(piece)
            await target.drain()
            if is_request and self.cuts_after(piece):
                self.cut += 1
                # The piece must be sent before the cut.
                await asyncio.sleep(0.01)
                self.cut_all()
        if target.can_write_eof() and not target.is_closing():
            target.write_eof()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[TcpProxy]:
    line = TcpProxy(port)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.own_port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        line.cut_all()
