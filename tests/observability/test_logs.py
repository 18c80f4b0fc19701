"""Logs: a line for each request, in one format, without personal data."""

import asyncio
import io
import json
import logging
import pty
import secrets
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
import websockets
from pymongo.errors import AutoReconnect, BulkWriteError
from starlette.endpoints import HTTPEndpoint
from starlette.routing import Route
from websockets.exceptions import WebSocketException

from app.config.settings import Settings
from app.middleware.observation import RequestRecord
from app.observability.access_log import AccessLog
from app.observability.logs import configure, trace_of
from endpoints.routes import ROUTES
from tests.server.test_startup import running
from tests.support.faults.failpoints import failing
from tests.support.payloads import estimate_body, line, sale_body
from tests.support.ports import free_port
from tests.support.shop import OpenShop, Shop

NAME, PHONE, PLACE = "Kanariya Vogelsang", "9876501234", "17 Canary Lane"
SELLER, KEY, TOKEN, REASON = "Zwitscherina", "key-of-a-canary", "bearer-of-a-canary", "sang too loudly"
ITEM = "Birdseed Extraordinaire"
SECRETS = (NAME, PHONE, PLACE, SELLER, KEY, TOKEN, REASON, ITEM, "Kanariya", "canary", "Canary")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Capture all logs of a test at the most detailed level."""
    loggers = [logging.getLogger(name) for name in (None, "pos", "uvicorn", "uvicorn.error", "uvicorn.access")]
    before = [(each.level, each.handlers, each.propagate) for each in loggers]
    stream = io.StringIO()
    configure(Settings(log_level="trace", log_format="json"), stream)
    yield stream
    for each, (level, handlers, propagate) in zip(loggers, before, strict=True):
        each.setLevel(level)
        each.handlers, each.propagate = handlers, propagate


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(each) for each in stream.getvalue().splitlines()]


async def requests_of(stream: io.StringIO, count: int) -> list[dict[str, Any]]:
    """Return the lines of the first `count` requests. A line is written just after its response was sent."""
    async with asyncio.timeout(30):
        while len(found := [each for each in lines(stream) if each["event"] == "request"]) < count:
            await asyncio.sleep(0.002)
    return found


def canary_body(**changes: Any) -> Any:
    person = {"customer_name": NAME, "customer_phone": PHONE, "customer_address": PLACE, "sale_by": SELLER}
    return {**sale_body([line(name=ITEM)]), **person, **changes}


async def send_canaries(shop: Shop, *, key: str = KEY) -> list[httpx.Response]:
    """Send canaries to every route and method: existing and missing documents, valid and invalid bodies."""
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Cookie": f"session={TOKEN}",
        "Referer": f"http://till.example/?name={NAME}",
        "User-Agent": f"Till of {SELLER}",
    }
    answers = []
    for number, route in enumerate(each for each in ROUTES if isinstance(each, Route)):
        assert isinstance(route.endpoint, type)
        assert issubclass(route.endpoint, HTTPEndpoint)
        if route.path == "/api/events/stream":
            continue
        for method in ("GET", "POST", "PUT", "DELETE"):
            path = "/".join(PHONE if part.startswith("{") else part for part in route.path.split("/"))
            keyed = {**headers, "Idempotency-Key": f"{key}-{number}"}
            query = {"q": NAME, "reason": REASON, "by": SELLER, "start_date": PLACE, "cursor": TOKEN}
            bodies = [canary_body(), canary_body(total=NAME), canary_body(items=PLACE), {"status": NAME}]
            texts = [*map(json.dumps, bodies), f"{{{NAME}"]
            # A POST with unknown query parameters is rejected before its body is read.
            queries = [query] if method != "POST" else [query, {}]
            answers += [
                await shop.http.request(method, path, content=text, headers=keyed, params=each_query)
                for each_query in queries
                for text in texts
            ]
    return answers


async def test_no_content_of_a_request_is_logged(
    open_shop: OpenShop, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await open_shop(access_log=AccessLog("json", written))
    answers = await send_canaries(shop)
    sold = await shop.sale(customer_name=NAME)
    for path in (f"/api/orders/{sold['order_id']}", "/api/orders/all", "/api/events"):
        assert NAME in (await shop.http.get(path, params={"customer": NAME})).text
    for address in (f"?since={TOKEN}", f"?since=0&topics={PHONE}", ""):
        with suppress(WebSocketException):
            async with asyncio.timeout(30), websockets.connect(shop.ws_url + address) as socket:
                await socket.send(NAME)
                await shop.sale(customer_name=NAME)
                await socket.recv()
    async with failing(shop.database, "insert", errorCode=112):
        answers.append(await shop.http.post("/api/orders/create-sale", json=canary_body()))
    async with failing(shop.database, "insert", errorCode=121):
        answers.append(await shop.http.post("/api/orders/create-sale", json=canary_body()))
    async with failing(shop.database, "find", closeConnection=True):
        answers += await asyncio.gather(*(shop.http.get(f"/api/orders/{PHONE}?q={NAME}") for _ in range(2)))

    def broken(*_: object) -> None:
        raise KeyError(NAME) from ValueError(PHONE)

    monkeypatch.setattr("endpoints.sales.estimates.draft", broken)
    answers.append(await shop.http.post("/api/estimates/create", json=canary_body()))

    assert {each.status_code for each in answers} >= {200, 201, 400, 404, 405, 422, 500, 503}
    refusals = [each.text for each in answers if each.status_code >= 400]
    seen = await requests_of(written, len(answers))
    text = written.getvalue()
    assert "KeyError" in text
    assert "came from" in text
    assert [each for each in text.splitlines() if any(secret in each for secret in SECRETS)] == []
    assert [secret for secret in SECRETS if any(secret in each for each in refusals)] == []
    assert sold["order_id"] not in text
    assert {each["route"] for each in seen} <= {route.path for route in ROUTES if isinstance(route, Route)} | {
        "unmatched"
    }


async def test_a_line_has_route_status_duration_and_request_id(open_shop: OpenShop, written: io.StringIO) -> None:
    shop = await open_shop(access_log=AccessLog("json", written))
    answer = await shop.http.get("/api/orders/ORDER-1?by=me", headers={"X-Request-ID": "till-7"})
    assert answer.status_code == 404
    (line,) = await requests_of(written, 1)
    assert line.pop("timestamp").endswith("Z")
    assert 0 < line.pop("ms") < 10_000
    assert line == {
        "level": "info",
        "event": "request",
        "method": "GET",
        "route": "/api/orders/{order_id}",
        "status": 404,
        "request_id": "till-7",
    }


async def test_an_error_is_logged_with_its_traceback_and_request_id(
    open_shop: OpenShop, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await open_shop(access_log=AccessLog("json", written))

    def broken(*_: object) -> None:
        raise ZeroDivisionError(NAME)

    monkeypatch.setattr("endpoints.sales.estimates.draft", broken)
    answer = await shop.http.post("/api/estimates/create", json=estimate_body())
    (request,) = await requests_of(written, 1)
    assert (request["level"], request["status"]) == ("error", 500)
    (fault,) = [each for each in lines(written) if "exception" in each]
    assert fault["request_id"] == request["request_id"] == answer.headers["x-request-id"]
    assert fault["exception"].endswith("ZeroDivisionError")
    assert ", in broken\n" in fault["exception"]


async def test_an_exception_of_a_task_is_logged_without_its_message(written: io.StringIO) -> None:
    async def fail() -> None:
        raise ValueError(NAME)

    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    context = {"message": "Task exception was never retrieved", "exception": task.exception(), "future": task}
    asyncio.get_running_loop().default_exception_handler(context)
    (line,) = [each for each in lines(written) if each["logger"] == "asyncio"]
    assert line["event"] == "Task exception was never retrieved"
    assert "ValueError" in line["exception"]
    assert NAME not in written.getvalue()


def test_exceptions_of_the_driver_are_logged_without_documents() -> None:
    refused = BulkWriteError({"writeErrors": [{"op": {"customer_name": NAME}}], "codeName": "WriteError"})
    assert trace_of(refused).startswith("BulkWriteError: code 65")
    assert trace_of(AutoReconnect("db.internal:27017: connection closed")) == (
        "AutoReconnect: db.internal:27017: connection closed"
    )
    assert trace_of(OSError(28, "No space left on device")) == "OSError: No space left on device"


async def test_lines_of_one_loop_iteration_are_written_together() -> None:
    class Stream(io.StringIO):
        writes = 0

        def write(self, text: str) -> int:
            self.writes += 1
            return super().write(text)

    stream = Stream()
    log = AccessLog("json", stream)
    for status in (200, 201, 404):
        log(RequestRecord({"method": "GET"}, 0.0, "GET", status=status))
    assert stream.getvalue() == ""
    await asyncio.sleep(0)
    assert [each["status"] for each in lines(stream)] == [200, 201, 404]
    assert stream.writes == 1


@pytest.mark.parametrize(("chosen", "is_json"), [("auto", True), ("text", False)])
def test_a_server_writes_one_format(mongodb_url: str, chosen: str, is_json: bool) -> None:
    port = free_port()
    command = (sys.executable, "-m", "app", "serve", "--port", str(port))
    names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": "pos_logs", "STORE_ID": secrets.token_hex(4)}
    with running(*command, port=port, LOG_FORMAT=chosen, WEB_CONCURRENCY="2", **names) as server:
        httpx.get(f"http://127.0.0.1:{port}/livez?name={NAME}")
        server.terminate()
        output, _ = server.communicate(timeout=25)
    logged = [each for each in output.splitlines() if "ervice" not in each.partition(" ")[0]]
    logged = logged[next(n for n, each in enumerate(logged) if "Uvicorn running" in each) :]
    assert any("Stopping parent process" in each for each in logged)
    assert any("/livez" in each for each in logged)
    assert NAME not in output
    assert all(each.startswith("{") == is_json for each in logged), output
    if is_json:
        assert {json.loads(each)["level"] for each in logged} == {"info"}


async def test_lines_on_a_terminal_are_formatted_for_people() -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal, open(ours, "rb", buffering=0) as reader:  # noqa: ASYNC230, PTH123
        log = AccessLog("auto", terminal)
        log(RequestRecord({"method": "GET"}, 0.0, "GET", status=200))
        await asyncio.sleep(0)
        shown = reader.read(1_000).decode()
    assert "GET unmatched 200" in shown
    assert "\x1b[" in shown
    assert not shown.startswith("{")


def test_loggers_of_uvicorn_never_show_frames_or_headers(written: io.StringIO) -> None:
    assert not logging.getLogger("uvicorn.error").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("pymongo.command").isEnabledFor(logging.DEBUG)
    assert logging.getLogger("pos.hub").isEnabledFor(logging.DEBUG)
    logging.getLogger("uvicorn.access").info(NAME)
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "127.0.0.1", f"/ws?name={NAME}")
    assert NAME not in written.getvalue()
