"""Whoever carries a message to a phone, behind one interface."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from schemas.messaging.delivery import Outcome, OutgoingMessage
from services.messaging import fast2sms, whatsapp_cloud
from services.messaging.console import ConsoleProvider
from services.messaging.fast2sms import Fast2Sms
from services.messaging.http_exchange import ProviderClient
from services.messaging.provider_settings import CLOUD, FAST2SMS, ProviderSettings
from services.messaging.whatsapp_cloud import WhatsAppCloud


class Provider(Protocol):
    """Sends letters, and says of each what became of it. It is asked for several at once, and closed at the end."""

    @property
    def name(self) -> str:
        """By which the messages that it carries know it."""

    async def send(self, letter: OutgoingMessage) -> Outcome:
        """Tries once, for half a minute at the most. It raises nothing that the network or the provider can cause."""

    async def close(self) -> None:
        """Lets go of its connections."""


def provider_of(settings: ProviderSettings, clock: Callable[[], datetime]) -> Provider:
    """The provider that the settings name. clock: the present instant, UTC."""
    if settings.provider == CLOUD:
        return WhatsAppCloud(settings, ProviderClient(settings.base_url or whatsapp_cloud.DEFAULT_URL, clock))
    if settings.provider == FAST2SMS:
        return Fast2Sms(settings, ProviderClient(settings.base_url or fast2sms.DEFAULT_URL, clock))
    return ConsoleProvider()
