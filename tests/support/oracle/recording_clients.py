"""Tills that record each request before they send it, and each answer when it arrives.

A till works like the shop's phone: it repeats a request unchanged until it gets an answer. So in the end each operation
has an answer, and the consistency checker can compare the books with the answers.
"""

import asyncio
import random
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

import httpx
import orjson

from tests.support.payloads import estimate_body, line

Json = dict[str, Any]

MODES: Final = ("Cash", "UPI", "Card")
STAFF: Final = ("Ravi", "Meera")
#: For how long a till retries after it was stopped.
_LAST_SECONDS: Final = 60.0
_PAUSE: Final = 0.02


@dataclass
class Operation:
    """One operation of a till.

    :ivar name: identifies the document that it creates.
    """

    name: str
    kind: str
    method: str
    path: str
    body: Json | None = None
    query: Json | None = None


@dataclass
class Till:
    """A client with a journal of its own.

    :ivar urls: servers to send to; it takes the next one if one does not answer.
    :ivar successes: moments (monotonic) of successes, with the server.
    :ivar waits: seconds from the first sending of each operation to its answer.
    :ivar longest_answer: the longest time of a single answer.
    :ivar unavailable: moments of answers with a 503.
    :ivar unexpected: answers that must not occur.
    """

    name: str
    urls: Sequence[str]
    journal: TextIO
    chance: random.Random
    pause: float = _PAUSE
    successes: list[tuple[float, str]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    longest_answer: float = 0.0
    unavailable: list[float] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    _count: int = 0
    _estimates: list[str] = field(default_factory=list)
    _orders: list[str] = field(default_factory=list)

    async def work(self, stopped: asyncio.Event) -> None:
        limits = httpx.Limits(max_keepalive_connections=2)
        async with httpx.AsyncClient(timeout=12, limits=limits, verify=False) as client:  # noqa: S501
            while not stopped.is_set():
                await self._do(client, self._next(), stopped)
                await asyncio.sleep(self.pause)

    def _next(self) -> Operation:
        self._count += 1
        name = f"{self.name}-{self._count}"
        dice = self.chance.random()
        body = estimate_body(
            [line(self.chance.randrange(1, 100_000) / 100, self.chance.randrange(1, 4))],
            customer_name=name,
            sale_by=self.chance.choice(STAFF),
        )
        if dice < 0.15 and self._estimates:
            path = f"/api/estimates/{self._estimates.pop()}/convert-to-order"
            return Operation(name, "convert", "POST", path, {"payment_mode": self.chance.choice(MODES)})
        if dice < 0.22 and self._orders:
            return Operation(name, "void", "DELETE", f"/api/orders/{self._orders.pop()}")
        if dice < 0.29 and self._orders:
            path = f"/api/orders/{self._orders.pop()}/status"
            return Operation(name, "cancel", "PUT", path, query={"status": "Cancelled"})
        if dice < 0.5:
            return Operation(name, "estimate", "POST", "/api/estimates/create", body)
        body["payment_mode"] = self.chance.choice(MODES)
        return Operation(name, "sale", "POST", "/api/orders/create-sale", body)

    async def _do(self, client: httpx.AsyncClient, operation: Operation, stopped: asyncio.Event) -> None:
        began = time.monotonic()
        self._note(attempt=operation.__dict__)
        attempts, last = 0, None
        while True:
            attempts += 1
            url = self.chance.choice(self.urls) if attempts == 1 else self.urls[attempts % len(self.urls)]
            sent = time.monotonic()
            response = await self._send(client, url, operation)
            now = time.monotonic()
            if response is not None:
                self.longest_answer = max(self.longest_answer, now - sent)
            if response is not None and response.status_code != 503:
                break
            if response is not None:
                self.unavailable.append(now)
                last = last if isinstance(response.json().get("detail"), str) else response.text
            if stopped.is_set() and now - began > _LAST_SECONDS:
                self.unexpected.append(f"{operation.name}: no answer in the end")
                return
            await asyncio.sleep(0.1)
        if last is not None:
            self.unexpected.append(f"{operation.name}: a 503 without a sentence: {last}")
        self.waits.append(now - began)
        self.successes.append((now, url))
        # A repeated void gets a 404 if the first one succeeded without an answer.
        is_done_before = operation.kind == "void" and attempts > 1 and response.status_code == 404
        if response.status_code not in (200, 201) and not is_done_before:
            self.unexpected.append(f"{operation.name} {operation.kind}: {response.status_code} {response.text}")
            return
        data = response.json().get("data", {}) if not is_done_before else {}
        self._note(answer={"name": operation.name, "data": data})
        if operation.kind == "estimate":
            self._estimates.append(data["estimate_id"])
        elif operation.kind in ("sale", "convert"):
            self._orders.append(data["order_id"])

    @staticmethod
    async def _send(client: httpx.AsyncClient, url: str, operation: Operation) -> httpx.Response | None:
        """Return the answer; None if there is none."""
        headers = {"Idempotency-Key": operation.name} if operation.method == "POST" else None
        try:
            return await client.request(
                operation.method, url + operation.path, json=operation.body, params=operation.query, headers=headers
            )
        except httpx.TransportError:
            return None

    def _note(self, **line: Any) -> None:
        self.journal.write(orjson.dumps({**line, "at": time.time()}).decode() + "\n")
        self.journal.flush()


@dataclass
class Crew:
    """The tills of a run."""

    tills: list[Till]
    folder: Path
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def operations(self) -> int:
        return sum(len(till.waits) for till in self.tills)

    @property
    def worst_seconds(self) -> float:
        return max((wait for till in self.tills for wait in till.waits), default=0.0)

    @property
    def longest_answer(self) -> float:
        return max(till.longest_answer for till in self.tills)

    @property
    def unexpected(self) -> list[str]:
        return [each for till in self.tills for each in till.unexpected]

    @property
    def journals(self) -> list[Path]:
        return sorted(self.folder.glob("*.ndjson"))

    async def cancel(self) -> None:
        """Cancel the tills immediately."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def was_unavailable_after(self, moment: float) -> bool:
        return any(till.unavailable and till.unavailable[-1] > moment for till in self.tills)

    async def first_success_after(self, moment: float, url: str | None = None, seconds: float = 40) -> float:
        """Return the seconds from a moment (monotonic) to the next success of any till, of `url` if it is given."""
        async with asyncio.timeout(seconds):
            while True:
                successes = [
                    when
                    for till in self.tills
                    for when, by in till.successes[bisect_right(till.successes, (moment, "")) :]
                    if url in (None, by)
                ]
                if successes:
                    return min(successes) - moment
                await asyncio.sleep(0.01)


@asynccontextmanager
async def working(urls: Sequence[str], folder: Path, *, tills: int = 6, seed: int = 0) -> AsyncIterator[Crew]:
    """Run tills until the end of the block; then each finishes its operation."""
    stopped = asyncio.Event()
    journals = [(folder / f"till-{seed}-{number}.ndjson").open("a") for number in range(tills)]
    crew = Crew(
        [
            Till(f"t{seed}-{number}", urls, journal, random.Random(f"{seed} {number}"))
            for number, journal in enumerate(journals)
        ],
        folder,
    )
    crew.tasks = [asyncio.create_task(till.work(stopped)) for till in crew.tills]
    try:
        yield crew
        stopped.set()
        await asyncio.gather(*(task for task in crew.tasks if not task.cancelled()))
    finally:
        await crew.cancel()
        for journal in journals:
            journal.close()
