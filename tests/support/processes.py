"""Servers as processes: started, stopped, killed, restarted on the same port."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx

from tests.server.test_startup import ROOT, environment
from tests.support.forked_pos import ForkedProcess, forked_pos_of_tests
from tests.support.ports import free_port
from tests.support.shop import DATABASE


class Service:
    """One `pos serve`.

    :param names: settings, by their environment variables.
    :ivar program: the arguments of Python, for another program than `pos`.
    """

    program: ClassVar[tuple[str, ...]] = ()

    def __init__(self, mongodb_url: str, store: str, *options: str, **names: str) -> None:
        self.port = free_port()
        self._arguments = ("serve", "--port", str(self.port), *options)
        self._prefix: tuple[str, ...] = ()
        self._environment = environment(
            **{
                "MONGODB_URL": mongodb_url,
                "DATABASE_NAME": DATABASE,
                "STORE_ID": store,
                "LOG_LEVEL": "warning",
                **names,
            }
        )
        self._process: ForkedProcess | asyncio.subprocess.Process | None = None

    def under(self, *command: str) -> None:
        """Start the server by another command, which passes on its arguments and limits."""
        self._prefix = command

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def megabytes(self) -> float:
        """Return the present memory of the process."""
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    async def start(self) -> None:
        """Start the server, and wait until it answers."""
        # A new process group, so that its workers can be killed too.
        if self.program or self._prefix:
            command = (*self._prefix, sys.executable, *(self.program or ("-m", "app")), *self._arguments)
            self._process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=self._environment, start_new_session=True
            )
        else:
            self._process = forked_pos_of_tests().start(
                *self._arguments, environment=self._environment, files=[0, 1, 2], new_session=True
            )
        async with httpx.AsyncClient() as client, asyncio.timeout(120):
            while True:
                try:
                    if (await client.get(f"{self.url}/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    assert self._process.returncode is None, "the server ended"
                await asyncio.sleep(0.05)

    async def stop(self) -> int:
        """Stop the server with SIGTERM, as a platform does, and return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), 25)

    async def kill(self) -> None:
        """Kill the server and its workers, as a power cut does."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


@asynccontextmanager
async def services(
    mongodb_url: str, store: str, count: int, *options: str, **names: str
) -> AsyncIterator[list[Service]]:
    """Run several servers on one store.

    :param names: settings, by their environment variables.
    """
    servers = [Service(mongodb_url, store, *options, **names) for _ in range(count)]
    try:
        # The first prepares the database for the others.
        await servers[0].start()
        await asyncio.gather(*(server.start() for server in servers[1:]))
        yield servers
    finally:
        await asyncio.gather(*(server.kill() for server in servers))


async def post_until_answered(
    client: httpx.AsyncClient, urls: list[str], path: str, body: Any, key: str, seconds: float = 60
) -> Any:
    """Send a POST as a till does: unchanged, to each server in turn, until one accepts it."""
    async with asyncio.timeout(60):
        for attempt in range(10_000):
            try:
                url = urls[attempt % len(urls)] + path
                response = await client.post(url, json=body, headers={"Idempotency-Key": key}, timeout=10)
                if response.status_code in (200, 201):
                    return response.json()["data"]
                assert response.status_code == 503, response.text
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
    raise AssertionError("no server answered")
