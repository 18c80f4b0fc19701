"""Malformed requests: each gets a clear 4xx, stores nothing and reveals nothing, and all lists still work."""

import asyncio
import gzip
import json
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any, TypeVar

import pytest

from tests.conftest import LongRun
from tests.support.clients.concurrent_requests import at_once
from tests.support.clients.hostile_client import LISTS, REPORTS, Prober
from tests.support.event_log import events_of
from tests.support.faults.soak_report import reporting
from tests.support.payloads import estimate_body, line, sale_body
from tests.support.shop import Shop

pytestmark = pytest.mark.soak

T = TypeVar("T")

#: The most time of a rejected request, in sales.
MOST_SALES = 50
#: The number of malformed bodies at the end of the list: long ones, and those with several errors.
WRONG = 8

WRITES = (
    ("POST", "/api/estimates/create"),
    ("POST", "/api/orders/create-sale"),
    ("POST", "/api/estimates/EST-NONE/convert-to-order"),
    ("PUT", "/api/estimates/EST-NONE"),
    ("PUT", "/api/orders/ORDER-NONE/status"),
)


@pytest.fixture(scope="module")
def prober(long_run: LongRun) -> Iterator[Prober]:
    with reporting("B1 malformed requests", long_run) as report:
        yield Prober(report)
        report.rounds = 1


BOMB = gzip.compress(b" " * 10_000_000)
RAW = [
    b"",
    b"   ",
    b"{",
    b'{"customer_name": "A"',
    b"[]",
    b"[{}]",
    b"1",
    b'"text"',
    b"null",
    b"true",
    b"{}",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b"{'a': 1}",
    b'{"a": 1,}',
    b'{"total": NaN}',
    b'{"total": Infinity}',
    b'{"total": -Infinity}',
    b'{"total": 1e999999}',
    b'{"total": ' + b"9" * 100_000 + b"}",
    b'{"total": 0x10}',
    b'{"customer_name": "\\ud800"}',
    b'{"customer_name": "\xed\xa0\x80"}',
    b'{"customer_name": "a\x00b"}',
    b"[" * 1_000_000,
    b'{"a":' * 50_000,
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    b"{}" + b" " * 300_000,
    gzip.compress(b"{}"),
    BOMB,
    b"customer_name=A&total=1",
    b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--",
]
RAW += [
    b'{"created_at": "x", "n": ' + b"[" * depth + b"]" * depth + b"," + json.dumps(estimate_body()).encode()[1:]
    for depth in (40, 253, 254, 500, 900, 1_100)
]
VALUES: list[Any] = [
    *(True, False, -1, 1e308, -1e308, 1e-320, 2**63, 2**64, 10**18, 0.001, 1.005),
    *("", " ", "x" * 501, "a\x00b", "a\x1bb", "\u2028", "\x7f", "NaN", "1e5", "100", "$where", "\U0001f600"),
    *([], [1], [[]], {}, {"$gt": ""}, {"a.b": 1}),
]
FIELDS = (*estimate_body(), "amount_paid", "payment_mode", "created_at", "status")


def malformed_bodies() -> Iterator[bytes]:
    """Yield a valid body with each field in turn malformed, at the top and within a line."""
    body = estimate_body()
    for value in VALUES:
        for name in FIELDS:
            yield json.dumps({**body, name: value}).encode()
        for name in line():
            yield json.dumps({**body, "items": [{**line(), name: value}]}).encode()
    wrong: list[Any] = [[line()] * 1_001, [{}] * 10_000, [None], ["x"], [[line()]], {"0": line()}]
    for items in wrong:
        yield json.dumps({**body, "items": items}).encode()
    yield json.dumps({**body, "$set": {"total": 1}, "a.b": 1, "__proto__": {}, "_id": "EST-1", "number": 9}).encode()
    yield b'{"total": 1,' + json.dumps(body).encode()[1:]


