"""Clients that do not read, next to clients that do: no sale waits, and only the former are disconnected."""

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from tests.conftest import LongRun
from tests.live.test_resume import head_of
from tests.support.clients.raw_websocket import ReadingClient, close_code, read_all, reading_clients, stalled_clients
from tests.support.faults.soak_report import p99, reporting
from tests.support.payloads import sale_body
from tests.support.processes import Service, services
from tests.support.shop import Shop

pytestmark = [pytest.mark.alone, pytest.mark.soak]

TOO_SLOW = 4430
#: More events than the system buffers for a client that does not read.
FILL_A_BUFFER = 150
SALE = "/api/orders/create-sale"


@dataclass
class Sellers:
    """Tills that sell continuously.

    :ivar waits: of the present window, in seconds.
    """

    url: str
    waits: list[float] = field(default_factory=list)
    sold: int = 0

    async def _sell(self, http: httpx.AsyncClient) -> None:
        # A long name makes long events, which fill the buffers sooner.
        body = sale_body(customer_name="Asha " * 90)
        while True:
            began = time.monotonic()
            response = await http.post(self.url + SALE, json=body)
            self.waits.append(time.monotonic() - began)
            assert response.status_code == 201
            self.sold += 1
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def selling(self, count: int) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=20, verify=False) as http:  # noqa: S501
            tasks = [asyncio.create_task(self._sell(http)) for _ in range(count)]
            try:
                yield
                assert not [task for task in tasks if task.done()]
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def window(self) -> float:
        """Return the p99 of the sales since the last call."""
        waits, self.waits = self.waits, []
        return p99(waits)


async def connected(server: Service, http: httpx.AsyncClient) -> int:
    """Return the number of clients, after a tenth of a second, so that the requests burden all windows alike."""
    await asyncio.sleep(0.1)
    status = (await http.get(server.url + "/api/websocket/status")).json()
    return int(status["connected_clients"])


async def window_with_stalled_clients(
    server: Service, sellers: Sellers, http: httpx.AsyncClient, count: int
) -> tuple[float, list[int | None]]:
    """Return the p99 of sales next to clients that do not read, and the close codes of these clients."""
    async with stalled_clients(server.port, count) as clients, asyncio.timeout(60):
        sold = sellers.sold
        while sellers.sold < sold + FILL_A_BUFFER:
            await connected(server, http)
        sellers.window()
        while await connected(server, http) > count:
            pass
        wait = sellers.window()
        # The clients read again in time to receive their close code.
        codes = [close_code(data) for data in await asyncio.gather(*(read_all(client) for client in clients))]
    return wait, codes


async def test_a6_clients_that_do_not_read_are_disconnected_and_delay_no_sale(
    shop: Shop, mongodb_url: str, long_run: LongRun
) -> None:
    store = f"{shop.store}-stalled"
    count = 50 if long_run.is_long else 15
    with_, without = [], []
    with reporting("A6 50 stalled clients next to 50 healthy ones", long_run) as report:
        async with (
            services(mongodb_url, store, 1) as (server,),
            reading_clients(server.port, count) as readers,
            httpx.AsyncClient(timeout=20, verify=False) as http,  # noqa: S501
        ):
            sellers = Sellers(server.url)
            async with sellers.selling(4):
                await asyncio.sleep(1)
                for _ in long_run.rounds(1, 60):
                    began = time.monotonic()
                    wait, codes = await window_with_stalled_clients(server, sellers, http, count)
                    with_.append(wait)
                    assert codes == [TOO_SLOW] * count
                    report.back.append(time.monotonic() - began)
                    sellers.window()
                    until = time.monotonic() + (10 if long_run.is_long else 1.5)
                    while time.monotonic() < until:
                        assert await connected(server, http) == count
                    without.append(sellers.window())
                    report.rounds += 1
            head = await head_of(shop.database, store)
            await wait_until_received(readers, head)
        report.operations = sellers.sold
        report.lost = sum(len(set(range(1, head + 1)) - set(reader.seqs)) for reader in readers)
        report.doubled = sum(len(reader.seqs) - len(set(reader.seqs)) for reader in readers)
        # A single pair of windows shows only that no client waits for those that do not read.
        differences = [abs(one - other) for one, other in itertools.pairwise(without)]
        noise = statistics.median(differences) if differences else 0.2
        report.waited(max(with_))
        report.besides += [
            f"sale p99 {statistics.median(with_) * 1_000:.1f} ms with them",
            f"{statistics.median(without) * 1_000:.1f} ms without, from window to window +-{noise * 1_000:.1f} ms",
            f"{count * head:,} events to healthy clients",
        ]
        for reader in readers:
            # A sale that was under way at the end may come after the head.
            assert len(reader.seqs) >= head
            assert reader.seqs == list(range(1, len(reader.seqs) + 1))
        assert statistics.median(with_) < 1.1 * statistics.median(without) + noise


async def wait_until_received(readers: list[ReadingClient], head: int) -> None:
    async with asyncio.timeout(20):
        while min(len(reader.seqs) for reader in readers) < head:
            await asyncio.sleep(0.05)
