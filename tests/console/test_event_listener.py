"""`pos listen`: it prints each event once, and reconnects after a disconnect."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.console.event_listener import Listener, ListeningRefused, line_of, socket_url
from tests.server.test_startup import ROOT, environment
from tests.support.clock import Clock
from tests.support.payloads import sale_body
from tests.support.ports import free_port
from tests.support.processes import Service
from tests.support.shop import OpenShop, Shop
from tests.support.token_holders import add_token_holder

Json = dict[str, Any]


@asynccontextmanager
async def listening(
    url: str, *options: str, text: str = "", **settings: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `pos listen` as a process, and end it with Ctrl-C.

    :param text: its standard input.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "listen", "--url", url, *options),
        cwd=ROOT,
        env=environment(**settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(text.encode())
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == 0
        assert process.stderr is not None
        assert b"Traceback" not in await process.stderr.read()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def lines_of(process: asyncio.subprocess.Process, count: int) -> list[str]:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return [(await process.stdout.readline()).decode().rstrip() for _ in range(count)]


async def test_each_event_is_printed_on_a_line(shop: Shop) -> None:
    await shop.sale(customer_name="Asha")
    async with listening(f"http://127.0.0.1:{shop.port}", "--since", "0") as process:
        (first,) = await lines_of(process, 1)
        await shop.estimate(customer_name="Ravi")
        (second,) = await lines_of(process, 1)
    assert first.split()[::2] == ["1", "order", "#001", "Asha"]
    assert second.split()[0] == "2"
    assert second.endswith("Ravi")


async def test_topics_and_json(shop: Shop) -> None:
    async with listening(f"127.0.0.1:{shop.port}", "--json", "--since", "0", "--topics", "orders") as process:
        await shop.estimate()
        sale = await shop.sale()
        (line,) = await lines_of(process, 1)
    event = json.loads(line)
    assert (event["seq"], event["id"], event["action"]) == (2, sale["order_id"], "create")


async def test_after_a_disconnect_no_event_is_missed_or_repeated(shop: Shop, mongodb_url: str) -> None:
    service = Service(mongodb_url, shop.store)
    await service.start()
    try:
        async with listening(service.url, "--json", "--since", "0") as process:
            for _ in range(3):
                await shop.sale()
            seqs = [json.loads(line)["seq"] for line in await lines_of(process, 3)]
            await service.kill()
            for _ in range(3):
                await shop.sale()
            await service.start()
            await shop.sale()
            seqs += [json.loads(line)["seq"] for line in await lines_of(process, 4)]
        assert seqs == list(range(1, 8))
    finally:
        await service.kill()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--topics", "customers"), "topics: must be"),
        (("--since", "yesterday"), "since: must be"),
    ],
)
async def test_invalid_options_are_rejected_with_a_sentence(
    shop: Shop, options: tuple[str, ...], sentence: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "listen", "--url", f"http://127.0.0.1:{shop.port}", *options),
        cwd=ROOT,
        env=environment(),
        stderr=asyncio.subprocess.PIPE,
    )
    _, output = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert sentence in output.decode()


async def test_a_rejected_origin_is_not_retried(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endpoints.live.origins.Origins.allow", lambda *_: False)
    with pytest.raises(ListeningRefused, match="may not listen there"):
        await anext(Listener(shop.ws_url).events())


async def test_a_token_may_come_from_environment_input_or_address(open_shop: OpenShop) -> None:
    shop = await open_shop(sign_in="on")
    device = await add_token_holder(shop, "device")
    await shop.ok("POST", "/api/orders/create-sale", json=sale_body(), headers=device.headers)
    address = f"127.0.0.1:{shop.port}"
    options = ("--json", "--since", "0")
    async with (
        listening(f"http://{address}", *options, POS_TOKEN=device.token) as first,
        listening(f"http://{address}", *options, "--token-stdin", text=f"{device.token}\n") as second,
        listening(f"http://x:{device.token}@{address}", *options) as third,
    ):
        for process in (first, second, third):
            assert json.loads((await lines_of(process, 1))[0])["seq"] == 1


async def test_a_rejection_states_its_reason_and_where_to_continue(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endpoints.live.connections.CHECK_SECONDS", 0.02)
    clock = Clock()
    shop = await open_shop(sign_in="on", clock=clock)
    with pytest.raises(ListeningRefused, match=r"not signed in: the token is missing.*POS_TOKEN\.$"):
        await anext(Listener(shop.ws_url).events())
    viewer, device = await add_token_holder(shop, "viewer"), await add_token_holder(shop, "device")
    with pytest.raises(ListeningRefused, match="may not listen there"):
        await anext(Listener(shop.ws_url, token=(await add_token_holder(shop, "none")).token).events())
    for holder, sentence in ((viewer, "sign-in has expired"), (device, "unknown or revoked")):
        events = Listener(shop.ws_url, since="0", token=holder.token).events()
        await shop.ok("POST", "/api/orders/create-sale", json=sale_body(), headers=device.headers)
        await anext(events)
        clock.advance(hours=1)
        await device.revoke() if holder is device else None
        with pytest.raises(ListeningRefused, match=rf"{sentence}.*Go on with --since \d+\."):
            await _last_of(events)


async def _last_of(events: AsyncIterator[Json]) -> None:
    async for _ in events:
        pass


@pytest.mark.parametrize("url", ["http://", "nonsense://x/ws", "ws://"])
def test_an_invalid_address_is_rejected(url: str) -> None:
    with pytest.raises(ListeningRefused, match="not an address of a service"):
        socket_url(url)


async def test_after_a_reset_listening_continues_with_a_note(shop: Shop) -> None:
    await shop.sale()
    notes: list[str] = []
    events = Listener(shop.ws_url, since="99", tell=notes.append).events()
    next_event = asyncio.ensure_future(anext(events))
    async with asyncio.timeout(30):
        while not notes:
            await asyncio.sleep(0.01)
        await shop.sale()
        assert (await next_event)["seq"] == 2
    assert notes == ["Some events are missing (ahead); continuing after 1."]
    await events.aclose()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://127.0.0.1:8000", "ws://127.0.0.1:8000/ws"),
        ("https://shop.example/", "wss://shop.example/ws"),
        ("shop.example:81", "ws://shop.example:81/ws"),
        ("wss://shop.example/pos/ws", "wss://shop.example/pos/ws"),
    ],
)
def test_an_address_may_have_several_forms(address: str, url: str) -> None:
    assert socket_url(address) == url


def test_a_line_shows_number_total_and_customer() -> None:
    event: Json = {
        "type": "order",
        "action": "create",
        "id": "ORDER-1",
        "seq": 813,
        "at": "2026-11-23T14:05:09.123+05:30",
        "data": {"order_id": "ORDER-1", "sale_number": "#012", "total": 1750.05, "customer_name": "Asha Patil"},
    }
    assert line_of(event).split() == ["813", "14:05:09", "order", "create", "#012", "1750.05", "Asha", "Patil"]


def test_a_line_about_a_message_shows_no_personal_data() -> None:
    data = {"state": "failed", "attempt": 6, "document_id": None, "error": "131056", "version": 14}
    event = {"seq": 813, "at": "2026-11-23T14:05:09.123+05:30", "type": "message", "action": "update", "id": "MSG-1"}
    assert line_of({**event, "data": data}).split() == [
        "813",
        "14:05:09",
        "message",
        "update",
        "failed",
        "MSG-1",
        "131056",
    ]


@pytest.mark.parametrize("url", ["foo", "ftp://shop.example.com", "http://", "foo:99999", "http://[::1"])
def test_an_invalid_address_is_rejected_before_connecting(url: str) -> None:
    result = CliRunner().invoke(cli, ["listen", "--url", url])
    assert result.exit_code == 2
    assert "This is not an address of a service" in result.stderr


async def test_an_unreachable_address_is_printed_once() -> None:
    notes: list[str] = []
    waits: list[float] = []
    port = free_port()

    async def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise asyncio.CancelledError

    listener = Listener(socket_url(f"http://user:key@127.0.0.1:{port}"), tell=notes.append, pause=pause)
    with pytest.raises(asyncio.CancelledError):
        await anext(listener.events())
    assert notes == [f"Nothing answers at ws://127.0.0.1:{port}; trying again until the service answers."]
