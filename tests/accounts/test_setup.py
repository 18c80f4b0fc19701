"""The setup of a shop: before it, only the setup routes answer; it succeeds once."""

import asyncio
import io
import itertools
import json
import logging
import re
import secrets
import shlex
import sys
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import websockets
from starlette.routing import Route

from app.composition.first_run import setup_token
from app.config.settings import Settings
from app.middleware.setup_gate import BEFORE_SETUP
from app.observability.access_log import AccessLog
from endpoints.routes import ROUTES
from repositories.database.client import temporary_client
from schemas.core.principals import FIRST_OWNER_ID
from tests.http.test_status_and_errors import assert_problem
from tests.server.test_startup import running
from tests.support.payloads import sale_body
from tests.support.ports import free_port
from tests.support.shop import OpenShop, Shop
from tests.support.shop_setup import OWNER_DRAFT as BODY
from tests.support.shop_setup import SETUP_TOKEN as TOKEN

SECRET = "4f9c1d7e2a8b5c3f6e0d9a1b8c7f2e5d"


@pytest.fixture
def database_name() -> str:
    """Yield the name of a new database, since setup is for a whole database."""
    return f"pos_setup_{secrets.token_hex(4)}"


async def open_before_setup(open_shop: OpenShop, database_name: str, **settings: Any) -> Shop:
    return await open_shop(
        sign_in="on",
        is_set_up=False,
        database_name=database_name,
        **{"setup_token": TOKEN, "secret_key": SECRET, **settings},
    )


def test_the_setup_token_is_the_same_in_each_process_and_hides_the_secret() -> None:
    made = setup_token(Settings(secret_key=SECRET))
    assert made == setup_token(Settings(secret_key=SECRET)) != setup_token(Settings(secret_key=SECRET[::-1]))
    assert made is not None
    assert len(made) > 40
    assert SECRET not in made
    assert setup_token(Settings(secret_key=SECRET, setup_token=TOKEN)) == TOKEN
    assert setup_token(Settings()) is None


async def test_waiting_for_setup_logs_no_error(open_shop: OpenShop, database_name: str) -> None:
    written = io.StringIO()
    shop = await open_before_setup(open_shop, database_name, access_log=AccessLog("json", written))
    assert_problem(await shop.http.get("/board"), 503, "not_set_up")
    await shop.http.get("/livez")
    logged = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(each["status"], each["level"]) for each in logged] == [(503, "info"), (200, "info")]


async def test_before_setup_only_the_setup_routes_answer(open_shop: OpenShop, database_name: str) -> None:
    shop = await open_before_setup(open_shop, database_name)
    for route in ROUTES:
        if not isinstance(route, Route):
            continue
        for method in ("GET", "POST", "PUT", "DELETE"):
            path = re.sub(r"\{.*?\}", "1", route.path)
            response = await shop.http.request(method, path)
            if route.path in BEFORE_SETUP:
                assert response.status_code in (200, 405, 400), path
            else:
                assert_problem(response, 503, "not_set_up")
                assert response.headers["retry-after"]
    for path in ("/nothing", "/board", "/docs", "/openapi.json"):
        assert_problem(await shop.http.get(path), 503, "not_set_up")
    for address in (shop.ws_url, shop.ws_url + "?since=0"):
        async with websockets.connect(address) as connection:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1013


async def test_setup_creates_the_owner_and_opens_the_shop(open_shop: OpenShop, database_name: str) -> None:
    shop = await open_before_setup(open_shop, database_name)
    assert await shop.get("/api/setup") == {"claimed": False}
    for wrong in ("", TOKEN[:-1], TOKEN + "x", "x" * 200):
        refused = await shop.http.post("/api/setup", json={**BODY, "token": wrong})
        assert refused.status_code == (403 if wrong else 422), wrong
    for name, value in {"password": "eleven char", "username": "", "name": None, "token": 7}.items():
        assert_problem(await shop.http.post("/api/setup", json={**BODY, name: value}), 422, "invalid_fields")
    assert await shop.get("/api/setup") == {"claimed": False}
    completed = await shop.http.post("/api/setup", json=BODY)
    assert completed.status_code == 201, completed.text
    assert completed.json()["data"] == {"id": FIRST_OWNER_ID, "username": "asha", "name": "Asha Rao", "role": "owner"}
    assert BODY["password"] not in completed.text
    stored = await shop.database["users"].find_one({"_id": FIRST_OWNER_ID})
    assert stored is not None
    assert (stored["login"], stored["role"], stored["belongs_to"]) == ("asha", "owner", None)
    assert stored["password"].startswith("$argon2id$")
    assert await shop.get("/api/setup") == {"claimed": True}
    assert_problem(await shop.http.post("/api/setup", json=BODY), 409, "already_claimed")
    # Also with a wrong token: the response reveals no more than GET does.
    assert_problem(await shop.http.post("/api/setup", json={**BODY, "token": "x"}), 409, "already_claimed")
    assert_problem(await shop.http.get("/api/orders/all"), 401, "not_signed_in")
    assert (await shop.http.get("/board")).status_code == 200


async def test_setup_is_impossible_without_a_secret(open_shop: OpenShop, database_name: str) -> None:
    shop = await open_before_setup(open_shop, database_name, setup_token=None, secret_key=None)
    for token in ("None", "x"):
        assert_problem(await shop.http.post("/api/setup", json={**BODY, "token": token}), 403, "wrong_setup_token")


