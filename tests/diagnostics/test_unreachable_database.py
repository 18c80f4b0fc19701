"""`pos doctor` distinguishes the reasons why a database does not answer."""

import asyncio
import socket

from repositories.diagnostics.inspection import collect_facts
from tests.support.ports import free_port

UNREACHABLE = {
    "mongodb://127.0.0.1:{port}/": "refused",
    "mongodb://asha:geheim@no-such-host.invalid/": "dns",
    "mongodb+srv://asha:geheim@no-such-host.invalid/": "dns",
    "postgres://asha:geheim@127.0.0.1/": "invalid",
    "mongodb://asha:geheim@127.0.0.1:{silent}/": "timeout",
}


async def test_reasons_for_an_unreachable_server_are_distinguished() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        urls = [url.format(port=free_port(), silent=silent.getsockname()[1]) for url in UNREACHABLE]
        # Earlier than the driver's own timeout of 30 s. Each waits some seconds, so all do at once.
        async with asyncio.timeout(25):
            found = await asyncio.gather(*(asyncio.to_thread(collect_facts, url, "pos", "main", 90) for url in urls))
    assert [facts.unreachable for facts in found] == list(UNREACHABLE.values()), found
    assert not [facts.detail for facts in found if "geheim" in facts.detail]


def test_a_wrong_password_and_a_missing_tls_are_distinguished(mongodb_url: str) -> None:
    wrong = collect_facts(mongodb_url.replace("mongodb://", "mongodb://asha:geheim@"), "pos", "main", 90)
    assert (wrong.unreachable, "geheim" in wrong.detail) == ("auth", False)
    encrypted = collect_facts(mongodb_url + "&tls=true", "pos", "main", 90)
    assert encrypted.unreachable == "tls", encrypted
