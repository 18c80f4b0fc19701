"""What providers tell later of what they have taken: delivered, read, failed.

It may come before it is written that they have taken it. So it is kept first and looked at then, and whoever writes
that down looks whether anything was kept: one of the two finds the other.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from pymongo import ASCENDING

from repositories.database import NEWS, Database
from repositories.errors import answered
from repositories.message_commands import Report
from schemas.documents import Document
from schemas.messages import MESSAGES

#: For how long news of what nobody knows is kept: providers have other customers' messages to tell of, too.
_KEPT: Final = timedelta(hours=1)
_MOST: Final = 20


class News:
    """
    :param clock: the present instant, UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._messages = database[MESSAGES]
        self._kept = database[NEWS]
        self._clock = clock

    async def keep(
        self, provider: str, provider_id: str, state: str, at: datetime, error: Document | None
    ) -> Document | None:
        """Keeps a piece of news; the message that it is of, where that is known.

        :raises Unavailable: the database is away.
        """
        piece = {"provider": provider, "provider_id": provider_id, "state": state, "at": at, "error": error}
        async with answered():
            await self._kept.insert_one({**piece, "expires_at": self._clock() + _KEPT})
            return await self._messages.find_one({"provider_id": provider_id, "provider": provider})

    async def reports(self, message: Document) -> list[Report]:
        """What was kept of a message, in the order in which it came.

        :raises Unavailable: the database is away.
        """
        criteria = {"provider_id": message["provider_id"], "provider": message["provider"]}
        async with answered():
            kept = await self._kept.find(criteria).sort("_id", ASCENDING).to_list(_MOST)
        return [Report(message["_id"], each["provider_id"], each["state"], each["at"], each["error"]) for each in kept]
