"""Messages to customers: send, list, retry and cancel."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from repositories.database.client import Database
from repositories.database.errors import read_deadline
from repositories.database.pages import Page, first_page
from repositories.journal.command import Command
from repositories.journal.journal import Journal
from repositories.journal.transaction import Outcome
from repositories.leadership.shared_journal import SharedJournal
from repositories.messaging.commands import CancelMessage, QueueMessage, RetryMessage, required_reads
from repositories.sharing.commands import AddLink
from schemas.core.collections import MESSAGES
from schemas.core.documents import Document
from schemas.core.principals import Actor
from schemas.core.public_ids import MESSAGE_PREFIX, new_id
from schemas.journal.idempotency import RequestKey, releasable_keys
from schemas.messaging.delivery import OutgoingMessage
from schemas.messaging.messages import NO_ATTACHMENT, Attachment, draft_message
from schemas.messaging.requests import MessageListing


class MessageRepository:
    """The messages of one store.

    :param outbox: the store whose processes send them: STORE_ID of the settings.
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
        self,
        message: OutgoingMessage,
        attachment: Attachment = NO_ATTACHMENT,
        keys: tuple[RequestKey, ...] = (),
        *,
        link: AddLink | None = None,
        actor: Actor,
    ) -> Outcome:
        """Put a message into the outbox. For a repeated request, the answer has the current state of that message.

        :param link: a link created with the message; its document becomes the attachment.
        :raises NotFound: the document does not exist or is no longer available.
        """
        message_id = new_id(MESSAGE_PREFIX, self._clock())
        if link is not None:
            attachment = Attachment(link.kind, link.document_id, link.link_id, link.expires_at)
            link = replace(link, message_id=message_id, retry_keys=tuple(releasable_keys(keys)))
        outcome = await self._submit(
            QueueMessage(message_id, draft_message(message, attachment), self._outbox, link, keys=keys, actor=actor)
        )
        return await self._with_current_state(outcome) if outcome.replayed else outcome

    async def retry(self, message_id: str, *, is_sure: bool = False, actor: Actor) -> Outcome:
        """Queue a message again that was not sent.

        :raises NotFound, IllegalTransition:
        """
        message = await self._find(message_id)
        return await self._submit(RetryMessage(message_id, required_reads(message or {}), is_sure, actor=actor))

    async def cancel(self, message_id: str, *, actor: Actor) -> Outcome:
        """Cancel a message that has not been sent.

        :raises NotFound, IllegalTransition:
        """
        return await self._submit(CancelMessage(message_id, actor=actor))

    async def page(self, listing: MessageListing) -> Page[Document]:
        """Return up to `listing.limit` messages after `listing.after`, newest first.

        :raises Unavailable: the database cannot be reached.
        """
        criteria: Document = {"store": self._store}
        criteria |= {} if not listing.states else {"state": {"$in": listing.states}}
        criteria |= {} if listing.document_id is None else {"document_id": listing.document_id}
        criteria |= {} if listing.after is None else {"_id": {"$lt": listing.after.id}}
        more = listing.limit + 1
        async with read_deadline():
            found = await self._collection.find(criteria).sort("_id", -1).limit(more).to_list(more)
        return first_page(found, listing.limit)

    async def _with_current_state(self, outcome: Outcome) -> Outcome:
        message = await self._find(outcome.answer["_id"])
        return outcome if message is None else outcome._replace(answer={**outcome.answer, "state": message["state"]})

    async def _find(self, message_id: str) -> Document | None:
        async with read_deadline():
            return await self._collection.find_one({"_id": message_id, "store": self._store})

    async def _submit(self, command: Command) -> Outcome:
        return await self._journal.submit(command)
