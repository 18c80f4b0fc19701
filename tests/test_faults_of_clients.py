"""Clients that all want the same, ask again and again, lose the answer, or live in another time."""

import asyncio
import random
from collections import Counter
from zoneinfo import ZoneInfo

import orjson

from repositories.verification import verify
from tests.clock import Clock
from tests.conftest import LongRun
from tests.crowd import at_once, send
from tests.payloads import estimate_body, line, sale_body
from tests.processes import services
from tests.shop import OpenShop, Shop

KOLKATA = ZoneInfo("Asia/Kolkata")
SALE = "/api/orders/create-sale"
ESTIMATE = "/api/estimates/create"
FIRST_STAMP = 1_790_000_000_000


async def test_a7_a_thousand_convert_one_estimate_at_once(shop: Shop, long_run: LongRun) -> None:
    for _ in long_run.rounds(1, 50):
        estimate = await shop.estimate()
        path = f"/api/estimates/{estimate['estimate_id']}/convert-to-order"
        answers = await at_once(
            (send(shop.port, "POST", path, {}, idempotency_key=f"till-{n}") for n in range(1_000)), most=500
        )
        assert Counter(answer.status for answer in answers) == {200: 1, 400: 999}
        made = await shop.database.orders.count_documents({"estimate_id": estimate["estimate_id"]})
        assert made == 1


async def test_a8_a_thousand_estimates_are_converted_twice_and_deleted_at_once(shop: Shop, long_run: LongRun) -> None:
    """What comes of each is one of two things, and the books agree (checked when the shop closes)."""
    for _ in long_run.rounds(1, 10):
        made = await at_once(send(shop.port, "POST", ESTIMATE, estimate_body()) for _ in range(1_000))
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
        random.Random(long_run.seed).shuffle(requests)
        answers = await at_once((send(shop.port, *request) for request in requests), most=400)
        assert {answer.status for answer in answers} <= {200, 400, 404}
        succeeded = Counter(
            path.split("/")[3] for (_, path, _), answer in zip(requests, answers, strict=True) if answer.status == 200
        )
        assert succeeded == dict.fromkeys(ids, 1)
        assert await verify(shop.database, shop.store) == []


async def test_a9_ten_thousand_retries_of_one_key_with_two_processes(
    shop: Shop, mongodb_url: str, long_run: LongRun
) -> None:
    store = f"{shop.store}-retries"
    async with services(mongodb_url, store, 2) as servers:
        for number in long_run.rounds(1, 10):
            answers = await at_once(
                (
                    send(servers[n % 2].port, "POST", SALE, sale_body(), idempotency_key=f"till-{number}")
                    for n in range(10_000)
                ),
                most=300,
            )
            assert {answer.status for answer in answers} == {201}
            assert len({answer.content["order_id"] for answer in answers}) == 1
            assert await shop.database.orders.count_documents({"store": store}) == number + 1
    assert await verify(shop.database, store) == []


async def _unanswered(port: int, body: object) -> None:
    """A request whose answer nobody waits for: the phone has lost its network."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    content = orjson.dumps(body)
    head = f"POST {SALE} HTTP/1.1\r\nHost: shop\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    await writer.drain()
    await asyncio.sleep(random.random() * 0.02)
    writer.transport.abort()
    del reader


async def test_a10_the_app_loses_two_answers_and_then_somebody_taps_retry(shop: Shop, long_run: LongRun) -> None:
    """As the app works: a sale is stamped once and resent as it is; Retry stamps it anew, and keeps the lines."""
    for number in long_run.rounds(50, 500):
        stamps = [FIRST_STAMP + 1_000 * number + place for place in range(2)]
        body = sale_body([line(19.99, id=stamp) for stamp in stamps], customer_name=f"Asha {number}")
        stamped = {**body, "created_at": f"2026-11-23T21:45:{number % 60:02}.{number:06}"}
        await _unanswered(shop.port, stamped)
        await _unanswered(shop.port, stamped)
        again = await shop.http.post(
            SALE, json={**body, "created_at": f"2026-11-23T21:46:{number % 60:02}.{number:06}"}
        )
        assert again.status_code == 201
        assert await shop.database.orders.count_documents({"store": shop.store}) == number + 1


async def test_a11_the_clock_jumps_and_the_books_agree(open_shop: OpenShop, long_run: LongRun) -> None:
    chance = random.Random(long_run.seed)
    clock = Clock()
    shop = await open_shop(clock=clock)
    moments = (
        *("2026-03-31T23:59:59.999+05:30", "2026-04-01T00:00:00+05:30", "2026-12-31T23:59:59+05:30"),
        *("2027-01-01T00:00:00+05:30", "2028-02-29T12:00:00+05:30", "2026-03-14T18:29:59.999+00:00"),
    )
    sold: Counter[str] = Counter()
    for _ in long_run.rounds(20, 200):
        if chance.random() < 0.5:
            clock.at(chance.choice(moments))
        else:
            clock.advance(hours=chance.choice([-25, -24, -1, 1, 24, 25]))
        sales = await asyncio.gather(*(shop.sale() for _ in range(3)), shop.estimate())
        estimate_id = sales[-1]["estimate_id"]
        clock.advance(hours=chance.choice([-1, 0, 1]))
        await shop.convert(estimate_id)
        day = clock.now.astimezone(KOLKATA).date().isoformat()
        sold[day] += 1
        assert await verify(shop.database, shop.store) == []
    for day, conversions in sold.items():
        report = await shop.get("/api/reports/date-range", start_date=day, end_date=day)
        assert report["orders"]["count"] >= conversions
    numbers = [order["number"] async for order in shop.database.orders.find({"store": shop.store}, {"number": 1})]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
