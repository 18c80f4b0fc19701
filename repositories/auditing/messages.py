"""The check of the outbox: each message has a known state, and only open messages are due."""

from typing import Final

from repositories.database.client import Database
from repositories.database.store_scope import store_filter
from schemas.core.collections import MESSAGES
from schemas.core.documents import Document
from schemas.messaging.messages import OPEN_STATES
from schemas.messaging.states import STATES

_MAX_LINES: Final = 20


async def check_messages(database: Database, store: str) -> list[str]:
    """Return the differences, one sentence each, without phone numbers, because differences are logged.

    :raises PyMongoError: callers translate.
    """
    fields = {"state": 1, "due_at": 1, "kind": 1, "document_id": 1}
    found: list[str] = []
    about: dict[str, set[str]] = {}
    async for message in database[MESSAGES].find({"store": store}, fields):
        found += _differences(message)
        if message["kind"] is not None:
            about.setdefault(message["kind"], set()).add(message["document_id"])
    for kind, ids in about.items():
        there = {
            each["_id"]
            async for each in database[kind].find({**store_filter(kind, store), "_id": {"$in": list(ids)}}, ["_id"])
        }
        found += [f"There are messages about {missing}, which does not exist." for missing in sorted(ids - there)]
    return found if len(found) <= _MAX_LINES else [*found[:_MAX_LINES], "… and more differences in the messages."]


def _differences(message: Document) -> list[str]:
    name, state = message["_id"], message["state"]
    if state not in STATES:
        return [f"Message {name} has the unknown state {state!r}."]
    if (state in OPEN_STATES) != (message["due_at"] is not None):
        return [f"Message {name} is {state}, but it is {'not' if state in OPEN_STATES else 'still'} due for a worker."]
    return []
