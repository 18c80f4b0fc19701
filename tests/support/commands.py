"""`pos` as an operator runs it: processes on a shop's store, or on an empty database."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from repositories.database.client import Database
from schemas.archive.format import ArchiveWriter, Manifest
from tests.server.test_startup import POS, ROOT, environment
from tests.support.archives import busy_week, empty_database
from tests.support.forked_pos import ForkedPos, forked_pos_of_tests
from tests.support.shop import DATABASE, Shop

Process = subprocess.CompletedProcess[str]


@pytest.fixture
async def books(shop: Shop) -> Shop:
    """Return a shop with documents of each kind."""
    await busy_week(shop)
    return shop


@pytest.fixture
async def target(mongodb_url: str) -> AsyncIterator[Database]:
    async with empty_database(mongodb_url) as database:
        yield database


@pytest.fixture(scope="session")
def forked_pos() -> ForkedPos:
    return forked_pos_of_tests()


@pytest.fixture
def pos(mongodb_url: str, shop: Shop, forked_pos: ForkedPos) -> Any:
    """Return a function that runs `pos` on the shop's store, or on another one."""

    def command(*arguments: object, database: str = DATABASE, **changes: str) -> Process:
        names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": database, "STORE_ID": shop.store, "COLUMNS": "200"}
        return forked_pos.run(*map(str, arguments), environment=environment(**{**names, **changes}))

    return command


@pytest.fixture
def pos_process(mongodb_url: str, shop: Shop) -> Any:
    """Return a function that starts `pos`, for a test that interrupts it."""

    async def start(*arguments: object, database: str = DATABASE, **options: Any) -> asyncio.subprocess.Process:
        names = environment(MONGODB_URL=mongodb_url, DATABASE_NAME=database, STORE_ID=shop.store)
        return await asyncio.create_subprocess_exec(*POS, *map(str, arguments), cwd=ROOT, env=names, **options)

    return start


def empty_archive(store: str = "main") -> bytes:
    """Return the archive of an empty store."""
    counts = {"estimates": 0, "orders": 0, "counters": 1}
    writer = ArchiveWriter()
    opening = writer.opening(Manifest(store, "Asia/Kolkata", "INR", 0, "ab12", "2026-11-24", "POS backend", counts))
    return opening + writer.documents("counters", [{"_id": store, "head": 0}]) + writer.closing()


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def refusal(process: Process) -> str:
    assert process.returncode == 1, process.stdout
    assert "Traceback" not in process.stderr
    return " ".join(process.stderr.split())
