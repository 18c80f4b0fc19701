"""Fixtures of all tests: one real mongod for the run, and shops with real servers."""

import asyncio
import gc
import math
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from rich.progress import Progress, track

from app.database.local_mongod import find_mongod, local_mongod
from repositories.auditing.verification import verify
from repositories.database.client import Client, close_in_background, connect
from tests.support.board_page import browser, screen  # noqa: F401
from tests.support.commands import books, forked_pos, pos, pos_process, target  # noqa: F401
from tests.support.legacy.import_command import import_legacy, own  # noqa: F401
from tests.support.shop import OpenShop, Shop, opened

# Test clocks show other months: mongod would delete documents that count as expired in the middle of a test.
_SETTINGS = ("--setParameter", "enableTestCommands=1", "--setParameter", "ttlMonitorEnabled=false")

#: Fixtures, and names of modules, functions and classes.
_STARTERS = {
    *("mongodb_url", "browser", "pos_process", "local_mongod", "opened", "serving", "replica_set"),
    *("subprocess", "Workers", "POS", "small_disk"),
}

# The speed of generating examples depends on the shared machine, not on the service.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ordinary", _PATIENT, max_examples=40)
settings.register_profile("soak", _PATIENT, max_examples=500)


@dataclass(frozen=True)
class LongRun:
    """Whether endurance tests run long (`pytest --soak`), or short as in an ordinary run.

    :ivar seed: of all random choices; `--seed` repeats a run.
    :ivar minutes: the limit after which a long run of one test begins no further round.
    """

    is_long: bool
    seed: int
    minutes: float = math.inf

    def rounds(self, short: int, long: int) -> Iterator[int]:
        """Yield the numbers of the rounds, with a progress bar in a long run."""
        until = time.monotonic() + 60 * self.minutes
        for number in track(range(long), transient=True) if self.is_long else range(short):
            if number and time.monotonic() > until:
                return
            yield number

    def minutes_of(self, short: float, long: float) -> Iterator[float]:
        """Yield the seconds that are left, until the time is over."""
        seconds = 60 * (min(long, self.minutes) if self.is_long else short)
        until = time.monotonic() + seconds
        with Progress(transient=True, disable=not self.is_long) as progress:
            task = progress.add_task("Soaking", total=seconds)
            while (left := until - time.monotonic()) > 0:
                progress.update(task, completed=seconds - left)
                yield left


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the endurance tests for hours")
    parser.addoption("--soak-minutes", type=float, default=math.inf, help="the most minutes for each endurance test")
    parser.addoption("--seed", type=int, help="the seed of random choices in the endurance tests")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("soak" if config.getoption("--soak") else "ordinary")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests as `pure` if neither their fixtures nor the names in their module start a process or a database."""
    for item in items:
        if isinstance(item, pytest.Function) and not _STARTERS & {*item.fixturenames, *vars(item.module)}:
            item.add_marker("pure")


def pytest_collection_finish() -> None:
    # So that the garbage collector does not visit thousands of tests again and again.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def long_run(request: pytest.FixtureRequest) -> LongRun:
    seed = request.config.getoption("--seed")
    return LongRun(
        bool(request.config.getoption("--soak")),
        secrets.randbelow(10**6) if seed is None else seed,
        request.config.getoption("--soak-minutes"),
    )


@pytest.fixture(scope="session")
def mongodb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a mongod for all tests, and yield its address."""
    folder: Path = tmp_path_factory.mktemp("mongod")
    with local_mongod(folder, executable=find_mongod(), extra=_SETTINGS) as url:
        yield url


@pytest.fixture(scope="session")
async def raw_client(mongodb_url: str) -> AsyncIterator[Client]:
    """Yield a client of the database, with which tests inspect collections."""
    client = connect(mongodb_url)
    yield client
    close_in_background(client)


@pytest.fixture(scope="session")
async def closing() -> AsyncIterator[set[asyncio.Task[None]]]:
    """Yield the tasks that close shops. This takes a tenth of a second each, so the next test does not wait for it."""
    tasks: set[asyncio.Task[None]] = set()
    yield tasks
    await asyncio.gather(*tasks)


@pytest.fixture
async def open_shop(mongodb_url: str, raw_client: Client, closing: set[asyncio.Task[None]]) -> AsyncIterator[OpenShop]:
    """Yield a function that opens shops: `await open_shop(clock=…, timezone=…)`, by default each with its own store.

    At the end, check the books of every shop: a test that leaves a difference fails.
    """
    stack = AsyncExitStack()
    shops: list[Shop] = []

    async def open_one(**options: Any) -> Shop:
        options.setdefault("store_id", f"test-{secrets.token_hex(6)}")
        shops.append(await stack.enter_async_context(opened(mongodb_url, client=raw_client, **options)))
        return shops[-1]

    try:
        yield open_one
        for shop in shops:
            # The books can be checked only while nothing is written.
            await shop.state["dispatcher"].stop()
        for shop in shops:
            assert await verify(shop.database, shop.store) == []
    finally:
        closing.add(asyncio.create_task(stack.aclose()))


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    """Return an empty shop in Kolkata."""
    return await open_shop()
