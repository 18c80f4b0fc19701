"""A message provider in memory, with scripted answers."""

import asyncio
from collections import deque
from typing import Any

from schemas.messaging.delivery import Accepted, Outcome, OutgoingMessage
from tests.support.shop import Shop

#: The address of documents for phones.
ADDRESS = "https://shop.example"
#: Settings of a shop with a public address and without sign-in.
OUTSIDE: dict[str, Any] = {"public_base_url": ADDRESS, "sign_in": "off", "allow_insecure": True}
PHONE = "98220 12345"
MESSAGE = OutgoingMessage("+919822012345", "Your order is ready.")
PDF = b"%PDF-1.7\n" + b"x" * 1_000


class InMemoryProvider:
    """Accepts messages, after the scripted `answers`, and keeps them in `sent`.

    :ivar gate: while it is not set, the provider does not answer.
    """

    name = "memory"

    def __init__(self, *answers: Outcome) -> None:
        self.sent: list[OutgoingMessage] = []
        self.answers = deque(answers)
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, message: OutgoingMessage) -> Outcome:
        self.sent.append(message)
        number = len(self.sent)
        await self.gate.wait()
        return self.answers.popleft() if self.answers else Accepted(f"{message.reference}-{number}")

    async def close(self) -> None:
        """Do nothing: there is no connection."""


async def ask(shop: Shop, text: str = "Your order is ready.", **headers: str) -> str:
    """Request a text message, and return its id."""
    body = {"phone_number": PHONE, "message": text}
    answer = await shop.http.post("/api/whatsapp/send", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    message_id: str = answer.json()["message_id"]
    return message_id


async def messages(shop: Shop, **filters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await shop.get("/api/messages", **filters))["messages"]
    return found


async def message(shop: Shop, message_id: str) -> dict[str, Any]:
    (found,) = [each for each in await messages(shop, limit=500) if each["id"] == message_id]
    return found


async def until(shop: Shop, message_id: str, *states: str, seconds: float = 10) -> dict[str, Any]:
    """Wait until the message has one of these states, and return it."""
    async with asyncio.timeout(seconds):
        while (found := await message(shop, message_id))["state"] not in states:
            await asyncio.sleep(0.02)
    return found


async def upload(shop: Shop, content: bytes = PDF, headers: dict[str, str] | None = None, **fields: str) -> Any:
    form = {"phone_number": PHONE, "message": "Your estimate", "caption": "As we spoke of", **fields}
    files = {"file": ("estimate.pdf", content, "application/pdf")}
    return await shop.http.post("/api/whatsapp/send-estimate-pdf", data=form, files=files, headers=headers)


def path_of(url: str | None) -> str:
    assert url is not None
    assert url.startswith(f"{ADDRESS}/static/estimates/")
    return url.removeprefix(ADDRESS)
