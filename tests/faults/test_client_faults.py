"""Faults of clients: races, many retries, lost answers, wrong clocks."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import orjson
import pytest

from repositories.auditing.verification import verify
from tests.conftest import LongRun
from tests.support.clients.concurrent_requests import Answer, at_once, send
from tests.support.clock import Clock
from tests.support.faults.fault_rounds import check_books
from tests.support.faults.soak_report import Report, reporting
from tests.support.payloads import estimate_body, line, sale_body
from tests.support.processes import services
from tests.support.shop import OpenShop, Shop

pytestmark = pytest.mark.soak

KOLKATA = ZoneInfo("Asia/Kolkata")
SALE = "/api/orders/create-sale"
ESTIMATE = "/api/estimates/create"
FIRST_STAMP = 1_790_000_000_000


async def books_agree(report: Report, url: str, shop: Shop, store: str | None = None) -> None:
    """Check the books with `verify`, and with the consistency checker."""
    store = store or shop.store
    verdict = await check_books(url, None, store)
    report.judge(verdict)
    assert verdict.is_clean, verdict
    assert await verify(shop.database, store) == []


def count(report: Report, answers: Sequence[Answer]) -> None:
    report.rounds += 1
    report.operations += len(answers)
    report.waited(max(answer.seconds for answer in answers))
    report.wrong += sum(answer.status >= 500 for answer in answers)


async def test_a7_many_convert_one_estimate_at_once(shop: Shop, mongodb_url: str, long_run: LongRun) -> None:
    with reporting("A7 1,000 concurrent converts of one estimate", long_run) as report:
        many = 1_000 if long_run.is_long else 150
        for number in long_run.rounds(1, 50):
            estimate = await shop.estimate()
            path = f"/api/estimates/{estimate['estimate_id']}/convert-to-order"
            answers = await at_once(
                (send(shop.port, "POST", path, {}, idempotency_key=f"till-{number}-{n}") for n in range(many)),
                most=500,
            )
            count(report, answers)
            assert Counter(answer.status for answer in answers) == {200: 1, 400: many - 1}
            made = await shop.database.orders.count_documents({"estimate_id": estimate["estimate_id"]})
            assert made == 1
        await books_agree(report, mongodb_url, shop)


async def test_a8_many_estimates_are_converted_twice_and_deleted_concurrently(
    shop: Shop, mongodb_url: str, long_run: LongRun
) -> None:
    """Check that each estimate is either converted or deleted, and that the books agree."""
    chance = random.Random(long_run.seed)
    with reporting("A8 1,000 estimates, each converted twice and deleted at once", long_run) as report:
        many = 1_000 if long_run.is_long else 120
        for _ in long_run.rounds(1, 10):
            made = await at_once(send(shop.port, "POST", ESTIMATE, estimate_body()) for _ in range(many))
            ids = [answer.content["data"]["estimate_id"] for answer in made]
            requests = [
                request
                for estimate_id in ids
                for request in (
                    ("POST", f"/api/estimates/{estimate_id}/convert-to-order", {"payment_mode": "Cash"}),
                    ("POST", f"/api/estimates/{estimate_id}/convert-to-order", {"payment_mode": "Card"}),
                    ("DELETE", f"/api/estimates/{estimate_id}", None),
                )
            ]
            chance.shuffle(requests)
            answers = await at_once((send(shop.port, *request) for request in requests), most=400)
            count(report, answers)
            assert {answer.status for answer in answers} <= {200, 400, 404}
            succeeded = Counter(
                path.split("/")[3]
                for (_, path, _), answer in zip(requests, answers, strict=True)
                if answer.status == 200
            )
            assert succeeded == dict.fromkeys(ids, 1)
        await books_agree(report, mongodb_url, shop)


async def test_a9_many_retries_of_one_key_with_two_processes(shop: Shop, mongodb_url: str, long_run: LongRun) -> None:
    store = f"{shop.store}-retries"
    with reporting("A9 10,000 retries of one key, two processes", long_run) as report:
        async with services(mongodb_url, store, 2) as servers:
            for number in long_run.rounds(1, 10):
                answers = await at_once(
                    (
                        send(servers[n % 2].port, "POST", SALE, sale_body(), idempotency_key=f"till-{number}")
                        for n in range(10_000 if long_run.is_long else 1_000)
                    ),
                    most=300,
                )
                count(report, answers)
                assert {answer.status for answer in answers} == {201}
                assert len({answer.content["order_id"] for answer in answers}) == 1
                assert await shop.database.orders.count_documents({"store": store}) == number + 1
        await books_agree(report, mongodb_url, shop, store)


async def _post_without_reading(port: int, body: object, seconds: float) -> None:
    """Send a request without reading its answer, as a phone without network."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = orjson.dumps(body)
    head = f"POST {SALE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    await writer.drain()
    await asyncio.sleep(seconds)
    writer.transport.abort()
    del reader


