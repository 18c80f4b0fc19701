"""Canaries: no password, PIN, token or key is in a log, an error response or an error report."""

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
    """Restore the configuration of logging after the test."""
    saved = [(each, each.handlers, each.level, each.propagate) for each in map(logging.getLogger, NAMES)]
    yield
    for logger, handlers, level, propagate in saved:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


async def use_all_secrets(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> tuple[set[str], str]:
    """Send all kinds of secrets, correctly and incorrectly; return the secrets and the text of all error responses."""
    owner = await as_(shop, OWNER, password=CANARY)
    cashier = await add(shop, CASHIER, shop.store, password=CANARY, pin=PIN)
    _, key = await enrol(shop, owner)
    tokens = (await login(shop, cashier["login"], CANARY)).json()
    errors: list[str] = []

    async def send(method: str, path: str, headers: dict[str, str] | None = None, **body: Any) -> None:
        answer = await shop.http.request(method, path, headers=headers, json=body)
        if answer.status_code >= 400:
            errors.append(answer.text)

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
    return secrets, "\n".join(errors)


@pytest.mark.parametrize("level", ["trace", "info", "error"])
@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.usefixtures("restored")
async def test_no_secret_is_in_a_log_or_an_error_response(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch, log_format: str, level: str
) -> None:
    stream = io.StringIO()
    access_log = AccessLog(log_format, stream)
    shop = await signed_in_shop(open_shop, access_log=access_log)
    logs.configure(replace(Settings(), log_format=log_format, log_level=level), stream)
    secrets, errors = await use_all_secrets(shop, monkeypatch)
    access_log.flush()
    written = stream.getvalue()
    assert "Unexpected error in POST /api/auth/login" in written
    assert "internal_error" in errors
    assert [secret for secret in secrets if secret in written] == []
    assert [secret for secret in secrets if secret in errors] == []
    assert "argon2id$" not in written + errors


def test_no_secret_is_in_a_report_to_sentry() -> None:
    frames = [{"vars": {"password": CANARY}, "function": "verify"}]
    exception = {"type": "ValueError", "value": CANARY, "stacktrace": {"frames": frames}}
    event = {"exception": {"values": [exception]}, "request": {"data": CANARY}, "extra": {"pin": PIN}, "user": CANARY}
    report = json.dumps(scrubbed(event, {}))
    assert "ValueError" in report
    assert CANARY not in report
    assert PIN not in report
