"""Canaries: no password, PIN, token or key is in any line of a log, in any answer that refuses it, in any report."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.config.settings import Settings
from app.observability import logs
from app.observability.access_log import AccessLog
from app.observability.error_reports import scrubbed
from schemas.core.principals import CASHIER, OWNER
from tests.support.accounts import PIN, add, as_, bearer, enrol, login, signed_in_shop
from tests.support.faults.failpoints import failing
from tests.support.shop import OpenShop, Shop

CANARY = "canary in the coal mine"
WEAK = "canarycanarycanary"
NAMES = ("", "uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access", "pos")


@pytest.fixture
def restored() -> Iterator[None]:
    """Leaves logging as it was."""
    kept = [(each, each.handlers, each.level, each.propagate) for each in map(logging.getLogger, NAMES)]
    yield
    for logger, handlers, level, propagate in kept:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


async def everything(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], str]:
    """Uses whatever holds a secret, rightly and wrongly; the secrets, and all that was said in refusal."""
    owner = await as_(shop, OWNER, password=CANARY)
    cashier = await add(shop, CASHIER, shop.store, password=CANARY, pin=PIN)
    _, key = await enrol(shop, owner)
    tokens = (await login(shop, cashier["login"], CANARY)).json()
    said: list[str] = []

    async def send(method: str, path: str, headers: dict[str, str] | None = None, **body: Any) -> None:
        answer = await shop.http.request(method, path, headers=headers, json=body)
        if answer.status_code >= 400:
            said.append(answer.text)

    pin = {"username": cashier["login"], "pin": PIN}
    await send("POST", "/api/auth/login", username=CANARY, password=CANARY)
    await send("POST", "/api/auth/login", username=7, password=[CANARY])
    await send("POST", "/api/auth/login", username="x", password=CANARY * 20)
    await send("POST", "/api/auth/pin", key, **pin)
    await send("POST", "/api/auth/pin", owner, **pin)
    await send("POST", "/api/auth/pin", key, username=cashier["login"], pin={"is": PIN})
    await send("POST", "/api/users", owner, username=CANARY, name="R", role="cashier", password=WEAK, pin=PIN)
    await send("POST", "/api/users", owner, username="ok", name="R", role="cashier", password=WEAK, pin=PIN + "1")
    await send("POST", "/api/auth/password", owner, current=CANARY, new=WEAK)
    await send("POST", "/api/auth/refresh", refresh_token=tokens["refresh_token"] * 20)
    await send("POST", "/api/auth/refresh", refresh_token=tokens["access_token"])
    await send("GET", "/api/auth/profile", bearer(tokens["refresh_token"]))
    for token in (tokens["access_token"], tokens["refresh_token"], key["Authorization"][7:]):
        await send("GET", f"/api/orders/{token}?token={token}", bearer(token[:-1]))
    async with failing(shop.database, "find", closeConnection=True):
        await send("POST", "/api/auth/login", username=cashier["login"], password=CANARY)
        await send("POST", "/api/auth/pin", key, **pin)
    with monkeypatch.context() as broken:
        broken.setattr(shop.state["sign_in"]._passwords, "verify", lambda *_: 1 / 0)
        await send("POST", "/api/auth/login", username=cashier["login"], password=CANARY)
    secrets = {CANARY, WEAK, PIN, tokens["access_token"], tokens["refresh_token"], key["Authorization"][7:]}
    return secrets, "\n".join(said)


@pytest.mark.parametrize("level", ["trace", "info", "error"])
@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.usefixtures("restored")
async def test_no_secret_is_in_a_log_or_in_a_refusal(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch, log_format: str, level: str
) -> None:
    stream = io.StringIO()
    access_log = AccessLog(log_format, stream)
    shop = await signed_in_shop(open_shop, access_log=access_log)
    logs.configure(replace(Settings(), log_format=log_format, log_level=level), stream)
    found, said = await everything(shop, monkeypatch)
    access_log.flush()
    written = stream.getvalue()
    assert "Unexpected error in POST /api/auth/login" in written
    assert "internal_error" in said
    assert [secret for secret in found if secret in written] == []
    assert [secret for secret in found if secret in said] == []
    assert "argon2id$" not in written + said


def test_no_secret_is_in_a_report_to_sentry() -> None:
    frames = [{"vars": {"password": CANARY}, "function": "verify"}]
    exception = {"type": "ValueError", "value": CANARY, "stacktrace": {"frames": frames}}
    event = {"exception": {"values": [exception]}, "request": {"data": CANARY}, "extra": {"pin": PIN}, "user": CANARY}
    told = json.dumps(scrubbed(event, {}))
    assert "ValueError" in told
    assert CANARY not in told
    assert PIN not in told
