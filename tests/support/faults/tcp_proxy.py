"""A line between a server and its database that can be cut, delayed, swallowed and half closed."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_CHUNK = 65_536


@dataclass
class TcpProxy:
    """Every connection through the proxy.

    delay: seconds that each piece waits, either way. swallows: whether what is sent arrives nowhere. cuts_after: is
    given each piece that goes to the database, and says whether the line is cut once that piece is on its way, before
    any answer. cut: how often that happened.
    """

    port: int
    host: str = "127.0.0.1"
    delay: float = 0.0
    swallows: bool = False
    cuts_after: Callable[[bytes], bool] = lambda _: False
    cut: int = 0
    own_port: int = 0
    # In the order in which they came, so that a seed chooses the same ones again.
    _writers: dict[asyncio.StreamWriter, None] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Straight to the proxy: a driver that looks for the members of the set would find its way around it."""
        return f"mongodb://127.0.0.1:{self.own_port}/?directConnection=true"

    def cut_all(self) -> None:
        """Every connection breaks; new ones are taken."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def cut_one(self, chance: random.Random) -> bool:
        """One connection breaks; False, where there is none."""
        if self._writers:
            chance.choice(tuple(self._writers)).transport.abort()
        return bool(self._writers)

    async def half_close(self) -> None:
        """Every connection says that it will send nothing more, and still hears."""
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
            # Cut, or half closed while there was more to say (for which asyncio has a RuntimeError).
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
            if self.swallows:
                continue
            target.write(piece)
            await target.drain()
            if is_request and self.cuts_after(piece):
                self.cut += 1
                # The piece must have left before the line breaks.
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
