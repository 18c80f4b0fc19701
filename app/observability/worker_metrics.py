"""The metrics of all workers of a server. A scraper cannot choose a worker, so the worker that it reaches asks the
others over local sockets.

Each line names its worker. A worker that does not answer is left out, so its absence is visible.
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
    """The metrics of this worker and its siblings.

    :param family: the parent process of the workers; None if there is only one process.
    """

    media_type = Metrics.media_type

    def __init__(self, metrics: Metrics, family: int | None) -> None:
        self._metrics = metrics
        # The system removes an abstract socket with its process, so no cleanup is needed.
        self._prefix = f"pos-metrics-{os.getuid()}-{family}-"
        self._is_alone = family is None or sys.platform != "linux"
        self._server: asyncio.Server | None = None

    @classmethod
    def of_this_server(cls, metrics: Metrics) -> "WorkerMetrics":
        """Return the metrics of a worker that uvicorn started, or of a server with one process."""
        parent = parent_process()
        return cls(metrics, None if parent is None else parent.pid)

    async def start(self) -> None:
        """Start to answer the other workers."""
        if not self._is_alone:
            self._server = await asyncio.start_unix_server(self._answer, f"\0{self._prefix}{os.getpid()}-{id(self)}")

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def text(self) -> bytes:
        """Return the metrics of all workers in Prometheus' text format."""
        own = await self._own()
        if self._is_alone:
            return own
        names = await asyncio.to_thread(self._others)
        return merged([own, *await asyncio.gather(*map(_ask, names))])

    async def _own(self) -> bytes:
        # In a thread, since it takes some milliseconds.
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
            # The other worker has disconnected.
            pass
        finally:
            writer.close()


async def _ask(name: str) -> bytes:
    """Return the metrics of a worker; empty if it does not answer in time, or belongs to another user."""
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
    """Return several texts as one, with the lines of each metric together, as the format requires."""
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
