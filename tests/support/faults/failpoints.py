"""Faults that the real mongod makes on demand (its `failCommand` failpoint)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from repositories.database.client import Database

#: Commands that say which collection they are for. Each open shop asks some of them by itself, again and again.
_OF_A_COLLECTION = {"find", "getMore", "aggregate", "insert", "update", "delete", "findAndModify"}


@asynccontextmanager
async def failing(
    database: Database,
    *commands: str,
    times: int | None = None,
    skip: int | None = None,
    is_alone: bool = False,
    **how: Any,
) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """The named commands fail: `times` times, or after the first `skip`, or always, until the block ends.

    how: `closeConnection=True`, `errorCode=…` with `errorLabels=[…]`, `blockConnection=True` with `blockTimeMS=…`, or
    `writeConcernError={…}`, which lets the command happen and only spoils its answer. Yields what tells whether a
    command has come to fail by now.

    The fail point is the whole mongod's. Where commands are counted, `namespace=` must say of which collection, else a
    poll of some shop in the background would be counted too; `is_alone` says that there is no open shop.
    """
    is_counted = times is not None or skip is not None
    is_certain = is_alone or "namespace" in how or not _OF_A_COLLECTION & set(commands)
    assert is_certain or not is_counted, "name the namespace of what is counted"
    mode: Any = {"times": times} if times is not None else {"skip": skip} if skip is not None else "alwaysOn"
    admin = database.client.admin

    async def is_reached() -> bool:
        parameters = await admin.command({"getParameter": 1, "failpoint.failCommand": 1})
        times: int = parameters["failpoint.failCommand"]["timesEntered"]
        return times > int(before["count"])

    data = {"failCommands": list(commands), **how}
    before = await admin.command("configureFailPoint", "failCommand", mode=mode, data=data)
    try:
        yield is_reached
    finally:
        await admin.command("configureFailPoint", "failCommand", mode="off")
