"""The provider for development: it only logs messages, without number or text."""

import logging
import secrets
from typing import Final

from schemas.messaging.delivery import Accepted, Outcome, OutgoingMessage
from services.messaging.provider_settings import CONSOLE

logger = logging.getLogger("pos.messages")


class ConsoleProvider:
    name: Final = CONSOLE

    async def send(self, message: OutgoingMessage) -> Outcome:
        what = "a text" if message.document_url is None else "a document"
        logger.info("The console has taken %s of %d characters: nothing was sent.", what, len(message.text))
        return Accepted(f"console-{secrets.token_hex(8)}")

    async def close(self) -> None:
        """Do nothing."""
