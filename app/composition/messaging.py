"""The construction of messaging: the outbox and its dispatcher."""

import asyncio
from typing import Final, TypedDict

from app.composition.stores import Stores
from app.config.addresses import LOOPBACK
from app.config.settings import Settings
from repositories.database.client import Database
from repositories.messaging.outbox import Outbox
from repositories.messaging.uploads import Uploads
from schemas.core.calendar import Clock
from schemas.messaging.whatsapp_webhook import WebhookKeys
from services.messaging.dispatcher import OutboxDispatcher
from services.messaging.provider import Provider
from services.messaging.provider_settings import CONSOLE

#: How many large requests of the provider are read at a time.
_LARGE_BODIES: Final = 4


class MessagingState(TypedDict):
    """The state of requests that use messages to customers."""

    outbox: Outbox
    dispatcher: OutboxDispatcher
    uploads: Uploads
    large_bodies: asyncio.Semaphore
    webhook_keys: WebhookKeys
    document_base_url: str | None


class Messaging:
    """The outbox and the dispatcher of this process."""

    def __init__(
        self, settings: Settings, database: Database, stores: Stores, clock: Clock, provider: Provider
    ) -> None:
        outbox = Outbox(database, settings.store_id, stores.journal_of, stores.tell, clock)
        self._provider = provider
        self._dispatcher = OutboxDispatcher(outbox, provider)
        self.state: MessagingState = {
            "outbox": outbox,
            "dispatcher": self._dispatcher,
            "uploads": Uploads(database, clock),
            "large_bodies": asyncio.Semaphore(_LARGE_BODIES),
            "webhook_keys": WebhookKeys(settings.whatsapp.app_secret, settings.whatsapp.verify_token),
            "document_base_url": _reached_from_outside(settings, provider),
        }

    def start(self) -> None:
        self._dispatcher.start()

    async def stop(self) -> None:
        """Wait some seconds for the messages that are being sent."""
        await self._dispatcher.stop()
        await self._provider.close()


def _reached_from_outside(settings: Settings, provider: Provider) -> str | None:
    """Return the base URL of documents for phones; None if phones cannot reach the service and the provider really
    sends."""
    is_reached = settings.public_host not in LOOPBACK or provider.name == CONSOLE
    return settings.public_base_url if is_reached else None