def sample(everything: Sequence[T], every: int, first: int, long_run: LongRun) -> Sequence[T]:
    """Return all in a long run, else a sample that starts at a different one for each route."""
    return everything if long_run.is_long else everything[first % every :: every]


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_body_that_is_not_a_json_object_is_rejected_everywhere(
    shop: Shop, prober: Prober, method: str, path: str
) -> None:
    for raw in RAW:
        response = await prober.send(shop, method, path, content=raw)
        assert response.status_code in (400, 404, 413, 422), raw[:60]
    assert await events_of(shop) == []
    await prober.all_is_open(shop)


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_malformed_values_are_rejected_or_harmless(
    shop: Shop, prober: Prober, long_run: LongRun, method: str, path: str
) -> None:
    async def send(body: bytes) -> int:
        response = await prober.send(shop, method, path, content=body)
        if response.status_code == 201 and long_run.is_long:
            await prober.all_is_open(shop)
        return response.status_code

    bodies = sample(list(malformed_bodies()), len(WRITES), WRITES.index((method, path)), long_run)
    statuses = await at_once((send(body) for body in bodies), most=20)
    accepted = statuses.count(201)
    assert len(await events_of(shop)) == accepted
    await prober.all_is_open(shop)


ODD = ("$where", "a.b", "{$gt: 1}", "\U0001f600", "नमस्ते", "a/b\\c", "<script>", "' OR 1=1")


@pytest.mark.parametrize("field", ["customer_name", "sale_by", "customer_phone", "payment_mode"])
async def test_unusual_valid_text_is_stored_unchanged_and_found(shop: Shop, prober: Prober, field: str) -> None:
    for text in ODD:
        await shop.sale(**{field: text})
    items = (await shop.get("/api/orders/orders-only"))["orders"]["items"]
    assert [order[field] for order in reversed(items)] == list(ODD)
    if field != "customer_name":
        for text in ODD:
            found = (await shop.get("/api/orders/orders-only", **{field: text}))["orders"]
            assert [order[field] for order in found["items"]] == [text]
    await prober.all_is_open(shop)


PATHS = [
    "/api/estimates/%00",
    "/api/estimates/%2F",
    "/api/estimates/%2e%2e/orders",
    "/api/estimates/%ff%fe",
    "/api/estimates/" + "a" * 8_000,
    "/api/estimates/$where",
    "/api/estimates/{}",
    "/api/estimates/number/%23",
    "/api/estimates/number/-1",
    "/api/estimates/number/99999999999999999999",
    "/api/estimates/number/%D9%A1",
    "/api/orders/%0d%0aset-cookie:x",
    "/api/orders/number/1.0",
    "/api/orders/number/%00",
    "/api/reports/monthly/2026/1e1",
    "/api/reports/monthly/%D9%A2%D9%A0%D9%A2%D9%A6/1",
    "/api/reports/monthly/99999999999999999999/1",
    "/api/reports/monthly/2026/-1",
]
QUERIES = [
    *("limit=", "limit=1e9", "limit=%C2%B2", "limit=1&limit=2", "limit[]=1", "limit=5&cursor=%00"),
    *("cursor=AAAA", "cursor=" + "A" * 4_000, "cursor=LS0t", "cursor=MS4xLjk5OTk5OTk5OTk5OTk5OTk5OTk5", "cursor=%F0"),
    *("status=", "status[$ne]=x", "sale_by[$ne]=x", "sale_by=%00", "customer_phone=%0a", "payment_mode=%E2%80%A8"),
    *("from=0000-00-00", "from=9999-12-31", "to=%00", "from=2026-02-02&to=2026-02-01", "from=2026-1-1"),
    *("q=", "q=%00", "q=" + "x+" * 249, "q=.*", "q=(((((", "q=%F0%9F%98%80", "q=$where", "q=" + "%23" * 100),
    *("items=", "items=x", "items=1e3", "items=99999", "start_date=", "start_date=x&end_date=y", "end_date=2026-02-30"),
    *("&&&&", "=", "%", "%zz", "a" * 8_000),
]


