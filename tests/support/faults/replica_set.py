"""A replica set of real mongods, which can be killed, suspended and restarted."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import PyMongoError

from app.database.local_mongod import find_mongod
from repositories.database.client import temporary_client
from tests.support.ports import free_port

Json = dict[str, Any]
NAME = "rs"


class ReplicaSet:
    """Members on loopback, each with its own folder.

    :param options: more options of mongod, for each member.
    """

    def __init__(self, folder: Path, members: int = 3, *options: str) -> None:
        self._folder = folder
        self._options = options
        self.ports = [free_port() for _ in range(members)]
        self._processes: dict[int, asyncio.subprocess.Process] = {}

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"mongodb://{hosts}/?replicaSet={NAME}"

    def client(self) -> AsyncIOMotorClient[Json]:
        """Return a new client."""
        return AsyncIOMotorClient(self.url, tz_aware=True, w="majority", journal=True)

    async def start(self) -> None:
        """Start the members, initiate the set, and wait for a primary."""
        await asyncio.gather(*(self.start_member(port) for port in self.ports))
        members = [{"_id": n, "host": f"127.0.0.1:{port}"} for n, port in enumerate(self.ports)]
        # A short election timeout, since there is no slow network here.
        settings = {"electionTimeoutMillis": 1_000, "heartbeatIntervalMillis": 250}
        config = {"_id": NAME, "members": members, "settings": settings}
        await asyncio.to_thread(self._command, self.ports[0], "replSetInitiate", config)
        await self.primary()

    async def start_member(self, port: int) -> float:
        """Start a member, wait until it answers, and return the moment (monotonic) at which its port opened."""
        data = self._folder / str(port)
        data.mkdir(exist_ok=True)
        self._processes[port] = await asyncio.create_subprocess_exec(
            *(
                str(find_mongod()),
                "--port",
                str(port),
                "--bind_ip",
                "127.0.0.1",
                "--nounixsocket",
                "--dbpath",
                str(data),
            ),
            *("--replSet", NAME, "--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25"),
            *("--logpath", str(data / "log"), "--logappend"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            *self._options,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(30):
            while not await _is_open(port):
                assert self.is_running(port), (data / "log").read_text()[-2_000:]
                await asyncio.sleep(0.01)
            opened = time.monotonic()
            while await asyncio.to_thread(self._hello, port) is None:
                await asyncio.sleep(0.05)
        return opened

    def is_running(self, port: int) -> bool:
        return self._processes[port].returncode is None

    async def primary(self) -> int:
        """Wait for a primary, and return its port."""
        async with asyncio.timeout(30):
            while True:
                for port in self.ports:
                    hello = await asyncio.to_thread(self._hello, port)
                    if hello is not None and hello["isWritablePrimary"]:
                        return port
                await asyncio.sleep(0.05)

    async def kill_primary(self) -> float:
        """Kill the primary, wait for the next one, restart the dead one, and return the moment of the kill."""
        port = await self.primary()
        died = time.monotonic()
        await self.kill(port)
        await self.primary()
        await self.start_member(port)
        return died

    async def kill(self, port: int) -> None:
        """Kill a member, as a power cut does."""
        self._processes[port].kill()
        await self._processes[port].wait()

    def send(self, port: int, signal: int) -> None:
        self._processes[port].send_signal(signal)

    async def step_down(self) -> float:
        """Let the primary step down for another member, and return the moment of the command."""
        port = await self.primary()
        began = time.monotonic()
        with suppress(PyMongoError):
            await asyncio.to_thread(self._command, port, "replSetStepDown", 5)
        return began

    async def stop(self) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()
                await process.wait()

    @staticmethod
    def _command(port: int, name: str, value: Any) -> Json:
        with temporary_client(
            f"mongodb://127.0.0.1:{port}", directConnection=True, serverSelectionTimeoutMS=500
        ) as client:
            return client.admin.command(name, value)

    def _hello(self, port: int) -> Json | None:
        try:
            return self._command(port, "hello", 1)
        except PyMongoError:
            return None


async def _is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def replica_set(members: int = 3, *options: str, folder: Path | None = None) -> AsyncIterator[ReplicaSet]:
    """Run a replica set.

    :param folder: for the data; None for a temporary folder.
    """
    with tempfile.TemporaryDirectory() as fresh:
        nodes = ReplicaSet(folder or Path(fresh), members, *options)
        try:
            await nodes.start()
            yield nodes
        finally:
            await nodes.stop()
