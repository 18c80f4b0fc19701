"""Faults that the real mongod injects (its `failCommand` fail point)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from repositories.database.client import Database

#: Commands that name a collection. Each open shop sends some of them in the background.
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
    """Let commands fail: `times` times, or after the first `skip`, or always, until the block ends.

    The fail point affects the whole mongod. If commands are counted, `namespace=` must name their collection, since
    otherwise background polls of other shops are counted too.

    :param how: `closeConnection=True`, `errorCode=…` with `errorLabels=[…]`, `blockConnection=True` with
        `blockTimeMS=…`, or `writeConcernError={…}`, with which the command succeeds but its answer is an error.
    :param is_alone: there is no other open shop, so `namespace=` is not needed.
    :returns: a function that returns whether a command has failed so far.
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
