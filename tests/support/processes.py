"""Servers as processes of their own: started, stopped, killed, started again on the same port."""

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
from tests.support.ports import free_port
from tests.support.shop import DATABASE


class Service:
    """One `pos serve`. names: settings, from the environment. program: what Python runs, which is `pos`."""

    program: ClassVar[tuple[str, ...]] = ("-m", "app")

    def __init__(self, mongodb_url: str, store: str, *options: str, **names: str) -> None:
        self.port = free_port()
        self._command: tuple[str, ...] = (sys.executable, *self.program, "serve", "--port", str(self.port), *options)
        self._environment = environment(
            **{
                "MONGODB_URL": mongodb_url,
                "DATABASE_NAME": DATABASE,
                "STORE_ID": store,
                "LOG_LEVEL": "warning",
                **names,
            }
        )
        self._process: asyncio.subprocess.Process | None = None

    def under(self, *command: str) -> None:
        """Lets a command start it, which gives it what it has itself."""
        self._command = (*command, *self._command)

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
        """What its process holds in memory now."""
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    async def start(self) -> None:
        """Starts it, and waits until it answers."""
        # A group of its own, so that its workers can be killed with it.
        self._process = await asyncio.create_subprocess_exec(
            *self._command, cwd=ROOT, env=self._environment, start_new_session=True
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
        """Asks it to end, as a platform does; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), 25)

    async def kill(self) -> None:
        """Ends it as a power cut does, its workers too."""
        if self._process is not None and self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


@asynccontextmanager
async def services(
    mongodb_url: str, store: str, count: int, *options: str, **names: str
) -> AsyncIterator[list[Service]]:
    """Several servers on one store; all are dead in the end. names: settings, from the environment."""
    servers = [Service(mongodb_url, store, *options, **names) for _ in range(count)]
    try:
        # One prepares the database; the others find it prepared.
        await servers[0].start()
        await asyncio.gather(*(server.start() for server in servers[1:]))
        yield servers
    finally:
        await asyncio.gather(*(server.kill() for server in servers))


async def post_until_answered(
    client: httpx.AsyncClient, urls: list[str], path: str, body: Any, key: str, seconds: float = 60
) -> Any:
    """A POST as a till sends it: the very same again, to whichever server answers, until one says yes."""
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
    raise AssertionError("nobody answered")
