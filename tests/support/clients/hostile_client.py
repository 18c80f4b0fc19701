"""Sends malformed and hostile requests, and checks that each answer is correct for a client."""

import time
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.faults.soak_report import Report
from tests.support.shop import Shop

# Text that only internal errors contain.
TRACES = ("traceback", "pymongo", "motor", "mongodb", "marshmallow", "site-packages", ".py", ".sock", "line 1 column")
LISTS = (
    *("/api/estimates/all", "/api/estimates/pending", "/api/estimates/converted", "/api/orders/all"),
    *("/api/orders/separate", "/api/orders/orders-only"),
)
REPORTS = (
    *("/api/reports/today", "/api/reports/date-range", "/api/reports/staff-performance"),
    *("/api/reports/estimates-only", "/api/reports/orders-only"),
)


@dataclass
class Prober:
    """Sends requests, and counts them in `report`."""

    report: Report

    async def send(self, shop: Shop, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request, and return the answer: a success or a plain refusal, never a 5xx or an internal error."""
        response = await shop.http.request(method, path, **options)
        self.report.operations += 1
        # Counted as wrong until the checks pass.
        self.report.wrong += 1
        assert response.status_code < 500, (response.request.url, response.text)
        if response.status_code >= 400 and method != "HEAD":
            assert isinstance(response.json()["detail"], str)
            lowered = response.text.lower()
            assert not [trace for trace in TRACES if trace in lowered], response.text
        self.report.wrong -= 1
        return response

    async def quickest(self, shop: Shop, method: str, path: str, tries: int = 3, **options: Any) -> float:
        """Return the seconds of the fastest of some tries, since the machine is shared."""
        seconds = []
        for _ in range(tries):
            began = time.monotonic()
            await self.send(shop, method, path, **options)
            seconds.append(time.monotonic() - began)
        self.report.waited(min(seconds))
        return min(seconds)

    async def all_is_open(self, shop: Shop) -> None:
        """Check that each list and report answers as documented."""
        for path in (*LISTS, *REPORTS, "/api/reports/monthly/2026/3"):
            dates = {"start_date": "2020-01-01", "end_date": "2039-12-31"}
            response = await shop.http.get(path, params=dates)
            assert response.status_code == 200, path
            response.json()
