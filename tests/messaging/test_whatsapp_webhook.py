"""The webhook of the Cloud API: status reports are verified, and accepted in any order."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.messaging.states import DELIVERED, FAILED, READ, SENT, UNKNOWN
from schemas.messaging.whatsapp_webhook import StatusUpdate, status_updates
from tests.support.messaging import provider_server as responses
from tests.support.messaging.in_memory_provider import ask, message, until
from tests.support.messaging.outgoing_messages import TOKEN
from tests.support.messaging.provider_server import ProviderStub, listening
from tests.support.messaging.whatsapp_webhook import (
    AT,
    PATH,
    SECRET,
    VERIFY,
    connected,
    payload,
    send_statuses,
    signature,
    status,
    verify,
)
from tests.support.shop import OpenShop, Shop

AT_TIME = datetime.fromtimestamp(AT, UTC)


@pytest.fixture
async def stub() -> AsyncIterator[ProviderStub]:
    async with listening() as stub:
        yield stub


async def send_message(shop: Shop) -> str:
    """Send a message that the provider accepts, and return its id."""
    message_id = await ask(shop)
    await until(shop, message_id, SENT)
    return message_id


async def test_a_message_is_sent_delivered_and_read(open_shop: OpenShop, stub: ProviderStub) -> None:
    shop = await connected(open_shop, stub.url)
    message_id = await send_message(shop)
    assert stub.received[0].headers["authorization"] == f"Bearer {TOKEN}"
    answer = await send_statuses(shop, status(stub.id_of(1), DELIVERED))
    assert (answer.status_code, answer.json()) == (200, {"success": True, "statuses": 1})
    found = await message(shop, message_id)
    assert (found["state"], found["provider"]) == (DELIVERED, "cloud")
    assert datetime.fromisoformat(found["delivered_at"]) == AT_TIME
    await send_statuses(shop, status(stub.id_of(1), READ, AT + 5))
    assert (await message(shop, message_id))["state"] == READ


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ((READ, DELIVERED, SENT), READ),
        ((DELIVERED, DELIVERED, SENT), DELIVERED),
        ((DELIVERED, FAILED), DELIVERED),
        ((SENT, FAILED, FAILED), FAILED),
        ((READ, FAILED), READ),
        (("deleted", "warning", "played"), SENT),
    ],
)
async def test_status_reports_in_any_order_never_move_a_message_backwards(
    open_shop: OpenShop, stub: ProviderStub, statuses: tuple[str, ...], state: str
) -> None:
    shop = await connected(open_shop, stub.url)
    message_id = await send_message(shop)
    for each in statuses:
        assert (await send_statuses(shop, status(stub.id_of(1), each))).status_code == 200
    one_by_one = await message(shop, message_id)
    assert one_by_one["state"] == state
    # All of them again, in one request.
    assert (await send_statuses(shop, *(status(stub.id_of(1), each) for each in statuses))).status_code == 200
    assert await message(shop, message_id) == one_by_one


async def test_the_reason_of_a_failure_has_no_phone_number(open_shop: OpenShop, stub: ProviderStub) -> None:
    shop = await connected(open_shop, stub.url)
    message_id = await send_message(shop)
    data = {"details": "919822012345 is not on WhatsApp"}
    error = {"code": 131026, "title": "Message undeliverable", "error_data": data}
    await send_statuses(shop, status(stub.id_of(1), FAILED, errors=[error]))
    found = await message(shop, message_id)
    assert (found["state"], found["error"]) == (FAILED, {"code": "131026", "reason": "… is not on WhatsApp"})


async def test_a_message_with_a_lost_answer_is_found_by_its_reference(open_shop: OpenShop, stub: ProviderStub) -> None:
    stub.will_answer(responses.CLOSED)
    shop = await connected(open_shop, stub.url)
    message_id = await ask(shop)
    await until(shop, message_id, UNKNOWN)
    [request] = stub.received
    reference = request.body["biz_opaque_callback_data"]
    await send_statuses(shop, status(stub.id_of(7), DELIVERED, biz_opaque_callback_data=reference))
    assert (await message(shop, message_id))["state"] == DELIVERED
    await send_statuses(shop, status(stub.id_of(7), READ))
    assert (await message(shop, message_id))["state"] == READ
    assert len(stub.received) == 1


async def test_a_request_may_have_many_statuses(open_shop: OpenShop, stub: ProviderStub) -> None:
    shop = await connected(open_shop, stub.url)
    ids = [await send_message(shop) for _ in range(3)]
    others = [status(f"wamid.other-{number}", READ) for number in range(500)]
    statuses = [status(stub.id_of(number), DELIVERED) for number in (1, 2, 3)]
    answer = await send_statuses(shop, *others, *statuses, *statuses)
    assert answer.json()["statuses"] == 503
    states = await asyncio.gather(*(message(shop, each) for each in ids))
    assert {each["state"] for each in states} == {DELIVERED}


async def test_meta_verifies_the_address(open_shop: OpenShop) -> None:
    shop = await connected(open_shop)
    answer = await verify(shop)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    for wrong in ("", "swordfish", "swordfish-2", "schwertfisch-é"):
        refused = await verify(shop, **{"hub.verify_token": wrong})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_from_provider")
        assert "1158201444" not in refused.text
    twice = await shop.http.get(f"{PATH}?hub.challenge=1&hub.challenge=2&hub.verify_token={VERIFY}")
    assert (twice.status_code, twice.json()["code"]) == (422, "invalid_query")


async def test_a_request_without_a_valid_signature_is_rejected(open_shop: OpenShop, stub: ProviderStub) -> None:
    shop = await connected(open_shop, stub.url)
    message_id = await send_message(shop)
    raw = orjson.dumps(payload(status(stub.id_of(1), READ)))
    right = signature(raw)
    wrong: list[Any] = [
        [],
        *([("X-Hub-Signature-256", value)] for value in ("", right[7:], right.upper(), right + " 0")),
        *([("X-Hub-Signature-256", value)] for value in (signature(raw, SECRET + "0"), signature(raw + b" "))),
        [("X-Hub-Signature-256", "sha256=" + "é" * 64)],
        [("X-Hub-Signature", right)],
        [("X-Hub-Signature-256", right)] * 2,
    ]
    for headers in wrong:
        encoded = [(name.encode(), value.encode()) for name, value in headers]
        refused = await shop.http.post(PATH, content=raw, headers=encoded)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_from_provider"), headers
        assert isinstance(refused.json()["detail"], str)
    assert (await message(shop, message_id))["state"] == SENT


async def test_a_service_without_webhook_keys_rejects_all_requests(shop: Shop) -> None:
    raw = orjson.dumps(payload())
    for refused in (
        await verify(shop),
        await verify(shop, **{"hub.verify_token": ""}),
        await shop.http.post(PATH, content=raw, headers={"X-Hub-Signature-256": signature(raw, "")}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "not_from_provider")
        assert "is not set" in refused.json()["detail"]


async def test_a_signed_request_that_is_not_json_or_too_large_is_rejected(open_shop: OpenShop) -> None:
    shop = await connected(open_shop)

    async def status_and_code(raw: bytes) -> Any:
        answer = await shop.http.post(PATH, content=raw, headers={"X-Hub-Signature-256": signature(raw)})
        return answer.status_code, answer.json().get("code")

    assert await status_and_code(b"{") == (400, "malformed_body")
    assert await status_and_code(b"[]") == (400, "malformed_body")
    assert await status_and_code(b"[" * 100_000) == (400, "malformed_body")
    assert await status_and_code(b'{"x": "' + b"x" * (3 * 1024 * 1024) + b'"}') == (413, "body_too_large")
    assert await status_and_code(b'{"x": "' + b"x" * 2_900_000 + b'"}') == (200, None)


async def test_concurrent_large_bodies_are_all_read(open_shop: OpenShop) -> None:
    shop = await connected(open_shop)
    raw = b'{"x": "' + b"x" * 1_000_000 + b'"}'
    signed = {"X-Hub-Signature-256": signature(raw)}
    answers = await asyncio.gather(*(shop.http.post(PATH, content=raw, headers=signed) for _ in range(12)))
    assert [answer.status_code for answer in answers] == [200] * 12

    async def chunked() -> AsyncIterator[bytes]:
        yield raw[:500_000]
        yield raw[500_000:]

    assert (await shop.http.post(PATH, content=chunked(), headers=signed)).status_code == 200


def test_unknown_and_malformed_statuses_are_ignored() -> None:
    good = status("wamid.1", READ)
    malformed: list[Any] = [
        *(None, 7, [], {}, {**good, "id": 7}, {**good, "id": ""}, {**good, "id": "x" * 513}, {**good, "status": 7}),
        *({**good, "timestamp": stamp} for stamp in ("", "now", "-1", "1" * 12, None, 1.5, "\u0661")),
    ]
    statuses = payload(*malformed, good, good)
    statuses["entry"] += [None, {"changes": "x"}, {"changes": [None, {"value": {"messages": [{"from": "1"}]}}]}]
    assert status_updates(statuses) == [StatusUpdate("wamid.1", READ, AT_TIME)]
    assert status_updates({**statuses, "entry": {}}) == []
    assert status_updates(payload({**good, "timestamp": AT})) == [StatusUpdate("wamid.1", READ, AT_TIME)]


def test_a_failure_without_a_reason_gets_a_default_one() -> None:
    for errors in ([], None, [7], [{"code": True, "title": 7}]):
        [update] = status_updates(payload(status("wamid.1", FAILED, errors=errors)))
        assert update.error == {"code": "failed", "reason": "The provider gave no reason."}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([SENT, str(AT)]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["entry", "changes", "value", "statuses", "id", "status", "timestamp", "errors", "code"]),
            inner,
        )
    ),
    max_leaves=30,
)


@given(JSON)
def test_any_json_is_parsed_or_ignored(statuses: Any) -> None:
    assert all(
        isinstance(each, StatusUpdate)
        for each in status_updates({"entry": statuses}) + status_updates(payload(statuses))
    )
