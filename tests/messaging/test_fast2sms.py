"""Fast2SMS: the query of its requests, and the outcome of each answer."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from schemas.messaging.delivery import Accepted, OutgoingMessage, Refused, RetryLater, Unknown
from services.messaging.fast2sms import query_of
from tests.support.messaging import provider_server as responses
from tests.support.messaging.outgoing_messages import DOCUMENT, FAST2SMS_SETTINGS, TEXT, TOKEN, outcome
from tests.support.messaging.provider_server import ProviderStub, Script, listening


@pytest.fixture
async def stub() -> AsyncIterator[ProviderStub]:
    async with listening() as stub:
        yield stub


async def send(stub: ProviderStub, script: Script, message: OutgoingMessage = TEXT, **options: Any) -> Any:
    stub.will_answer(script)
    return await outcome(stub, message, FAST2SMS_SETTINGS, **options)


async def test_a_document_is_sent_in_the_format_of_the_api(stub: ProviderStub) -> None:
    message = replace(DOCUMENT, text="Bill | #007 & ₹10\nfor Asha")
    assert await send(stub, responses.FAST2SMS_ACCEPTED, message) == Accepted("lwdtp7cjyqxvfe9")
    [received] = stub.received
    assert (received.method, received.path, received.body) == ("GET", "/dev/whatsapp", None)
    assert received.query == {
        "authorization": TOKEN,
        "message_id": "18290",
        "phone_number_id": "982032241651336",
        "numbers": "9822012345",
        "variables_values": "Bill / #007 & ₹10 for Asha",
        "media_url": DOCUMENT.document_url,
        "document_filename": "Bill-007.pdf",
    }


async def test_a_text_is_sent_without_document(stub: ProviderStub) -> None:
    assert await send(stub, responses.FAST2SMS_ACCEPTED_TOO) == Accepted(None)
    assert set(stub.received[0].query) == {
        *("authorization", "message_id", "phone_number_id", "numbers", "variables_values")
    }
    assert stub.received[0].query["message_id"] == "18287"


@pytest.mark.parametrize(("text", "value"), [("A|B\n two  lines|", "A/B two lines/"), ("|", "/"), (" \n", "-")])
def test_separators_and_newlines_in_a_text_are_replaced(text: str, value: str) -> None:
    received: Any = query_of(replace(TEXT, text=text), FAST2SMS_SETTINGS)
    assert received["variables_values"] == value


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (replace(TEXT, to="+14155552671"), "not_indian"),
        (replace(TEXT, to="+911234567890"), "not_indian"),
        (replace(TEXT, to="9822012345"), "not_indian"),
        (replace(TEXT, text="x" * 1_025), "wrong_length"),
    ],
)
async def test_a_message_that_the_provider_cannot_send_is_not_requested(
    stub: ProviderStub, message: OutgoingMessage, code: str
) -> None:
    assert (await outcome(stub, message, FAST2SMS_SETTINGS)).code == code
    assert (await outcome(stub, TEXT, FAST2SMS_SETTINGS, template=None)).code == "no_template"
    assert stub.received == []


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (responses.fast2sms_refused(401, 412, "Invalid Authentication"), Refused("412", "Invalid Authentication")),
        (responses.fast2sms_refused(400, 411, ["Invalid", "Numbers"]), Refused("411", "Invalid Numbers")),
        (responses.fast2sms_refused(200, 416, "No balance, try again"), Refused("416", "No balance, try again")),
        (responses.fast2sms_refused(200, 500, "Blacklisted"), Refused("500", "Blacklisted")),
        (responses.answer(200, {"status": False, "message": "No such text"}), Refused("http_200", "No such text")),
        (responses.answer(200, {"status": False, "message": "Server busy"}), RetryLater("http_200", "Server busy")),
        (responses.fast2sms_refused(200, 429, "Slow down"), RetryLater("429", "Slow down")),
        (
            responses.fast2sms_refused(429, 429, "Too many requests", Retry_After="3"),
            RetryLater("429", "Too many requests", 3.0),
        ),
        (responses.answer(500, b"<html>"), RetryLater("http_500", "The provider answered with the status 500.")),
        (responses.answer(503, {}), RetryLater("http_503", "The provider answered with the status 503.")),
        (responses.answer(301, b"", Location="/"), Refused("http_301", "The provider answered with the status 301.")),
        (responses.answer(403, {"message": None}), Refused("http_403", "The provider answered with the status 403.")),
    ],
)
async def test_a_failure_is_final_or_retried(
    stub: ProviderStub, script: Script, expected: Refused | RetryLater
) -> None:
    assert await send(stub, script) == expected
    assert len(stub.received) == 1


@pytest.mark.parametrize(
    "script",
    [
        *(responses.JUNK, responses.BROKEN_OFF, responses.CLOSED, responses.TOO_LARGE, responses.answer(504, b"")),
        *(responses.answer(200, {}), responses.answer(200, {"return": "true"}), responses.answer(200, {"status": 1})),
    ],
)
async def test_a_message_that_may_have_been_sent_is_unknown(stub: ProviderStub, script: Script) -> None:
    assert isinstance(await send(stub, script), Unknown)
    assert len(stub.received) == 1


async def test_a_message_without_an_answer_is_unknown(stub: ProviderStub) -> None:
    assert isinstance(await send(stub, responses.NO_ANSWER, read=0.2), Unknown)
