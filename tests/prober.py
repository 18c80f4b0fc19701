"""Sends what no decent client sends, and holds every answer to what a client may expect."""

import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.report import Report
from tests.shop import Shop

# What only our own insides could say.
TRACES = ("traceback", "pymongo", "motor", "mongodb", "marshmallow", "site-packages", ".py", ".sock", "line 1 column")
LISTS = (
    *("/api/estimates/all", "/api/estimates/pending", "/api/estimates/converted", "/api/orders/all"),
    *("/api/orders/separate", "/api/orders/orders-only"),
)
REPORTS = (
    *("/api/reports/today", "/api/reports/date-range", "/api/reports/staff-performance"),
    *("/api/reports/estimates-only", "/api/reports/orders-only"),
)
MOST_SECONDS = 0.25
_TRIES = 5


@dataclass
class Prober:
    """report: of all that were sent. slow: what took too long, which may be due to what was sent beside it."""

    report: Report
    slow: list[tuple[Shop, str, str, dict[str, Any]]] = field(default_factory=list)
    sent_again: int = 0

    async def send(self, shop: Shop, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer: a success, or a refusal that a client understands; never a 5xx, and never our insides."""
        began = time.monotonic()
        response = await shop.http.request(method, path, **options)
        seconds = time.monotonic() - began
        self.report.operations += 1
        if seconds > MOST_SECONDS:
            self.slow.append((shop, method, path, options))
        else:
            self.report.waited(seconds)
        # Counted until it has proved to be decent.
        self.report.wrong += 1
        assert response.status_code < 500, (response.request.url, response.text)
        if response.status_code >= 400 and method != "HEAD":
            assert isinstance(response.json()["detail"], str)
            lowered = response.text.lower()
            assert not [trace for trace in TRACES if trace in lowered], response.text
        self.report.wrong -= 1
        return response

    async def judge_slow(self) -> None:
        """What took too long in company is sent again alone; it is too slow if it never is quick enough."""
        slow, self.slow = self.slow, []
        self.sent_again += len(slow)
        for shop, method, path, options in slow:
            quickest = min([await self._alone(shop, method, path, options) for _ in range(_TRIES)])
            self.report.waited(quickest)
            assert quickest < MOST_SECONDS, (method, path, str(options)[:200])

    @staticmethod
    async def _alone(shop: Shop, method: str, path: str, options: dict[str, Any]) -> float:
        began = time.monotonic()
        await shop.http.request(method, path, **options)
        return time.monotonic() - began

    async def all_is_open(self, shop: Shop) -> None:
        """Every list and report answers, and with what was promised of it."""
        for path in (*LISTS, *REPORTS, "/api/reports/monthly/2026/3"):
            dates = {"start_date": "2020-01-01", "end_date": "2039-12-31"}
            response = await shop.http.get(path, params=dates)
            assert response.status_code == 200, path
            response.json()
