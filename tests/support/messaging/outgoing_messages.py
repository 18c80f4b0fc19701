"""Messages to send, and providers to send them with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from schemas.messaging.delivery import OutgoingMessage
from services.messaging.fast2sms import Fast2Sms
from services.messaging.http_exchange import ProviderClient
from services.messaging.provider import Provider
from services.messaging.provider_settings import CLOUD, FAST2SMS, ProviderSettings
from services.messaging.whatsapp_cloud import WhatsAppCloud
from tests.support.messaging.provider_server import ProviderStub

NOW: Final = datetime(2026, 11, 24, 10, tzinfo=UTC)
TOKEN: Final = "EAAJcanarytoken1234567890"
PHONE: Final = "9822012345"
TEXT: Final = OutgoingMessage(f"+91{PHONE}", "Bill #007 for Asha: ₹1,200.00. Asha Stores")
DOCUMENT: Final = replace(TEXT, document_url="https://shop.example/static/estimates/x.pdf", filename="Bill-007.pdf")
CLOUD_SETTINGS: Final = ProviderSettings(provider=CLOUD, token=TOKEN, phone_number_id="106540352242922")
FAST2SMS_SETTINGS: Final = ProviderSettings(
    provider=FAST2SMS, token=TOKEN, phone_number_id="982032241651336", template="18287", document_template="18290"
)


@asynccontextmanager
async def provided(
    url: str, settings: ProviderSettings, *, read: float = 10.0, whole: float = 20.0, **changes: Any
) -> AsyncIterator[Provider]:
    """Yield a provider with a base URL.

    :param read: its timeout for a byte, in seconds.
    :param whole: its timeout for the whole answer, in seconds.
    :param changes: of its settings.
    """
    exchange = ProviderClient(url, lambda: NOW, timeouts=httpx.Timeout(5, read=read), whole=whole)
    chosen = replace(settings, **changes)
    provider: Provider = WhatsAppCloud(chosen, exchange) if settings.provider == CLOUD else Fast2Sms(chosen, exchange)
    try:
        yield provider
    finally:
        await provider.close()


async def outcome(stub: ProviderStub, message: OutgoingMessage, settings: ProviderSettings, **options: Any) -> Any:
    """Return the outcome of sending a message."""
    async with provided(stub.url, settings, **options) as provider:
        return await provider.send(message)
