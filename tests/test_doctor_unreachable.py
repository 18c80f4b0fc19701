"""`pos doctor` tells apart why a database does not answer."""

import socket
import time

import pytest

from repositories.examination import examine
from tests.ports import free_port


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mongodb://127.0.0.1:{port}/", "refused"),
        ("mongodb://asha:geheim@no-such-host.invalid/", "dns"),
        ("mongodb+srv://asha:geheim@no-such-host.invalid/", "dns"),
        ("postgres://asha:geheim@127.0.0.1/", "invalid"),
        ("mongodb://asha:geheim@127.0.0.1:{silent}/", "timeout"),
    ],
)
def test_why_nobody_answers_is_told_apart(url: str, reason: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        facts = examine(url.format(port=free_port(), silent=silent.getsockname()[1]), "pos", "main", 90)
    # Sooner than the driver itself would give up, which takes 30 s.
    assert (facts.unreachable, time.monotonic() - began < 25) == (reason, True), facts
    assert "geheim" not in facts.detail


def test_a_wrong_password_and_a_connection_without_tls_are_told_apart(mongodb_url: str) -> None:
    wrong = examine(mongodb_url.replace("mongodb://", "mongodb://asha:geheim@"), "pos", "main", 90)
    assert (wrong.unreachable, "geheim" in wrong.detail) == ("auth", False)
    encrypted = examine(mongodb_url + "&tls=true", "pos", "main", 90)
    assert encrypted.unreachable == "tls", encrypted