async def test_malformed_paths_are_rejected(shop: Shop, prober: Prober) -> None:
    await shop.sale()
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
    requests = [(method, path) for path in PATHS for method in methods]
    answers = await at_once((prober.send(shop, *request) for request in requests), most=20)
    for request, response in zip(requests, answers, strict=True):
        assert 400 <= response.status_code < 500, request
    await prober.all_is_open(shop)


async def test_malformed_queries_are_rejected_or_harmless(shop: Shop, prober: Prober, long_run: LongRun) -> None:
    await shop.sale()
    requests = [
        *(
            ("GET", f"{path}?{query}")
            for number, query in enumerate(QUERIES)
            for path in sample((*LISTS, *REPORTS), 3, number, long_run)
        ),
        *(("PUT", f"/api/orders/X/status?{query}") for query in QUERIES),
        *(("DELETE", f"/api/orders/X?{query}") for query in QUERIES),
    ]
    await at_once((prober.send(shop, *request) for request in requests), most=20)
    await prober.all_is_open(shop)


HEADERS: list[dict[str, Any]] = [
    {"If-Match": '"99999999999999999999999"'},
    {"If-Match": ",,,"},
    {"If-None-Match": "W/"},
    {"Idempotency-Key": b"\xff\xfe"},
    {"Idempotency-Key": "a\tb"},
    {"X-Request-ID": "x" * 60_000},
    {"Content-Type": "text/xml"},
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "gzip", "X-Bomb": "yes"},
    {"Origin": "null"},
    {"Accept": "nothing/at-all"},
    {"Cookie": "a=b;" * 2_000},
]


async def test_malformed_headers_are_rejected_or_harmless(shop: Shop, prober: Prober) -> None:
    for headers in HEADERS:
        for method, path in (*WRITES, ("GET", "/api/estimates/all"), ("DELETE", "/api/orders/X")):
            content = b"" if method == "GET" else BOMB if "X-Bomb" in headers else json.dumps(estimate_body()).encode()
            await prober.send(shop, method, path, content=content, headers=headers)
    await prober.all_is_open(shop)


@pytest.mark.alone
async def test_malformed_requests_take_little_time(shop: Shop, prober: Prober) -> None:
    """Check that each takes at most as long as some dozens of sales, so an attacker has no advantage."""
    sale = await prober.quickest(shop, "POST", "/api/orders/create-sale", 20, json=sale_body())
    malformed: list[tuple[str, str, dict[str, Any]]] = [
        *((*way, {"content": raw}) for raw in RAW for way in WRITES[1::2]),
        *((*way, {"content": body}) for body in list(malformed_bodies())[-WRONG:] for way in WRITES[:2]),
        *(("GET", f"{path}?{query}", {}) for query, path in zip(QUERIES, cycle((*LISTS, *REPORTS)), strict=False)),
    ]
    for method, path, options in malformed:
        seconds = await prober.quickest(shop, method, path, **options)
        assert seconds < MOST_SALES * sale, (method, path, str(options)[:200])


NOT_HTTP = [
    b"GARBAGE\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"SELL /api/orders/create-sale HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET /health HTTP/9.9\r\nhost: x\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST /api/orders/create-sale HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
    b"POST /api/orders/create-sale HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
    b"POST /api/orders/create-sale HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
    b"GET http://[::1 HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nhost: x\r\nno colon here\r\n\r\n",
]


async def test_invalid_http_gets_a_json_error(shop: Shop) -> None:
    for raw in NOT_HTTP:
        reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
        writer.write(raw)
        answer = await asyncio.wait_for(reader.read(), 30)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 "), raw
        assert isinstance(json.loads(body)["detail"], str)
        writer.close()
        await writer.wait_closed()
