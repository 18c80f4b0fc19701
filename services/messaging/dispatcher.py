"""What each process does beside its requests: it takes messages out of the outbox and hands them to the provider.

Whatever happens to the process, nothing is lost and nothing is sent twice. That a message is being sent is on disk
before the provider is called: so one whose process died is known as such, is shown as unknown, and is not sent again
unless somebody says so. One that was only claimed is claimed again.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from repositories.database.errors import Unavailable
from repositories.messaging.outbox import Outbox
from schemas.core.documents import Document
from schemas.messaging.delivery import Outcome, OutgoingMessage, Unknown
from schemas.messaging.messages import outgoing_message
from schemas.messaging.states import SENDING
from services.messaging.provider import Provider

#: How many messages a process sends at a time.
CONCURRENCY: Final = 4
POLL_SECONDS: Final = 1.0
#: From one message to the next: those who sell go first.
PACE_SECONDS: Final = 0.025
#: How long a provider may take to answer, and for how long after that nobody else looks at the message.
SEND_SECONDS: Final = 30.0
SETTLING_SECONDS: Final = 30.0
#: How long those that are being sent have when the service stops.
STOPPING_SECONDS: Final = 5.0
_AGAIN_SECONDS: Final = 0.5

logger = logging.getLogger("pos.messages")

T = TypeVar("T")


class OutboxDispatcher:
    """The worker of one process.

    :param chance: 0 to 1, so that those who failed together do not come back together.
    """

    def __init__(
        self,
        outbox: Outbox,
        provider: Provider,
        *,
        concurrency: int = CONCURRENCY,
        poll: float = POLL_SECONDS,
        send_seconds: float = SEND_SECONDS,
        settling_seconds: float = SETTLING_SECONDS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = outbox
        self._provider = provider
        self._free = asyncio.Semaphore(concurrency)
        self._poll = poll
        self._send_seconds = send_seconds
        self._settling_seconds = settling_seconds
        self._jitter = jitter
        self._wakeup = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._working: asyncio.Task[None] | None = None
        self._is_stopping = False

    def start(self) -> None:
        if not self._is_stopping:
            self._working = asyncio.create_task(self._work())
            self._working.add_done_callback(self._failed)

    def wake(self) -> None:
        """Says that there is something to send."""
        self._wakeup.set()

    async def stop(self) -> None:
        """Begins nothing more, and gives what is being sent a little time. What is then still open is found again."""
        self._is_stopping = True
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOPPING_SECONDS)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            await self._free.acquire()
            self._wakeup.clear()
            task = None
            try:
                message = await self._claim()
                if message is not None:
                    task = asyncio.create_task(self._handle(message))
            finally:
                if task is None:
                    self._free.release()
            if task is not None:
                self._under_way.add(task)
                task.add_done_callback(self._ended)
                await asyncio.sleep(PACE_SECONDS)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll):
                    await self._wakeup.wait()

    async def _claim(self) -> Document | None:
        """A message to see to; none, too, where the database is away."""
        try:
            return await self._outbox.claim(secrets.token_hex(8))
        except Unavailable:
            await asyncio.sleep(_AGAIN_SECONDS)
            return None

    def _failed(self, task: asyncio.Task[None]) -> None:
        """Whatever has gone wrong, messages go on being sent."""
        if not task.cancelled():
            logger.error("The worker of messages has failed, and begins again.", exc_info=task.exception())
            asyncio.get_running_loop().call_later(self._poll, self.start)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            # Nobody knows how far it came; the lease runs out, and then that is shown.
            logger.error("A message could not be seen to.", exc_info=error)

    async def _handle(self, message: Document) -> None:
        lease = self._send_seconds + self._settling_seconds
        if message["state"] == SENDING:
            gone = Unknown("The service ended while the message was being sent.")
            await self._retry(lambda: self._outbox.record_outcome(message, gone, self._jitter()))
            return
        begun = await self._retry(lambda: self._outbox.begin_attempt(message, self._provider.name, lease))
        if begun is not None:
            outcome = await self._send(outgoing_message(begun))
            await self._retry(lambda: self._outbox.record_outcome(begun, outcome, self._jitter()))

    async def _send(self, letter: OutgoingMessage) -> Outcome:
        try:
            async with asyncio.timeout(self._send_seconds):
                return await self._provider.send(letter)
        except TimeoutError:
            return Unknown("The provider did not answer in time.")

    async def _retry(self, write: Callable[[], Awaitable[T]]) -> T | None:
        """Writes something that may be written twice, while that is of use; None where it could not be."""
        try:
            async with asyncio.timeout(self._settling_seconds):
                while True:
                    try:
                        return await write()
                    except Unavailable:
                        await asyncio.sleep(_AGAIN_SECONDS)
        except TimeoutError:
            return None
