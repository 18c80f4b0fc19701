"""News of messages: believed where they are signed, understood in any order, and never taken backwards."""

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
from tests.support.messaging import provider_server as said
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
    signature,
    status,
    tell,
    verify,
)
from tests.support.shop import OpenShop, Shop

AT_TIME = datetime.fromtimestamp(AT, UTC)


@pytest.fixture
async def stub() -> AsyncIterator[ProviderStub]:
    async with listening() as stub:
        yield stub


async def sent(shop: Shop) -> str:
    """A message that the provider has taken; its id."""
    message_id = await ask(shop)
    await until(shop, message_id, SENT)
    return message_id


async def test_a_message_is_sent_delivered_and_read(open_shop: OpenShop, stub: ProviderStub) -> None:
    shop = await connected(open_shop, stub.url)
    message_id = await sent(shop)
    assert stub.received[0].headers["authorization"] == f"Bearer {TOKEN}"
    answer = await tell(shop, status(stub.id_of(1), DELIVERED))
    assert (answer.status_code, answer.json()) == (200, {"success": True, "statuses": 1})
    found = await message(shop, message_id)
    assert (found["state"], found["provider"]) == (DELIVERED, "cloud")
    assert datetime.fromisoformat(found["delivered_at"]) == AT_TIME
    await tell(shop, status(stub.id_of(1), READ, AT + 5))
    assert (await message(shop, message_id))["state"] == READ


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ((READ, DELIVERED, SENT), READ),
        ((DELIVERED, DELIVERED, SENT), DELIVERED),
        ((DELIVERED, FAILED), DELIVERED),
        ((SENT, FAILED, FAILED), FAILED),
        ((READ, FAILED), READ),
        (("deleted", "warning", "played"), SENT),
    ],
)
async def test_news_in_any_order_never_take_a_message_backwards(
    open_shop: OpenShop, stub: ProviderStub, told: tuple[str, ...], state: str
) -> None:
    shop = await connected(open_shop, stub.url)
    message_id = await sent(shop)
    for each in told:
        assert (await tell(shop, status(stub.id_of(1), each))).status_code == 200
    one_by_one = await message(shop, message_id)
    assert one_by_one["state"] == state
    # All of it again, at once.
    assert (await tell(shop, *(status(stub.id_of(1), each) for each in told))).status_code == 200
    assert await message(shop, message_id) == one_by_one


async def test_a_failure_says_why_without_a_number(open_shop: OpenShop, stub: ProviderStub) -> None:
    shop = await connected(open_shop, stub.url)
    message_id = await sent(shop)
    data = {"details": "919822012345 is not on WhatsApp"}
    error = {"code": 131026, "title": "Message undeliverable", "error_data": data}
    await tell(shop, status(stub.id_of(1), FAILED, errors=[error]))
    found = await message(shop, message_id)
    assert (found["state"], found["error"]) == (FAILED, {"code": "131026", "reason": "… is not on WhatsApp"})


async def test_a_message_whose_answer_was_lost_is_known_by_its_reference(
    open_shop: OpenShop, stub: ProviderStub
) -> None:
    stub.says(said.CLOSED)
    shop = await connected(open_shop, stub.url)
    message_id = await ask(shop)
    await until(shop, message_id, UNKNOWN)
    [asked] = stub.received
    reference = asked.body["biz_opaque_callback_data"]
    await tell(shop, status(stub.id_of(7), DELIVERED, biz_opaque_callback_data=reference))
    assert (await message(shop, message_id))["state"] == DELIVERED
    await tell(shop, status(stub.id_of(7), READ))
    assert (await message(shop, message_id))["state"] == READ
    assert len(stub.received) == 1


async def test_many_statuses_may_come_in_one_piece(open_shop: OpenShop, stub: ProviderStub) -> None:
    shop = await connected(open_shop, stub.url)
    ids = [await sent(shop) for _ in range(3)]
    others = [status(f"wamid.other-{number}", READ) for number in range(500)]
    told = [status(stub.id_of(number), DELIVERED) for number in (1, 2, 3)]
    answer = await tell(shop, *others, *told, *told)
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


async def test_what_is_not_signed_is_refused(open_shop: OpenShop, stub: ProviderStub) -> None:
    shop = await connected(open_shop, stub.url)
    message_id = await sent(shop)
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


async def test_a_shop_without_keys_believes_nobody(shop: Shop) -> None:
    raw = orjson.dumps(payload())
    for refused in (
        await verify(shop),
        await verify(shop, **{"hub.verify_token": ""}),
        await shop.http.post(PATH, content=raw, headers={"X-Hub-Signature-256": signature(raw, "")}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "not_from_provider")
        assert "is not set" in refused.json()["detail"]


async def test_what_is_signed_and_no_json_or_too_large_is_refused(open_shop: OpenShop) -> None:
    shop = await connected(open_shop)

    async def code(raw: bytes) -> Any:
        answer = await shop.http.post(PATH, content=raw, headers={"X-Hub-Signature-256": signature(raw)})
        return answer.status_code, answer.json().get("code")

    assert await code(b"{") == (400, "malformed_body")
    assert await code(b"[]") == (400, "malformed_body")
    assert await code(b"[" * 100_000) == (400, "malformed_body")
    assert await code(b'{"x": "' + b"x" * (3 * 1024 * 1024) + b'"}') == (413, "body_too_large")
    assert await code(b'{"x": "' + b"x" * 2_900_000 + b'"}') == (200, None)


async def test_many_large_bodies_at_once_are_all_read(open_shop: OpenShop) -> None:
    shop = await connected(open_shop)
    raw = b'{"x": "' + b"x" * 1_000_000 + b'"}'
    signed = {"X-Hub-Signature-256": signature(raw)}
    answers = await asyncio.gather(*(shop.http.post(PATH, content=raw, headers=signed) for _ in range(12)))
    assert [answer.status_code for answer in answers] == [200] * 12

    async def chunked() -> AsyncIterator[bytes]:
        yield raw[:500_000]
        yield raw[500_000:]

    assert (await shop.http.post(PATH, content=chunked(), headers=signed)).status_code == 200


def test_news_of_customers_and_of_things_to_come_is_passed_over() -> None:
    good = status("wamid.1", READ)
    odd: list[Any] = [
        *(None, 7, [], {}, {**good, "id": 7}, {**good, "id": ""}, {**good, "id": "x" * 513}, {**good, "status": 7}),
        *({**good, "timestamp": stamp} for stamp in ("", "now", "-1", "1" * 12, None, 1.5, "\u0661")),
    ]
    told = payload(*odd, good, good)
    told["entry"] += [None, {"changes": "x"}, {"changes": [None, {"value": {"messages": [{"from": "1"}]}}]}]
    assert status_updates(told) == [StatusUpdate("wamid.1", READ, AT_TIME)]
    assert status_updates({**told, "entry": {}}) == []
    assert status_updates(payload({**good, "timestamp": AT})) == [StatusUpdate("wamid.1", READ, AT_TIME)]


def test_a_failure_without_a_reason_is_one_all_the_same() -> None:
    for errors in ([], None, [7], [{"code": True, "title": 7}]):
        [news] = status_updates(payload(status("wamid.1", FAILED, errors=errors)))
        assert news.error == {"code": "failed", "reason": "The provider gave no reason."}


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
def test_whatever_is_told_is_understood_or_passed_over(told: Any) -> None:
    assert all(
        isinstance(each, StatusUpdate) for each in status_updates({"entry": told}) + status_updates(payload(told))
    )
