"""A provider of messages for tests: it takes what it is given, and answers as it is told."""

import asyncio
from collections import deque
from typing import Any

from schemas.messaging.delivery import Accepted, Outcome, OutgoingMessage
from tests.support.shop import Shop

#: Where documents are, for phones.
ADDRESS = "https://shop.example"
#: A shop that the outside reaches, and where nobody signs in.
OUTSIDE: dict[str, Any] = {"public_base_url": ADDRESS, "sign_in": "off", "allow_insecure": True}
PHONE = "98220 12345"
LETTER = OutgoingMessage("+919822012345", "Your order is ready.")
PDF = b"%PDF-1.7\n" + b"x" * 1_000


class InMemoryProvider:
    """letters: what it was given. answers: what it says, one after another, and then that it has taken it.

    While `door` is shut, nobody is answered.
    """

    name = "postman"

    def __init__(self, *answers: Outcome) -> None:
        self.letters: list[OutgoingMessage] = []
        self.answers = deque(answers)
        self.door = asyncio.Event()
        self.door.set()

    async def send(self, letter: OutgoingMessage) -> Outcome:
        self.letters.append(letter)
        number = len(self.letters)
        await self.door.wait()
        return self.answers.popleft() if self.answers else Accepted(f"{letter.reference}-{number}")

    async def close(self) -> None:
        """There is nothing to close."""


async def ask(shop: Shop, text: str = "Your order is ready.", **headers: str) -> str:
    """Asks for a text; the message's id."""
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
    """The message, once it is in one of these states."""
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
