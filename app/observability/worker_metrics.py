"""The metrics of all the workers of one server. Whichever of them is asked asks the others, over sockets of this
machine, since a scraper cannot choose which one answers it.

Each line names its worker. One that is silent is left out, and so is seen to be missing.
"""

import asyncio
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing import parent_process
from pathlib import Path
from typing import Final

from app.observability.metrics import Metrics
from repositories.leadership.unix_socket import connect, peer_user

_PATIENCE_SECONDS: Final = 1.0
_SOCKETS: Final = Path("/proc/net/unix")


class WorkerMetrics:
    """The metrics of this worker and of those beside it.

    :param family: the process whose children belong together; None: there are no others.
    """

    media_type = Metrics.media_type

    def __init__(self, metrics: Metrics, family: int | None) -> None:
        self._metrics = metrics
        # The system frees the name with its owner, so there is nothing to clean up.
        self._prefix = f"pos-metrics-{os.getuid()}-{family}-"
        self._is_alone = family is None or sys.platform != "linux"
        self._server: asyncio.Server | None = None

    @classmethod
    def of_this_server(cls, metrics: Metrics) -> "WorkerMetrics":
        """Of a worker that uvicorn started, or of a server that is one process."""
        parent = parent_process()
        return cls(metrics, None if parent is None else parent.pid)

    async def start(self) -> None:
        """From now on the others get an answer."""
        if not self._is_alone:
            self._server = await asyncio.start_unix_server(self._answer, f"\0{self._prefix}{os.getpid()}-{id(self)}")

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        own = await self._own()
        if self._is_alone:
            return own
        names = await asyncio.to_thread(self._others)
        return merged([own, *await asyncio.gather(*map(_ask, names))])

    async def _own(self) -> bytes:
        # Some milliseconds, for which nobody who sells should wait.
        return await asyncio.to_thread(self._metrics.text)

    def _others(self) -> set[str]:
        own = f"{self._prefix}{os.getpid()}-{id(self)}"
        named = (line.rpartition(" @")[2] for line in _SOCKETS.read_text().splitlines())
        return {name for name in named if name.startswith(self._prefix) and name != own}

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await self._own())
            await writer.drain()
        except OSError:
            # It has stopped listening.
            pass
        finally:
            writer.close()


async def _ask(name: str) -> bytes:
    """What a worker says; nothing, where it says nothing in time, or is somebody else's."""
    with suppress(OSError, TimeoutError):
        connection = connect(f"\0{name}")
        if peer_user(connection) != os.getuid():
            connection.close()
            return b""
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await reader.read()
        finally:
            writer.close()
    return b""


def merged(texts: Iterable[bytes]) -> bytes:
    """Several texts as one, in which each metric stands together with its namesakes, as the format demands."""
    families: dict[bytes, list[bytes]] = {}
    for text in texts:
        family: list[bytes] = []
        for line in text.splitlines(keepends=True):
            if line.startswith(b"# HELP "):
                name = line.split(b" ", 3)[2]
                is_known = name in families
                family = families.setdefault(name, [])
            if not (line.startswith(b"#") and is_known):
                family.append(line)
    return b"".join(line for lines in families.values() for line in lines)
