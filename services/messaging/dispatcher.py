"""The outbox dispatcher: takes messages from the outbox and passes them to the provider, in each process.

If the process dies, no message is lost or sent twice. The attempt is stored before the provider is called: a message
whose process died during the attempt becomes `unknown`, and is only sent again if a user requests it. A message that
was only claimed is claimed again.
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
from schemas.messaging.delivery import Outcome, OutgoingMessage, Unknown
from schemas.messaging.documents import Message
from schemas.messaging.messages import outgoing_message
from schemas.messaging.states import SENDING
from services.messaging.provider import Provider

#: Messages that a process sends concurrently.
CONCURRENCY: Final = 4
POLL_SECONDS: Final = 1.0
#: Delay between two messages, so that sales go first.
PACE_SECONDS: Final = 0.025
#: Timeout of the provider, and how long after it no other process claims the message.
SEND_SECONDS: Final = 30.0
SETTLING_SECONDS: Final = 30.0
#: Time for messages in progress when the service stops.
STOPPING_SECONDS: Final = 5.0
_AGAIN_SECONDS: Final = 0.5

logger = logging.getLogger("pos.messages")

T = TypeVar("T")


class OutboxDispatcher:
    """The dispatcher of one process.

    :param jitter: returns 0 to 1, so that messages that failed together are not retried together.
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
        self._in_progress: set[asyncio.Task[None]] = set()
        self._working: asyncio.Task[None] | None = None
        self._is_stopping = False

    def start(self) -> None:
        if not self._is_stopping:
            self._working = asyncio.create_task(self._work())
            self._working.add_done_callback(self._failed)

    def wake(self) -> None:
        """Check the outbox now."""
        self._wakeup.set()

    async def stop(self) -> None:
        """Stop claiming messages, and wait briefly for those in progress. Unfinished ones are recovered later."""
        self._is_stopping = True
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        if self._in_progress:
            await asyncio.wait(self._in_progress, timeout=STOPPING_SECONDS)
        for task in self._in_progress:
            task.cancel()
        await asyncio.gather(*self._in_progress, return_exceptions=True)

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
                self._in_progress.add(task)
                task.add_done_callback(self._ended)
                await asyncio.sleep(PACE_SECONDS)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll):
                    await self._wakeup.wait()

    async def _claim(self) -> Message | None:
        """Claim a message; None if there is none or the database is unavailable."""
        try:
            return await self._outbox.claim(secrets.token_hex(8))
        except Unavailable:
            await asyncio.sleep(_AGAIN_SECONDS)
            return None

    def _failed(self, task: asyncio.Task[None]) -> None:
        """Restart the dispatcher after an unexpected error."""
        if not task.cancelled():
            logger.error("The outbox dispatcher has failed and is restarted.", exc_info=task.exception())
            asyncio.get_running_loop().call_later(self._poll, self.start)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._in_progress.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            # The outcome is not known; the message becomes `unknown` when its lease expires.
            logger.error("A message could not be processed.", exc_info=error)

    async def _handle(self, message: Message) -> None:
        lease = self._send_seconds + self._settling_seconds
        if message["state"] == SENDING:
            gone = Unknown("The service ended while the message was being sent.")
            await self._retry(lambda: self._outbox.record_outcome(message, gone, self._jitter()))
            return
        begun = await self._retry(lambda: self._outbox.begin_attempt(message, self._provider.name, lease))
        if begun is not None:
            outcome = await self._send(outgoing_message(begun))
            await self._retry(lambda: self._outbox.record_outcome(begun, outcome, self._jitter()))

    async def _send(self, message: OutgoingMessage) -> Outcome:
        try:
            async with asyncio.timeout(self._send_seconds):
                return await self._provider.send(message)
        except TimeoutError:
            return Unknown("The provider did not answer in time.")

    async def _retry(self, write: Callable[[], Awaitable[T]]) -> T | None:
        """Retry an idempotent write until the lease expires; return None if it failed."""
        try:
            async with asyncio.timeout(self._settling_seconds):
                while True:
                    try:
                        return await write()
                    except Unavailable:
                        await asyncio.sleep(_AGAIN_SECONDS)
        except TimeoutError:
            return None
