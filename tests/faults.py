"""Faults that the real mongod makes on demand (its `failCommand` failpoint)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from repositories.database import Database


@asynccontextmanager
async def failing(
    database: Database, *commands: str, times: int | None = None, skip: int | None = None, **how: Any
) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """The named commands fail: `times` times, or after the first `skip`, or always, until the block ends.

    how: `closeConnection=True`, `errorCode=…` with `errorLabels=[…]`, `blockConnection=True` with `blockTimeMS=…`, or
    `writeConcernError={…}`, which lets the command happen and only spoils its answer. Yields what tells whether a
    command has come to fail by now.
    """
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