async def test_a_completed_setup_needs_no_further_query(
    open_shop: OpenShop, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await open_before_setup(open_shop, database_name)
    queries: list[float] = []
    claim = shop.state["setup"]
    now = 100.0
    monkeypatch.setattr(claim, "_monotonic", lambda: now)
    claim._next_check = 0.0
    users = shop.state["users"]
    accounts = users._accounts

    class CountingCollection:
        async def find_one(self, *question: Any) -> Any:
            queries.append(now)
            return await accounts.find_one(*question)

    monkeypatch.setattr(users, "_accounts", CountingCollection())
    for _ in range(20):
        assert_problem(await shop.http.get("/board"), 503, "not_set_up")
    assert queries == [100.0]
    await shop.database["users"].insert_one({"_id": "USER-CLI", "role": "owner", "voided_at": None})
    now = 101.5
    for _ in range(20):
        assert (await shop.http.get("/board")).status_code == 200
    assert queries == [100.0, 101.5]


@pytest.mark.parametrize("stores", [("one", "one"), ("one", "two")])
async def test_concurrent_setups_over_two_processes_create_one_owner(
    mongodb_url: str, database_name: str, stores: tuple[str, str]
) -> None:
    names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": database_name, "SIGN_IN": "on", "SECRET_KEY": SECRET}
    names["TRUSTED_PROXIES"] = "1"
    body = {**BODY, "token": setup_token(Settings(secret_key=SECRET))}
    with ExitStack() as stack:
        ports = [free_port(), free_port()]
        for port, store in zip(ports, stores, strict=True):
            command = (sys.executable, "-m", "uvicorn", "asgi:app", "--port", str(port), "--no-access-log")
            stack.enter_context(running(*command, port=port, **names, STORE_ID=store))
        async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=40)) as http:

            async def claim(number: int) -> httpx.Response:
                completed = {**body, "username": f"owner-{number}"}
                # Each from its own address, because of the limit of one address.
                headers = {"X-Forwarded-For": f"203.0.113.{number}"}
                setup = f"http://127.0.0.1:{ports[number % 2]}/api/setup"
                # On a busy machine, forty hashes of passwords take longer than a request may.
                while (answer := await http.post(setup, json=completed, headers=headers)).status_code == 503:
                    assert answer.json()["code"] == "database_unavailable"
                    await asyncio.sleep(0.1)
                return answer

            answers = await asyncio.gather(*map(claim, range(40)))
            statuses = sorted(each.status_code for each in answers)
            assert statuses == [201, *[409] * 39], {each.text for each in answers if each.status_code not in (201, 409)}
            winner = next(each for each in answers if each.status_code == 201).json()["data"]["username"]
            # The other process has noticed it within a second.
            async with asyncio.timeout(30):
                for port in ports:
                    while (await http.get(f"http://127.0.0.1:{port}/api/orders/all")).status_code != 401:
                        await asyncio.sleep(0.05)
    with temporary_client(mongodb_url) as client:
        users = list(client[database_name]["users"].find())
        assert [(user["_id"], user["login"]) for user in users] == [(FIRST_OWNER_ID, winner)]
        assert client[database_name]["log"].count_documents({"events.type": "user"}) == 1


async def test_the_setup_instructions_are_logged_once_a_server(
    open_shop: OpenShop, database_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL, "pos"):
        shops = [
            await open_before_setup(open_shop, database_name, setup_token=None, store_id=store) for store in ("a", "b")
        ]
    lines = [record.getMessage() for record in caplog.records if "no owner yet" in record.getMessage()]
    assert len(lines) == 1
    token = setup_token(Settings(secret_key=SECRET))
    assert f"{Settings().public_base_url}/api/setup" in lines[0]
    assert str(token) in lines[0]
    assert SECRET not in lines[0]
    completed = await shops[0].http.post("/api/setup", json={**BODY, "token": token})
    assert completed.status_code == 201
    caplog.clear()
    with caplog.at_level(logging.CRITICAL, "pos"):
        await open_before_setup(open_shop, database_name, store_id="c")
    assert caplog.records == []


async def test_the_logged_command_completes_the_setup(
    open_shop: OpenShop, database_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL, "pos"):
        shop = await open_before_setup(open_shop, database_name, setup_token=None)
    line = caplog.records[-1].getMessage()
    # A JSON log shows it unchanged.
    assert json.dumps(line) == f'"{line}"'
    words = shlex.split(line.partition("more: ")[2])
    fields = [word for before, word in itertools.pairwise(words) if before == "--data-urlencode"]
    completed = await shop.http.post("/api/setup", data=dict(field.split("=", 1) for field in fields))
    assert completed.status_code == 201, completed.text


async def test_a_configured_setup_token_is_not_logged(
    open_shop: OpenShop, database_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        shop = await open_before_setup(open_shop, database_name)
        await shop.http.post("/api/setup", json=BODY)
    assert "$SETUP_TOKEN" in caplog.text
    assert TOKEN not in caplog.text
    assert BODY["password"] not in caplog.text


async def test_an_open_shop_is_open_before_it_has_an_owner(shop: Shop) -> None:
    assert (await shop.http.post("/api/orders/create-sale", json=sale_body())).status_code == 201
