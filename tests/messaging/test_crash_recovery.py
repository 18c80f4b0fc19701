"""Killed servers: no message is lost, and one that may have been sent twice is shown as unknown."""

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
# How long the database blocks a command, so that the test can see it and kill the server.
BLOCK_MS = 400
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Deployment:
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
        """Wait until all messages are in a state."""
        async with asyncio.timeout(20):
            while {each["state"] for each in await self.all()} != {state}:
                await asyncio.sleep(0.02)

    async def restart(self) -> None:
        """Restart all servers as if much later, after the end of every lease."""
        for server in self.servers:
            await server.kill()
        async with asyncio.timeout(30):
            while not await self._end_leases():
                await abort_orphaned_transactions(self.database.client)
        for server in self.servers:
            await server.start()

    async def _end_leases(self) -> bool:
        """End all leases. Return False while an open transaction locks the messages."""
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
        """Return how often each attempt arrived at the provider."""
        return Counter(each.body["biz_opaque_callback_data"] for each in self.stub.received)

    async def wait_for_requests(self, count: int) -> None:
        """Wait until a number of requests has arrived at the provider."""
        async with asyncio.timeout(20):
            while len(self.stub.received) < count:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def deployed(mongodb_url: str, count: int = 1) -> AsyncIterator[Deployment]:
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
        deployment = Deployment(stub, servers, client[DATABASE], store, http)
        yield deployment
        assert await verify(deployment.database, store) == []


def blocked_updates(deployment: Deployment, **options: Any) -> Any:
    """Block updates of messages in the database, from now on or after the first `skip`."""
    namespace = f"{DATABASE}.messages"
    return failing(
        deployment.database, "update", namespace=namespace, blockConnection=True, blockTimeMS=BLOCK_MS, **options
    )


async def test_a_message_is_sent_after_a_kill_before_its_attempt(mongodb_url: str) -> None:
    async with deployed(mongodb_url) as deployment:
        async with blocked_updates(deployment) as is_reached:
            await deployment.ask(deployment.servers[0])
            async with asyncio.timeout(20):
                while not await is_reached():
                    await asyncio.sleep(0.01)
            claimed = await deployment.only()
            assert (claimed["state"], claimed["holder"] is not None) == ("queued", True)
            await deployment.servers[0].kill()
        assert not deployment.received
        await deployment.restart()
        await deployment.until("sent")
        assert deployment.received == {f"{claimed['_id']}.1": 1}


async def test_a_message_is_unknown_after_a_kill_during_its_request(mongodb_url: str) -> None:
    async with deployed(mongodb_url) as deployment:
        deployment.stub.will_answer(NO_ANSWER)
        message_id = await deployment.ask(deployment.servers[0])
        await deployment.wait_for_requests(1)
        await deployment.servers[0].kill()
        assert (await deployment.only())["state"] == "sending"
        await deployment.restart()
        await deployment.until("unknown")
        assert (await deployment.only())["error"]["code"] == "unanswered"
        assert deployment.received == {f"{message_id}.1": 1}


async def test_a_message_is_unknown_after_a_kill_until_the_provider_reports(mongodb_url: str) -> None:
    async with deployed(mongodb_url) as deployment:
        async with blocked_updates(deployment, skip=1) as is_reached:
            message_id = await deployment.ask(deployment.servers[0])
            await deployment.wait_for_requests(1)
            async with asyncio.timeout(20):
                while not await is_reached():
                    await asyncio.sleep(0.01)
            await deployment.servers[0].kill()
        await deployment.restart()
        await deployment.until("unknown")
        assert deployment.received == {f"{message_id}.1": 1}
        status = {"id": "wamid.1", "status": "delivered", "timestamp": str(int(time.time()))}
        status |= {"biz_opaque_callback_data": f"{message_id}.1", "recipient_id": "919822012345"}
        change = {"field": "messages", "value": {"messaging_product": "whatsapp", "statuses": [status]}}
        content = orjson.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [change]}]})
        signature = hmac.new(SECRET.replace(" ", "-").encode(), content, sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={signature}"}
        answer = await deployment.http.post(
            f"{deployment.servers[0].url}/api/whatsapp/webhook", content=content, headers=headers
        )
        assert answer.status_code == 200, answer.text
        assert (await deployment.only())["state"] == "delivered"


async def test_a_sent_message_is_not_sent_again_after_a_kill(mongodb_url: str) -> None:
    async with deployed(mongodb_url) as deployment:
        message_id = await deployment.ask(deployment.servers[0])
        await deployment.until("sent")
        await deployment.restart()
        again = await deployment.ask(deployment.servers[0], "The next one.")
        await deployment.until("sent")
        assert deployment.received == {f"{message_id}.1": 1, f"{again}.1": 1}


async def test_messages_are_sent_once_if_servers_are_killed_at_random(mongodb_url: str, long_run: LongRun) -> None:
    chance = random.Random(long_run.seed)
    async with deployed(mongodb_url, 2) as deployment:
        message_id: list[str] = []
        for _ in long_run.rounds(2, 50):
            message_id += await asyncio.gather(
                *(deployment.ask(deployment.servers[number % 2]) for number in range(30))
            )
            await asyncio.sleep(chance.random() * 0.15)
            await deployment.servers[chance.randrange(2)].kill()
            await deployment.restart()
        async with asyncio.timeout(60):
            while any(each["state"] in ("queued", "sending") for each in await deployment.all()):
                await asyncio.sleep(0.05)
        messages = {each["_id"]: each for each in await deployment.all()}
        assert messages.keys() == set(message_id), f"seed {long_run.seed}"
        assert {each["state"] for each in messages.values()} <= {"sent", "unknown"}
        for message_id, message in messages.items():
            arrived = deployment.received[f"{message_id}.1"]
            expected = (1,) if message["state"] == "sent" else (0, 1)
            assert arrived in expected, f"{message['state']}, arrived {arrived} times; seed {long_run.seed}"
        assert deployment.received.total() == len(deployment.received)


#: The database commands of a worker for one message, in order: it claims it, begins an attempt and records the
#: outcome. The request of the message comes first; its insert and its commit are skipped.
STEPS = [
    ("findAndModify", {"namespace": f"{DATABASE}.messages", "skip": 0}),
    ("insert", {"namespace": f"{DATABASE}.log", "skip": 1}),
    ("commitTransaction", {"skip": 1}),
    ("insert", {"namespace": f"{DATABASE}.log", "skip": 2}),
    ("commitTransaction", {"skip": 2}),
]


@pytest.mark.parametrize(("command", "options"), STEPS)
async def test_a_message_is_sent_at_most_once_after_a_kill_at_any_step(
    mongodb_url: str, command: str, options: dict[str, Any]
) -> None:
    async with deployed(mongodb_url) as deployment:
        async with failing(
            deployment.database, command, blockConnection=True, blockTimeMS=BLOCK_MS, **options
        ) as is_reached:
            message_id = await deployment.ask(deployment.servers[0])
            async with asyncio.timeout(30):
                while not await is_reached():
                    await asyncio.sleep(0.005)
            await deployment.servers[0].kill()
        await deployment.restart()
        async with asyncio.timeout(60):
            while (await deployment.only())["state"] in ("queued", "sending"):
                await asyncio.sleep(0.02)
        message = await deployment.only()
        assert message["_id"] == message_id
        assert message["state"] in ("sent", "unknown")
        arrived = deployment.received[f"{message_id}.1"]
        assert arrived in ((1,) if message["state"] == "sent" else (0, 1))
        assert deployment.received.total() == arrived
