"""`pos doctor` distinguishes the reasons why a database does not answer."""

import asyncio
import socket

import pytest

from repositories.diagnostics.inspection import Unreachable, inspecting
from tests.support.ports import free_port

UNREACHABLE = {
    "mongodb://127.0.0.1:{port}/": "refused",
    "mongodb://asha:geheim@no-such-host.invalid/": "dns",
    "mongodb+srv://asha:geheim@no-such-host.invalid/": "dns",
    "postgres://asha:geheim@127.0.0.1/": "invalid",
    "mongodb://asha:geheim@127.0.0.1:{silent}/": "timeout",
}


def refusal(url: str) -> Unreachable:
    with pytest.raises(Unreachable) as refused, inspecting(url, "pos", "main", 90):
        pass
    return refused.value


async def test_reasons_for_an_unreachable_server_are_distinguished() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        urls = [url.format(port=free_port(), silent=silent.getsockname()[1]) for url in UNREACHABLE]
        # Earlier than the driver's own timeout of 30 s. Each waits some seconds, so all do at once.
        async with asyncio.timeout(25):
            found = await asyncio.gather(*(asyncio.to_thread(refusal, url) for url in urls))
    assert [error.reason for error in found] == list(UNREACHABLE.values()), found
    assert not [error for error in found if "geheim" in str(error)]


def test_a_wrong_password_and_a_missing_tls_are_distinguished(mongodb_url: str) -> None:
    wrong = refusal(mongodb_url.replace("mongodb://", "mongodb://asha:geheim@"))
    assert (wrong.reason, "geheim" in str(wrong)) == ("auth", False)
    assert refusal(mongodb_url + "&tls=true").reason == "tls"
