"""Servers are killed while they send: nothing is lost, and nothing is sent twice that is not shown as unknown."""

import asyncio
import hmac
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import httpx
import orjson
import pytest
from pymongo.errors import ExecutionTimeout

from repositories.auditing.verification import verify
from repositories.database.client import Database, connect
from repositories.journal.orphaned_transactions import abort_orphaned_transactions
from tests.conftest import LongRun
from tests.support.faults.failpoints import failing
from tests.support.messaging.in_memory_provider import PHONE
from tests.support.messaging.provider_server import NO_ANSWER, ProviderStub, listening
from tests.support.processes import Service, services
from tests.support.shop import DATABASE

SECRET = "the app secret of the tests"
# How long the database holds a change up: longer than it takes to see that it does, and to kill.
BLOCK_MS = 400
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Sending:
    """Servers that send to a stub, and the database that they share."""

    stub: ProviderStub
    servers: list[Service]
    database: Database
    store: str
    http: httpx.AsyncClient = field(repr=False)

    async def ask(self, server: Service, text: str = "Your order is ready.") -> str:
        body = {"phone_number": PHONE, "message": text}
        headers = {"Idempotency-Key": secrets.token_hex(8)}
        answer = await self.http.post(f"{server.url}/api/whatsapp/send", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        message_id: str = answer.json()["message_id"]
        return message_id

    async def all(self) -> list[dict[str, Any]]:
        return await self.database.messages.find({"store": self.store}).to_list(None)

    async def only(self) -> dict[str, Any]:
        (found,) = await self.all()
        return found

    async def until(self, state: str) -> None:
        """Waits until all messages are in a state."""
        async with asyncio.timeout(20):
            while {each["state"] for each in await self.all()} != {state}:
                await asyncio.sleep(0.02)

    async def restart(self) -> None:
        """Starts those again that were killed, long after: every lease has run out."""
        for server in self.servers:
            await server.kill()
        async with asyncio.timeout(30):
            while not await self._moved_on():
                await abort_orphaned_transactions(self.database.client)
        for server in self.servers:
            await server.start()

    async def _moved_on(self) -> bool:
        """Whether nothing that was left open holds the messages any more."""
        command = {"update": "messages", "maxTimeMS": 500}
        criteria = {"store": self.store, "due_at": {"$ne": None}}
        update = {"q": criteria, "u": {"$set": {"due_at": LONG_AGO}}, "multi": True}
        try:
            await self.database.command({**command, "updates": [update]})
        except ExecutionTimeout:
            return False
        return True

    @property
    def received(self) -> Counter[str]:
        """How often each attempt arrived."""
        return Counter(each.body["biz_opaque_callback_data"] for each in self.stub.received)

    async def reached(self, count: int) -> None:
        """Waits until so many letters have arrived."""
        async with asyncio.timeout(20):
            while len(self.stub.received) < count:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def sending(mongodb_url: str, count: int = 1) -> AsyncIterator[Sending]:
    store = f"killed-{secrets.token_hex(6)}"
    async with AsyncExitStack() as stack:
        stub = await stack.enter_async_context(listening())
        settings = {
            "WHATSAPP_PROVIDER": "cloud",
            "WHATSAPP_BASE_URL": stub.url,
            "WHATSAPP_TOKEN": "a-token-of-the-tests",
            "WHATSAPP_PHONE_NUMBER_ID": "106540352242922",
            "WHATSAPP_APP_SECRET": SECRET.replace(" ", "-"),
            "WHATSAPP_VERIFY_TOKEN": "a-verify-token",
            "MESSAGE_RATE_LIMIT": "0",
        }
        servers = await stack.enter_async_context(services(mongodb_url, store, count, **settings))
        client = connect(mongodb_url)
        stack.callback(client.close)
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        one = Sending(stub, servers, client[DATABASE], store, http)
        yield one
        assert await verify(one.database, store) == []


def updates_of_messages(one: Sending, **options: Any) -> Any:
    """From here on, or after the first `skip`, changes of messages hang in the database."""
    namespace = f"{DATABASE}.messages"
    return failing(one.database, "update", namespace=namespace, blockConnection=True, blockTimeMS=BLOCK_MS, **options)


async def test_killed_before_it_began_to_send_it_is_sent_by_the_next(mongodb_url: str) -> None:
    async with sending(mongodb_url) as one:
        async with updates_of_messages(one) as is_reached:
            await one.ask(one.servers[0])
            async with asyncio.timeout(20):
                while not await is_reached():
                    await asyncio.sleep(0.01)
            claimed = await one.only()
            assert (claimed["state"], claimed["holder"] is not None) == ("queued", True)
            await one.servers[0].kill()
        assert not one.received
        await one.restart()
        await one.until("sent")
        assert one.received == {f"{claimed['_id']}.1": 1}


async def test_killed_while_the_provider_was_asked_it_is_unknown(mongodb_url: str) -> None:
    async with sending(mongodb_url) as one:
        one.stub.says(NO_ANSWER)
        asked = await one.ask(one.servers[0])
        await one.reached(1)
        await one.servers[0].kill()
        assert (await one.only())["state"] == "sending"
        await one.restart()
        await one.until("unknown")
        assert (await one.only())["error"]["code"] == "unanswered"
        assert one.received == {f"{asked}.1": 1}


async def test_killed_after_the_provider_answered_it_is_unknown_until_there_is_news(mongodb_url: str) -> None:
    async with sending(mongodb_url) as one:
        async with updates_of_messages(one, skip=1) as is_reached:
            asked = await one.ask(one.servers[0])
            await one.reached(1)
            async with asyncio.timeout(20):
                while not await is_reached():
                    await asyncio.sleep(0.01)
            await one.servers[0].kill()
        await one.restart()
        await one.until("unknown")
        assert one.received == {f"{asked}.1": 1}
        status = {"id": "wamid.1", "status": "delivered", "timestamp": str(int(time.time()))}
        status |= {"biz_opaque_callback_data": f"{asked}.1", "recipient_id": "919822012345"}
        change = {"field": "messages", "value": {"messaging_product": "whatsapp", "statuses": [status]}}
        told = orjson.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]})
        signature = hmac.new(SECRET.replace(" ", "-").encode(), told, sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={signature}"}
        answer = await one.http.post(f"{one.servers[0].url}/api/whatsapp/webhook", content=told, headers=headers)
        assert answer.status_code == 200, answer.text
        assert (await one.only())["state"] == "delivered"


async def test_killed_after_all_was_written_nothing_more_happens(mongodb_url: str) -> None:
    async with sending(mongodb_url) as one:
        asked = await one.ask(one.servers[0])
        await one.until("sent")
        await one.restart()
        again = await one.ask(one.servers[0], "The next one.")
        await one.until("sent")
        assert one.received == {f"{asked}.1": 1, f"{again}.1": 1}


async def test_two_servers_are_killed_at_random(mongodb_url: str, long_run: LongRun) -> None:
    chance = random.Random(long_run.seed)
    async with sending(mongodb_url, 2) as one:
        asked: list[str] = []
        for _ in long_run.rounds(2, 50):
            asked += await asyncio.gather(*(one.ask(one.servers[number % 2]) for number in range(30)))
            await asyncio.sleep(chance.random() * 0.15)
            await one.servers[chance.randrange(2)].kill()
            await one.restart()
        async with asyncio.timeout(60):
            while any(each["state"] in ("queued", "sending") for each in await one.all()):
                await asyncio.sleep(0.05)
        messages = {each["_id"]: each for each in await one.all()}
        assert messages.keys() == set(asked), f"seed {long_run.seed}"
        assert {each["state"] for each in messages.values()} <= {"sent", "unknown"}
        for message_id, message in messages.items():
            arrived = one.received[f"{message_id}.1"]
            expected = (1,) if message["state"] == "sent" else (0, 1)
            assert arrived in expected, f"{message['state']}, arrived {arrived} times; seed {long_run.seed}"
        assert one.received.total() == len(one.received)


#: What a worker has the database do with a message, one after another: it claims it, begins and settles each attempt.
#: The asking itself, which comes first, inserts an event and commits too, and is passed over.
STEPS = [
    ("findAndModify", {"namespace": f"{DATABASE}.messages", "skip": 0}),
    ("insert", {"namespace": f"{DATABASE}.log", "skip": 1}),
    ("commitTransaction", {"skip": 1}),
    ("insert", {"namespace": f"{DATABASE}.log", "skip": 2}),
    ("commitTransaction", {"skip": 2}),
]


@pytest.mark.parametrize(("command", "where"), STEPS)
async def test_killed_at_each_step_it_is_sent_at_most_once_and_not_lost(
    mongodb_url: str, command: str, where: dict[str, Any]
) -> None:
    async with sending(mongodb_url) as one:
        async with failing(one.database, command, blockConnection=True, blockTimeMS=BLOCK_MS, **where) as is_reached:
            asked = await one.ask(one.servers[0])
            async with asyncio.timeout(30):
                while not await is_reached():
                    await asyncio.sleep(0.005)
            await one.servers[0].kill()
        await one.restart()
        async with asyncio.timeout(60):
            while (await one.only())["state"] in ("queued", "sending"):
                await asyncio.sleep(0.02)
        message = await one.only()
        assert message["_id"] == asked
        assert message["state"] in ("sent", "unknown")
        arrived = one.received[f"{asked}.1"]
        assert arrived in ((1,) if message["state"] == "sent" else (0, 1))
        assert one.received.total() == arrived
