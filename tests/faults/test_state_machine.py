"""The whole API against a model with decimal money, in random order by Hypothesis."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.conftest import LongRun
from tests.support.clock import Clock
from tests.support.faults.soak_report import Report, reporting
from tests.support.payloads import estimate_body, line
from tests.support.shop import OpenShop

pytestmark = pytest.mark.soak

KOLKATA = ZoneInfo("Asia/Kolkata")
KEPT = ("Pending", "Processing", "Completed")

Json = dict[str, Any]

prices = st.integers(1, 10_000_00).map(lambda paise: Decimal(paise) / 100)
staff = st.sampled_from(["Ravi", "Meera"])
modes = st.sampled_from(["Cash", "UPI: Asha", "Card"])


@dataclass
class Quote:
    number: int
    total: Decimal
    staff: str
    day: str
    order: str | None = None
    is_void: bool = False


@dataclass
class Sale:
    number: int
    total: Decimal
    staff: str
    day: str
    mode: str
    status: str = "Completed"
    estimate: str | None = None
    is_void: bool = False


class ShopMachine(RuleBasedStateMachine):
    """Uses the API as a shop does, and keeps a model of the expected state.

    `http`, `clock` and `report` are set by the test.
    """

    http: httpx.Client
    clock: Clock
    report: Report

    estimates = Bundle("estimates")
    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.report.rounds += 1
        self.quotes: dict[str, Quote] = {}
        self.sales: dict[str, Sale] = {}
        # All runs use the same shop, so each begins on a new day.
        self.clock.advance(hours=72)
        self.last_numbers = self._last_numbers()

    def _today(self) -> str:
        return self.clock.now.astimezone(KOLKATA).date().isoformat()

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        self.report.operations += 1
        response = self.http.request(method, path, **options)
        assert response.status_code < 500, response.text
        return response

    def _last_numbers(self) -> dict[str, int]:
        lists = self._ask("GET", "/api/orders/separate?limit=1").json()
        return {
            kind: max((int(each[name].lstrip("#")) for each in lists[kind]["items"]), default=0)
            for kind, name in (("estimates", "estimate_number"), ("orders", "sale_number"))
        }

    def _reported(self, day: str) -> Json:
        report = self._ask("GET", f"/api/reports/date-range?start_date={day}&end_date={day}&items=0").json()
        return {
            "estimates": report["estimates"]["count"],
            "estimated": Decimal(str(report["estimates"]["total_amount"])),
            "orders": report["orders"]["count"],
            "earned": Decimal(str(report["orders"]["total_amount"])),
        }

    @rule(target=estimates, price=prices, seller=staff)
    def write_estimate(self, price: Decimal, seller: str) -> str:
        body = estimate_body([line(float(price))], sale_by=seller)
        data = self._ask("POST", "/api/estimates/create", json=body).json()["data"]
        estimate_id = str(data["estimate_id"])
        self.quotes[estimate_id] = Quote(int(data["estimate_number"].lstrip("#")), price, seller, self._today())
        return estimate_id

    @rule(target=orders, price=prices, seller=staff, mode=modes, times=st.integers(1, 3))
    def sell(self, price: Decimal, seller: str, mode: str, times: int) -> str:
        """Send a sale once or several times: it is booked once."""
        key = uuid4().hex
        body = estimate_body([line(float(price))], sale_by=seller, payment_mode=mode)
        answers = [
            self._ask("POST", "/api/orders/create-sale", json=body, headers={"Idempotency-Key": key})
            for _ in range(times)
        ]
        assert {answer.content for answer in answers} == {answers[0].content}
        data = answers[0].json()["data"]
        order_id = str(data["order_id"])
        self.sales[order_id] = Sale(int(data["sale_number"].lstrip("#")), price, seller, self._today(), mode)
        return order_id

    @rule(target=orders, estimate_id=estimates, mode=modes)
    def convert(self, estimate_id: str, mode: str) -> str:
        quote = self.quotes[estimate_id]
        response = self._ask("POST", f"/api/estimates/{estimate_id}/convert-to-order", json={"payment_mode": mode})
        if quote.is_void:
            assert response.status_code == 404
            return ""
        if quote.order is not None:
            # The same request gets the same answer; a different one is refused.
            assert response.status_code in (200, 400)
            return ""
        order_id = str(response.json()["order_id"])
        number = int(response.json()["sale_number"].lstrip("#"))
        quote.order = order_id
        self.sales[order_id] = Sale(number, quote.total, quote.staff, self._today(), mode, estimate=estimate_id)
        return order_id

    @rule(estimate_id=estimates, price=prices, seller=staff)
    def replace(self, estimate_id: str, price: Decimal, seller: str) -> None:
        quote = self.quotes[estimate_id]
        body = estimate_body([line(float(price))], sale_by=seller)
        status = self._ask("PUT", f"/api/estimates/{estimate_id}", json=body).status_code
        assert status == (404 if quote.is_void else 400 if quote.order else 200)
        if status == 200:
            quote.total, quote.staff = price, seller

    @rule(order_id=orders.filter(bool), status=st.sampled_from(["Pending", "Completed", "Cancelled", "Refunded"]))
    def change_status(self, order_id: str, status: str) -> None:
        sale = self.sales[order_id]
        is_allowed = status == sale.status or (sale.status, status) in {
            ("Completed", "Cancelled"),
            ("Completed", "Refunded"),
        }
        found = self._ask("PUT", f"/api/orders/{order_id}/status", params={"status": status}).status_code
        assert found == (404 if sale.is_void else 200 if is_allowed else 409)
        if found == 200:
            sale.status = status

    @rule(order_id=orders.filter(bool), keeps=st.booleans())
    def void_order(self, order_id: str, keeps: bool) -> None:
        sale = self.sales[order_id]
        path = f"/api/orders/{order_id}"
        found = self._ask("DELETE", path, params={"keep_estimate": str(keeps).lower()}).status_code
        assert found == (404 if sale.is_void else 200)
        if found == 200:
            sale.is_void = True
            if sale.estimate is not None:
                quote = self.quotes[sale.estimate]
                quote.order, quote.is_void = (None, quote.is_void) if keeps else (quote.order, True)

    @rule(estimate_id=estimates)
    def void_estimate(self, estimate_id: str) -> None:
        quote = self.quotes[estimate_id]
        status = self._ask("DELETE", f"/api/estimates/{estimate_id}").status_code
        assert status == (404 if quote.is_void else 400 if quote.order else 200)
        quote.is_void = quote.is_void or status == 200

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.clock.advance(hours=hours)

    def _expected(self, day: str) -> Json:
        quotes = [each for each in self.quotes.values() if each.day == day and not each.is_void]
        sales = [each for each in self.sales.values() if each.day == day and not each.is_void and each.status in KEPT]
        return {
            "estimates": len(quotes),
            "estimated": sum((each.total for each in quotes), Decimal(0)),
            "orders": len(sales),
            "earned": sum((each.total for each in sales), Decimal(0)),
        }

    @invariant()
    def the_report_of_today_agrees(self) -> None:
        assert self._reported(self._today()) == self._expected(self._today())

    @invariant()
    def numbers_have_no_gap(self) -> None:
        for kind, made in (("estimates", self.quotes), ("orders", self.sales)):
            numbers = sorted(each.number for each in made.values())
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
            assert not numbers or numbers[0] > self.last_numbers[kind]

    @invariant()
    def each_document_is_as_the_model_says(self) -> None:
        for order_id, sale in list(self.sales.items())[-3:]:
            response = self._ask("GET", f"/api/orders/{order_id}")
            assert response.status_code == (404 if sale.is_void else 200)
            if not sale.is_void:
                shown = response.json()
                assert (shown["status"], Decimal(str(shown["total"]))) == (sale.status, sale.total)
                assert shown["source_estimate_id"] == sale.estimate


@pytest.fixture
def run_machine(open_shop: OpenShop, long_run: LongRun) -> Callable[[], Any]:
    async def run() -> None:
        clock = Clock()
        shop = await open_shop(clock=clock)
        with (
            httpx.Client(base_url=str(shop.http.base_url), timeout=30, verify=False) as http,  # noqa: S501
            reporting("B6 the whole API compared with a model", long_run) as report,
        ):
            machine = type("Machine", (ShopMachine,), {"http": http, "clock": clock, "report": report})
            chosen = settings(
                max_examples=400 if long_run.is_long else 10,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            )
            # The server runs in this event loop, so the state machine, which blocks, runs in a thread.
            await asyncio.to_thread(run_state_machine_as_test, seed(long_run.seed)(machine), settings=chosen)

    return run


async def test_the_api_agrees_with_the_model(run_machine: Callable[[], Any]) -> None:
    await run_machine()