async def test_a10_the_app_loses_two_answers_and_the_cashier_taps_retry(
    shop: Shop, mongodb_url: str, long_run: LongRun
) -> None:
    """Resend a sale unchanged as the app does; its Retry button sends a new timestamp with the same lines."""
    chance = random.Random(long_run.seed)
    with reporting("A10 the phone app: two responses dropped, then Retry", long_run) as report:
        for number in long_run.rounds(20, 500):
            stamps = [FIRST_STAMP + 1_000 * number + place for place in range(2)]
            body = sale_body([line(19.99, id=stamp) for stamp in stamps], customer_name=f"Asha {number}")
            stamped = {**body, "created_at": f"2026-11-23T21:45:{number % 60:02}.{number:06}"}
            for _ in range(2):
                await _post_without_reading(shop.port, stamped, chance.random() * 0.02)
            began = time.monotonic()
            again = await shop.http.post(
                SALE, json={**body, "created_at": f"2026-11-23T21:46:{number % 60:02}.{number:06}"}
            )
            report.waited(time.monotonic() - began)
            report.rounds += 1
            report.operations += 3
            assert again.status_code == 201
            assert await shop.database.orders.count_documents({"store": shop.store}) == number + 1
        await books_agree(report, mongodb_url, shop)


# The last and the first instant of a day, a month, a year, a leap day, and of a day in UTC.
MOMENTS = (
    *("2026-03-31T23:59:59.999+05:30", "2026-04-01T00:00:00+05:30", "2026-12-31T23:59:59+05:30"),
    *("2027-01-01T00:00:00+05:30", "2028-02-29T12:00:00+05:30", "2028-02-29T23:59:59.999+05:30"),
    *("2026-03-14T18:29:59.999+00:00", "2026-03-14T18:30:00+00:00", "2026-03-15T00:00:00+00:00"),
)


async def test_a11_the_clock_jumps_and_the_books_agree(
    open_shop: OpenShop, mongodb_url: str, long_run: LongRun
) -> None:
    """Move the clock by an hour, a day, over midnight and the end of a month, in both directions."""
    chance = random.Random(long_run.seed)
    clock = Clock()
    shop = await open_shop(clock=clock)
    sold: Counter[str] = Counter()
    with reporting("A11 the clock jumps", long_run) as report:
        for _ in long_run.rounds(10, 50):
            if chance.random() < 0.5:
                clock.at(chance.choice(MOMENTS))
            else:
                clock.advance(hours=chance.choice([-25, -24, -1, 1, 24, 25]))
            sales = await asyncio.gather(*(shop.sale() for _ in range(3)), shop.estimate())
            estimate_id = sales[-1]["estimate_id"]
            clock.advance(hours=chance.choice([-1, 0, 1]))
            await shop.convert(estimate_id)
            sold[clock.now.astimezone(KOLKATA).date().isoformat()] += 1
            assert await verify(shop.database, shop.store) == []
            report.rounds += 1
            report.operations += 5
        for day, conversions in sold.items():
            shown = await shop.get("/api/reports/date-range", start_date=day, end_date=day)
            assert shown["orders"]["count"] >= conversions
        await books_agree(report, mongodb_url, shop)
