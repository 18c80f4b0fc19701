"""The start of the service: flags, errors, signals; each server is a process."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.database.local_mongod import find_mongod
from repositories.database.client import connect, temporary_client
from repositories.database.errors import DatabaseRefused
from tests.server.test_local_mongod import wait_until_gone
from tests.support.ports import free_port
from tests.support.shop import OpenShop

ROOT = Path(__file__).parents[2]
POS = (sys.executable, "-m", "app")


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("MONGODB_URL", "PORT", "HOST")}
    return {**kept, **changes}


def run(*command: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=environment(**changes), capture_output=True, text=True, timeout=120, check=False
    )


@contextmanager
def running(*command: str, port: int, folder: str = str(ROOT), **changes: str) -> Iterator[subprocess.Popen[str]]:
    """Run a server that answers /health, and kill it at the end if it still runs."""
    process = subprocess.Popen(
        command, cwd=folder, env=environment(**changes), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        # A long timeout, since several servers may start at the same time on a busy machine.
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, process.communicate()[0]
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_serve_starts_and_stops_its_own_database(tmp_path: Path) -> None:
    port = free_port()
    command = (*POS, "serve", "--port", str(port), "--data", str(tmp_path))
    with running(*command, port=port) as server:
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        # `pos verify` works during service, and a second server learns that the folder is in use.
        verified = run(*POS, "verify", "--data", str(tmp_path))
        assert (verified.returncode, "No difference" in verified.stderr) == (0, True), verified.stderr
        second = run(*POS, "serve", "--port", str(free_port()), "--data", str(tmp_path))
        assert second.returncode == 1
        assert "Another mongod is using the data folder" in second.stderr.replace("\n", " ")
        server.send_signal(signal.SIGINT)
        output, _ = server.communicate(timeout=20)
    assert server.returncode == 0, output
    assert f"http://127.0.0.1:{port}" in output
    assert str(tmp_path) in output
    wait_until_gone(tmp_path)


def test_the_public_address_has_the_port_of_the_command_line(mongodb_url: str, tmp_path: Path) -> None:
    port = free_port()
    # A blank variable counts as unset.
    unset = {"PUBLIC_BASE_URL": " ", "PORT": "8123", "MONGODB_URL": mongodb_url, "DATABASE_NAME": "pos_port"}
    command = (*POS, "serve", "--port", str(port), "--data", str(tmp_path))
    with running(*command, port=port, **unset) as server:
        named = httpx.get(f"http://127.0.0.1:{port}/asyncapi.json").json()["servers"]
        server.send_signal(signal.SIGTERM)
        output, _ = server.communicate(timeout=20)
    assert f"HTTP       http://127.0.0.1:{port}\n" in output
    assert f"public_base_url=http://127.0.0.1:{port}," in output
    assert "8123" not in output
    assert {each["host"] for each in named.values()} == {f"127.0.0.1:{port}"}


def test_the_database_ends_with_a_killed_server(tmp_path: Path) -> None:
    port = free_port()
    with running(*POS, "serve", "--port", str(port), "--data", str(tmp_path), port=port) as server:
        server.kill()
    wait_until_gone(tmp_path)


def test_uvicorn_serves_the_database_of_the_environment(mongodb_url: str) -> None:
    port = free_port()
    command = (sys.executable, "-m", "uvicorn", "asgi:app", "--port", str(port))
    with running(*command, port=port, MONGODB_URL=mongodb_url, DATABASE_NAME="pos_uvicorn") as server:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=20)


@pytest.mark.parametrize(
    ("command", "changes", "sentence"),
    [
        ((sys.executable, "-m", "uvicorn", "asgi:app"), {}, "MONGODB_URL is not set"),
        ((sys.executable, "-m", "uvicorn", "asgi:app"), {"PORT": "x"}, "PORT"),
        ((*POS, "serve"), {"TIMEZONE": "Mars/Base"}, "TIMEZONE"),
        ((*POS, "serve"), {"MONGODB_URL": "postgres://x"}, "MONGODB_URL: must be a valid MongoDB address"),
        ((*POS, "serve"), {"MONGODB_URL": "mongodb://127.0.0.1:9/"}, "cannot be used"),
        ((*POS, "serve", "--host", "192.0.2.1"), {}, "The service cannot listen on 192.0.2.1"),
        ((*POS, "serve", "--host", "0.0.0.0"), {}, "not for production"),  # noqa: S104  (it must be refused)
    ],
)
def test_an_impossible_start_is_rejected_with_a_sentence(
    command: tuple[str, ...], changes: dict[str, str], sentence: str
) -> None:
    refused = run(*command, **{"PORT": str(free_port()), **changes})
    output = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert sentence in " ".join(output.split())
    assert "Traceback" not in output


@pytest.mark.parametrize("address", ["s3/cret@db/", "s3cret@db:port/", "s3@cret@db/", "s3?cret@db/", "s3%cret@db/x"])
def test_an_invalid_address_is_reported_without_its_password(address: str) -> None:
    with pytest.raises(DatabaseRefused, match="MONGODB_URL must be a valid") as refusal:
        connect(f"mongodb://shop:{address}")
    assert "cret" not in str(refusal.value)


def test_a_port_in_use_is_reported_before_a_database_is_started(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        refused = run(*POS, "serve", "--port", str(port), "--data", str(tmp_path / "data"))
    assert refused.returncode == 1
    assert "choose another port with PORT or --port" in " ".join(refused.stderr.split())
    assert not (tmp_path / "data").exists()


def test_a_standalone_server_is_rejected_with_instructions(tmp_path: Path) -> None:
    mongo_socket = tmp_path / "m.sock"
    mongod = subprocess.Popen(
        [find_mongod(), "--dbpath", tmp_path, "--bind_ip", mongo_socket, "--logpath", tmp_path / "log"],
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while not mongo_socket.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        url = "mongodb://" + str(mongo_socket).replace("/", "%2F")
        for command in ((*POS, "migrate"), (sys.executable, "-m", "uvicorn", "asgi:app", "--port", str(free_port()))):
            refused = run(*command, MONGODB_URL=url)
            output = refused.stdout + refused.stderr
            assert refused.returncode != 0
            assert "rs.initiate()" in output
            assert "Traceback" not in output
    finally:
        mongod.kill()
        mongod.wait()


def test_migrate_and_verify_report_their_results(mongodb_url: str) -> None:
    names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": "pos_cli", "STORE_ID": "cli"}
    for _ in range(2):
        assert run(*POS, "migrate", **names).returncode == 0
    assert run(*POS, "verify", **names).returncode == 0
    with temporary_client(mongodb_url) as client:
        client["pos_cli"]["counters"].update_one({"_id": "cli"}, {"$inc": {"orders": 1}})
    verified = run(*POS, "verify", **names)
    assert verified.returncode == 1
    assert "orders: number #001 is missing." in verified.stdout


async def test_readiness_fails_from_the_moment_a_shutdown_begins(
    open_shop: OpenShop, closing: set[asyncio.Task[None]]
) -> None:
    # Each shop restores the signal handlers that it found, so the others must be closed.
    await asyncio.gather(*closing)
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        shop = await open_shop()
        assert (await shop.http.get("/readyz")).status_code == 200
        os.kill(os.getpid(), signal.SIGTERM)
        response = await shop.http.get("/readyz")
        assert response.status_code == 503
        assert response.json()["detail"] == "The service is shutting down."
        assert (await shop.http.get("/livez")).status_code == 200
        assert received == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
