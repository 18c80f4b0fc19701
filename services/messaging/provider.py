"""The interface of message providers."""

from typing import Protocol

from schemas.core.calendar import Clock
from schemas.messaging.delivery import Outcome, OutgoingMessage
from services.messaging import fast2sms, whatsapp_cloud
from services.messaging.console import ConsoleProvider
from services.messaging.fast2sms import Fast2Sms
from services.messaging.http_exchange import ProviderClient
from services.messaging.provider_settings import CLOUD, FAST2SMS, ProviderSettings
from services.messaging.whatsapp_cloud import WhatsAppCloud


class Provider(Protocol):
    """Sends messages and returns the outcome of each. Calls may be concurrent."""

    @property
    def name(self) -> str:
        """The name that is stored with its messages."""

    async def send(self, message: OutgoingMessage) -> Outcome:
        """Try once, for at most 30 seconds. Errors of the network or the provider are outcomes, not exceptions."""

    async def close(self) -> None:
        """Close its connections."""


def provider_of(settings: ProviderSettings, clock: Clock) -> Provider:
    if settings.provider == CLOUD:
        return WhatsAppCloud(settings, ProviderClient(settings.base_url or whatsapp_cloud.DEFAULT_URL, clock))
    if settings.provider == FAST2SMS:
        return Fast2Sms(settings, ProviderClient(settings.base_url or fast2sms.DEFAULT_URL, clock))
    return ConsoleProvider()
