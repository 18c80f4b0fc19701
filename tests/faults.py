"""Faults that the real mongod makes on demand (its `failCommand` failpoint)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from repositories.database import Database


@asynccontextmanager
async def failing(
    database: Database, *commands: str, times: int | None = None, skip: int | None = None, **how: Any
) -> AsyncIterator[None]:
    """The named commands fail: `times` times, or after the first `skip`, or always, until the block ends.

    how: `closeConnection=True`, `errorCode=…` with `errorLabels=[…]`, `blockConnection=True` with `blockTimeMS=…`, or
    `writeConcernError={…}`, which lets the command happen and only spoils its answer.
    """
    mode: Any = {"times": times} if times is not None else {"skip": skip} if skip is not None else "alwaysOn"
    admin = database.client.admin
    await admin.command("configureFailPoint", "failCommand", mode=mode, data={"failCommands": list(commands), **how})
    try:
        yield
    finally:
        await admin.command("configureFailPoint", "failCommand", mode="off")
