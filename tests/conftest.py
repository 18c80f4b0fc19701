"""What the tests stand on: one real mongod for the run, and real servers, each with a shop of its own."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from app.local_mongod import find_mongod, local_mongod
from tests.shop import OpenShop, Shop, opened


@pytest.fixture(scope="session")
def mongodb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a mongod that runs as long as the tests do."""
    folder: Path = tmp_path_factory.mktemp("mongod")
    with local_mongod(folder, executable=find_mongod(), extra=("--setParameter", "enableTestCommands=1")) as url:
        yield url


@pytest.fixture
async def open_shop(mongodb_url: str) -> AsyncIterator[OpenShop]:
    """Opens shops: `await open_shop(clock=…, timezone=…)`. Each has a store of its own, unless it is told one.

    When the test is over, the books of every shop are checked: a test that leaves a difference fails.
    """
    async with AsyncExitStack() as stack:

        async def open_one(**options: Any) -> Shop:
            options.setdefault("store_id", f"test-{secrets.token_hex(6)}")
            return await stack.enter_async_context(opened(mongodb_url, **options))

        yield open_one


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    """One shop, empty, in Kolkata."""
    return await open_shop()
