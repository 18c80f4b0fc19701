"""Canaries: no key, phone number or text of a message is in a log or in the reason of a failure."""

import io
import logging
import traceback
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest

from app.config.settings import Settings
from app.observability import logs
from schemas.messaging.delivery import Refused, RetryLater, Unknown
from schemas.messaging.provider_errors import safe_reason
from services.messaging.console import ConsoleProvider
from services.messaging.provider_settings import ProviderSettings
from tests.support.messaging import provider_server as responses
from tests.support.messaging.outgoing_messages import CLOUD_SETTINGS, DOCUMENT, FAST2SMS_SETTINGS, PHONE, provided
from tests.support.messaging.provider_server import ProviderStub, Script, listening
from tests.support.ports import free_port

TOKEN = "canary+in/the=coalmine"
MESSAGE = replace(DOCUMENT, text="Namaste Canary", document_url="https://shop.example/static/estimates/canarylink.pdf")
CANARIES = (TOKEN, quote(TOKEN, safe=""), PHONE, "98220 12345", "canarylink", "Namaste")
ECHO = f"Bad key {TOKEN} or {quote(TOKEN, safe='')} for +91{PHONE}, 91-98220 12345: {MESSAGE.document_url}"
SCRIPTS = (
    *(
        responses.JUNK,
        responses.BROKEN_OFF,
        responses.CLOSED,
        responses.NO_ANSWER,
        responses.TOO_LARGE,
        Script(TOKEN.encode() + b"\r\n\r\n"),
    ),
    *(responses.answer(302, b"", Location=f"/?authorization={TOKEN}"), responses.answer(500, ECHO.encode())),
    *(responses.cloud_refused(400, 100, ECHO), responses.cloud_refused(500, 1, ECHO)),
    *(responses.fast2sms_refused(401, 412, ECHO), responses.fast2sms_refused(200, 429, [ECHO, ECHO])),
    *(responses.cloud_accepted(), responses.FAST2SMS_ACCEPTED),
)


@pytest.fixture
async def stub() -> AsyncIterator[ProviderStub]:
    async with listening() as stub:
        yield stub


@pytest.fixture
def all_logs() -> Iterator[io.StringIO]:
    """Capture the logs of all libraries at the most detailed level, beside those of the service."""
    stream = io.StringIO()
    saved = [(each, each.handlers, each.level) for each in (logging.getLogger(), logging.getLogger("pos"))]
    logs.configure(replace(Settings(), log_format="json", log_level="trace"), stream)
    plain = logging.StreamHandler(stream)
    logging.getLogger().addHandler(plain)
    logging.getLogger().setLevel(logging.DEBUG)
    yield stream
    for logger, handlers, level in saved:
        logger.handlers = handlers
        logger.setLevel(level)


@pytest.mark.parametrize("settings", [CLOUD_SETTINGS, FAST2SMS_SETTINGS], ids=lambda settings: settings.provider)
async def test_no_secret_is_in_a_log_or_an_error(
    stub: ProviderStub, all_logs: io.StringIO, settings: ProviderSettings
) -> None:
    stub.will_answer(*SCRIPTS)
    outcomes = []
    async with provided(stub.url, settings, read=0.2, token=TOKEN) as provider:
        outcomes += [await provider.send(MESSAGE) for _ in SCRIPTS]
    async with provided(f"http://127.0.0.1:{free_port()}", settings, token=TOKEN) as unreachable:
        outcomes.append(await unreachable.send(MESSAGE))
    await ConsoleProvider().send(MESSAGE)
    assert {type(each) for each in outcomes} > {Refused, RetryLater, Unknown}
    assert len(stub.received) == len(SCRIPTS)
    all_logs.write(repr(outcomes) + repr(settings) + repr(replace(settings, token=TOKEN)))
    written = all_logs.getvalue()
    assert "The console has taken" in written
    assert [canary for canary in CANARIES if canary in written] == []


async def test_the_http_library_logs_addresses_without_the_guard(stub: ProviderStub, all_logs: io.StringIO) -> None:
    """Check, as a control, that the HTTP library logs addresses without the guard."""
    async with provided(stub.url, FAST2SMS_SETTINGS, token="canary-1234567") as provider:
        logging.getLogger("httpx").setLevel(logging.INFO)
        try:
            await provider.send(MESSAGE)
        finally:
            logging.getLogger("httpx").setLevel(logging.WARNING)
    assert "authorization=canary-1234567" in all_logs.getvalue()


async def test_an_unexpected_error_contains_no_address(stub: ProviderStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.messaging.http_exchange.retry_after_seconds", lambda *_: 1 / 0)
    async with provided(stub.url, FAST2SMS_SETTINGS, token=TOKEN) as provider:
        with pytest.raises(ZeroDivisionError) as caught:
            await provider.send(MESSAGE)
    shown = logs.trace_of(caught.value) + "".join(traceback.format_exception_only(caught.value))
    assert [canary for canary in CANARIES if canary in shown] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("(#131030) Recipient 919822012345 not allowed", "(#131030) Recipient … not allowed"),
        ("Call +91 98220-12345 or (022) 2345 6789.", "Call … or (…."),
        ("See https://x.example/?key=1 now", "See … now"),
        ("Two\r\nlines\x00", "Two lines"),
        ("key abc\ttoken", "key … token"),
        ("", "None."),
        (None, "None."),
        (["x"], "None."),
        ("é" * 300, "é" * 199 + "…"),
    ],
)
def test_an_error_text_of_a_provider_is_one_short_line_without_numbers_and_urls(text: object, shown: str) -> None:
    assert safe_reason(text, "abc", "", otherwise="None.") == shown
