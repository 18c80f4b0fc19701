"""Real mongods as one replica set, whose members can be killed, stopped and come back."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from app.database.local_mongod import find_mongod
from tests.support.ports import free_port

Json = dict[str, Any]
NAME = "rs"


class ReplicaSet:
    """Members on loopback, on folders of their own. options: more of mongod's own, for each."""

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
        """A client of its own."""
        return AsyncIOMotorClient(self.url, tz_aware=True, w="majority", journal=True)

    async def start(self) -> None:
        """Starts the members, makes them a set, and waits for a primary."""
        await asyncio.gather(*(self.start_member(port) for port in self.ports))
        members = [{"_id": n, "host": f"127.0.0.1:{port}"} for n, port in enumerate(self.ports)]
        # Quick to notice a death, since nobody here waits for a slow network.
        settings = {"electionTimeoutMillis": 1_000, "heartbeatIntervalMillis": 250}
        config = {"_id": NAME, "members": members, "settings": settings}
        await asyncio.to_thread(self._command, self.ports[0], "replSetInitiate", config)
        await self.primary()

    async def start_member(self, port: int) -> float:
        """Starts one, and waits until it answers; the moment (monotonic) at which its port opened."""
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
        """The port of the member that takes writes, once there is one."""
        async with asyncio.timeout(30):
            while True:
                for port in self.ports:
                    hello = await asyncio.to_thread(self._hello, port)
                    if hello is not None and hello["isWritablePrimary"]:
                        return port
                await asyncio.sleep(0.05)

    async def kill_primary(self) -> float:
        """Kills the primary, waits for the next one, and brings the dead one back; the moment of its death."""
        port = await self.primary()
        died = time.monotonic()
        await self.kill(port)
        await self.primary()
        await self.start_member(port)
        return died

    async def kill(self, port: int) -> None:
        """As a power cut does."""
        self._processes[port].kill()
        await self._processes[port].wait()

    def send(self, port: int, signal: int) -> None:
        self._processes[port].send_signal(signal)

    async def step_down(self) -> float:
        """Makes the primary leave its place to another member; the moment at which it was told to."""
        port = await self.primary()
        told = time.monotonic()
        with suppress(PyMongoError):
            await asyncio.to_thread(self._command, port, "replSetStepDown", 5)
        return told

    async def stop(self) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()
                await process.wait()

    @staticmethod
    def _command(port: int, name: str, value: Any) -> Json:
        with MongoClient[Json](port=port, directConnection=True, serverSelectionTimeoutMS=500) as client:
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
    """:param folder: where the data lies, instead of in a folder that goes with it."""
    with tempfile.TemporaryDirectory() as fresh:
        nodes = ReplicaSet(folder or Path(fresh), members, *options)
        try:
            await nodes.start()
            yield nodes
        finally:
            await nodes.stop()
