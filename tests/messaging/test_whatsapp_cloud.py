"""The Cloud API: the content of its requests, and the outcome of each answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.messaging.delivery import Accepted, OutgoingMessage, Refused, RetryLater, Unknown
from services.messaging.http_exchange import retry_after_seconds
from services.messaging.whatsapp_cloud import content_of
from tests.support.messaging import provider_server as responses
from tests.support.messaging.outgoing_messages import CLOUD_SETTINGS, DOCUMENT, NOW, TEXT, TOKEN, outcome, provided
from tests.support.messaging.provider_server import ProviderStub, Script, listening
from tests.support.ports import free_port


@pytest.fixture
async def stub() -> AsyncIterator[ProviderStub]:
    async with listening() as stub:
        yield stub


async def send(stub: ProviderStub, script: Script, message: OutgoingMessage = TEXT, **options: Any) -> Any:
    stub.will_answer(script)
    return await outcome(stub, message, CLOUD_SETTINGS, **options)


async def test_a_text_is_sent_in_the_format_of_the_api(stub: ProviderStub) -> None:
    message = replace(TEXT, reference="MSG-1")
    assert await send(stub, responses.cloud_accepted("wamid.ABC"), message) == Accepted("wamid.ABC")
    [received] = stub.received
    assert (received.method, received.path, received.query) == ("POST", "/v25.0/106540352242922/messages", {})
    assert received.headers["authorization"] == f"Bearer {TOKEN}"
    assert received.headers["content-type"] == "application/json"
    assert received.body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+919822012345",
        "type": "text",
        "text": {"preview_url": False, "body": TEXT.text},
        "biz_opaque_callback_data": "MSG-1",
    }


def test_a_document_is_a_link_with_a_name_and_a_caption() -> None:
    document = {"link": DOCUMENT.document_url, "filename": "Bill-007.pdf", "caption": DOCUMENT.text}
    assert content_of(DOCUMENT, CLOUD_SETTINGS) == {"type": "document", "document": document}
    bare = replace(DOCUMENT, text="", filename=None)
    assert content_of(bare, CLOUD_SETTINGS) == {"type": "document", "document": {"link": DOCUMENT.document_url}}


def test_the_templates_of_the_settings_are_used() -> None:
    settings = replace(CLOUD_SETTINGS, template="note", document_template="bill", template_language="hi")
    body = {"type": "body", "parameters": [{"type": "text", "text": TEXT.text}]}
    language = {"code": "hi"}
    assert content_of(TEXT, settings) == {
        "type": "template",
        "template": {"name": "note", "language": language, "components": [body]},
    }
    document = {"link": DOCUMENT.document_url, "filename": "Bill-007.pdf"}
    header = {"type": "header", "parameters": [{"type": "document", "document": document}]}
    assert content_of(DOCUMENT, settings) == {
        "type": "template",
        "template": {"name": "bill", "language": language, "components": [header, body]},
    }


@pytest.mark.parametrize(("text", "value"), [("Asha\n  Patil\t", "Asha Patil"), ("", "-")])
def test_a_template_value_has_no_newlines_and_is_not_empty(text: str, value: str) -> None:
    content: Any = content_of(replace(TEXT, text=text), replace(CLOUD_SETTINGS, template="note"))
    assert content["template"]["components"] == [{"type": "body", "parameters": [{"type": "text", "text": value}]}]


@pytest.mark.parametrize(
    "message", [replace(TEXT, text=""), replace(TEXT, text="x" * 4_097), replace(DOCUMENT, text="x" * 1_025)]
)
async def test_a_message_of_the_wrong_length_is_not_sent(stub: ProviderStub, message: OutgoingMessage) -> None:
    refused = await outcome(stub, message, CLOUD_SETTINGS)
    assert (type(refused), refused.code, stub.received) == (Refused, "wrong_length", [])


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (responses.cloud_refused(401, 190, "Expired"), Refused("190", "Expired")),
        (responses.cloud_refused(400, 100, "Invalid parameter"), Refused("100", "Invalid parameter")),
        (responses.cloud_refused(400, 131047, "Re-engage"), Refused("131047", "Re-engage")),
        (responses.cloud_refused(200, 131026, "Undeliverable"), Refused("131026", "Undeliverable")),
        (responses.cloud_refused(400, 130429, "Too fast"), RetryLater("130429", "Too fast")),
        (responses.cloud_refused(429, 130429, "Too fast", Retry_After="7"), RetryLater("130429", "Too fast", 7.0)),
        (responses.cloud_refused(400, 131000, "Something"), RetryLater("131000", "Something")),
        (responses.cloud_refused(400, 131016, "Away"), RetryLater("131016", "Away")),
        (responses.cloud_refused(400, 131056, "Pair"), RetryLater("131056", "Pair")),
        (responses.cloud_refused(429, 4, "Calls"), RetryLater("4", "Calls")),
        (responses.cloud_refused(500, 3, "Method"), RetryLater("3", "Method")),
        (responses.cloud_refused(504, 2, "Overloaded"), RetryLater("2", "Overloaded")),
        (responses.answer(429, b"slow down", Retry_After="120"), RetryLater("http_429", "", 120.0)),
        (responses.answer(500, b""), RetryLater("http_500", "")),
        (responses.answer(502, b"<html>"), RetryLater("http_502", "")),
        (responses.answer(503, {}, Retry_After="9" * 400), RetryLater("http_503", "", 3_600.0)),
        (responses.answer(400, b"<html>"), Refused("http_400", "")),
        (responses.answer(404, {"error": "what"}), Refused("http_404", "")),
        (responses.answer(302, b"", Location="http://127.0.0.1:9/"), Refused("http_302", "")),
        (responses.answer(400, {"error": {"code": True, "message": "Odd"}}), Refused("http_400", "Odd")),
    ],
)
async def test_a_failure_is_final_or_retried(
    stub: ProviderStub, script: Script, expected: Refused | RetryLater
) -> None:
    found = await send(stub, script)
    assert isinstance(found, type(expected))
    assert found.code == expected.code
    assert found.reason == (expected.reason or f"The provider answered with the status {expected.code[5:]}.")
    assert getattr(found, "after", None) == getattr(expected, "after", None)
    assert len(stub.received) == 1


@pytest.mark.parametrize(
    "script",
    [
        *(
            responses.JUNK,
            responses.BROKEN_OFF,
            responses.CLOSED,
            responses.TOO_LARGE,
            responses.answer(504, b"<html>"),
        ),
        *(
            responses.answer(200, {}),
            responses.answer(200, {"messages": []}),
            responses.answer(200, {"messages": [{"id": 7}]}),
        ),
        *(
            responses.answer(200, [1]),
            responses.answer(200, b"\xff"),
            responses.answer(204, b""),
            Script(b"not HTTP\r\n\r\n"),
        ),
    ],
)
async def test_a_message_that_may_have_been_sent_is_unknown(stub: ProviderStub, script: Script) -> None:
    assert isinstance(await send(stub, script), Unknown)
    assert len(stub.received) == 1


async def test_a_message_without_an_answer_is_unknown(stub: ProviderStub) -> None:
    assert isinstance(await send(stub, responses.NO_ANSWER, read=0.2), Unknown)
    assert len(stub.received) == 1


async def test_an_endless_answer_times_out(stub: ProviderStub) -> None:
    assert isinstance(await send(stub, responses.DRIPPING, whole=0.3), Unknown)


async def test_the_proxy_of_the_environment_is_not_used(stub: ProviderStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    assert isinstance(await send(stub, responses.cloud_accepted()), Accepted)


async def test_an_error_with_a_truncated_body_is_still_an_error(stub: ProviderStub) -> None:
    broken = Script(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 500\r\n\r\n{", responses.BREAK)
    assert (await send(stub, broken)).code == "http_401"


async def test_an_unreachable_provider_is_retried() -> None:
    async with provided(f"http://127.0.0.1:{free_port()}", CLOUD_SETTINGS) as provider:
        found = await provider.send(TEXT)
    assert isinstance(found, RetryLater)
    assert found.code == "not_reached"


async def test_a_rate_limit_is_followed_by_a_success(stub: ProviderStub) -> None:
    stub.will_answer(responses.cloud_refused(429, 130429, Retry_After="1"), responses.cloud_accepted("wamid.2"))
    async with provided(stub.url, CLOUD_SETTINGS) as provider:
        first, second = await provider.send(TEXT), await provider.send(TEXT)
    assert isinstance(first, RetryLater)
    assert (first.after, second) == (1.0, Accepted("wamid.2"))


async def test_concurrent_messages_get_their_own_answers(stub: ProviderStub) -> None:
    async with provided(stub.url, CLOUD_SETTINGS) as provider:
        found = await asyncio.gather(*(provider.send(replace(TEXT, text=str(number))) for number in range(50)))
    assert {each.provider_id for each in found if isinstance(each, Accepted)} == {stub.id_of(n) for n in range(1, 51)}


def test_retry_after_may_be_a_date() -> None:
    late = format_datetime(NOW + timedelta(seconds=90), usegmt=True)
    assert retry_after_seconds(httpx.Headers({"Retry-After": late}), NOW) == 90.0
    past = format_datetime(NOW - timedelta(days=1), usegmt=True)
    assert retry_after_seconds(httpx.Headers({"Retry-After": past}), NOW) == 0.0
    assert retry_after_seconds(httpx.Headers({}), NOW) is None


@given(st.text(max_size=40))
def test_any_retry_after_is_limited_or_none(text: str) -> None:
    found = retry_after_seconds({"retry-after": text}, NOW)
    assert found is None or 0 <= found <= 3_600
