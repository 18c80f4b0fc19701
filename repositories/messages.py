"""Messages to customers, in the shop's words: asked for, listed, sent again, dropped."""

from collections.abc import Callable
from datetime import datetime

from repositories.commands import Command
from repositories.database import Database
from repositories.errors import answered
from repositories.journal import Journal
from repositories.link_commands import AddLink
from repositories.message_commands import Drop, Retry, Send
from repositories.shared_journal import SharedJournal
from repositories.transaction import Outcome
from schemas.documents import Document
from schemas.idempotency import RequestKey
from schemas.letters import Letter
from schemas.message_queries import MessageListing
from schemas.messages import MESSAGES, drafted
from schemas.principals import Actor
from schemas.public_ids import MESSAGE_PREFIX, new_id


class MessageRepository:
    """The messages of one store.

    :param outbox: the store whose processes send them: the one that the settings name.
    """

    def __init__(
        self,
        database: Database,
        store: str,
        outbox: str,
        journal: Journal | SharedJournal,
        clock: Callable[[], datetime],
    ) -> None:
        self._collection = database[MESSAGES]
        self._store = store
        self._outbox = outbox
        self._journal = journal
        self._clock = clock

    async def send(
        self, letter: Letter, link: AddLink | None = None, keys: tuple[RequestKey, ...] = (), *, by: Actor
    ) -> Outcome:
        """Puts a letter into the outbox. link: made with it, to the document that it is about.

        :raises NotFound: there is no such document.
        """
        about = (None, None) if link is None else (link.kind, link.document_id)
        message_id = new_id(MESSAGE_PREFIX, self._clock())
        return await self._submit(Send(message_id, drafted(letter, *about), self._outbox, link, keys, by))

    async def retry(self, message_id: str, *, is_sure: bool = False, by: Actor) -> Outcome:
        """:raises NotFound, IllegalTransition:"""
        return await self._submit(Retry(message_id, self._outbox, is_sure, by))

    async def drop(self, message_id: str, *, by: Actor) -> Outcome:
        """:raises NotFound, IllegalTransition:"""
        return await self._submit(Drop(message_id, by))

    async def newest(self, listing: MessageListing, limit: int) -> list[Document]:
        """Up to `limit` messages, the newest first, from `listing.after` on.

        :raises Unavailable: the database is away.
        """
        criteria: Document = {"store": self._store}
        criteria |= {} if listing.state is None else {"state": listing.state}
        criteria |= {} if listing.document_id is None else {"document_id": listing.document_id}
        criteria |= {} if listing.after is None else {"_id": {"$lt": listing.after.id}}
        async with answered():
            return await self._collection.find(criteria).sort("_id", -1).limit(limit).to_list(limit)

    async def _submit(self, command: Command) -> Outcome:
        return await self._journal.submit(command)
