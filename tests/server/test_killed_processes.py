"""`kill -9` of any process of a server: without the main process none is left, any other one is replaced."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.database.file_holders import holders_of
from app.database.local_mongod import MongodRefused, find_mongod, local_mongod
from tests.server.test_startup import POS, ROOT, environment, run, running
from tests.support.payloads import sale_body
from tests.support.ports import free_port
from tests.support.process_tree import command_line, descendants, is_alive, wait_for

KINDS = {
    "worker": "multiprocessing.spawn",
    "resource tracker": "multiprocessing.resource_tracker",
    "pdf worker": "services.printing.worker",
    "mongod": "mongod --dbpath",
}


def sell(port: int) -> Any:
    """Book a sale, retrying after a 503 or a lost connection, with the same key."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, verify=False) as client:  # noqa: S501
        key = {"Idempotency-Key": os.urandom(8).hex()}
        answers: list[httpx.Response] = []

        def is_booked() -> bool:
            try:
                answers.append(client.post("/api/orders/create-sale", json=sale_body(), headers=key))
            except httpx.TransportError:
                return False
            assert answers[-1].status_code in (200, 201, 503), answers[-1].text
            return answers[-1].status_code != 503

        wait_for(is_booked, "no sale succeeds")
        return answers[-1].json()["data"]


def has_pdf(port: int, order: str) -> bool:
    """Return whether the PDF of an order is available."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/api/orders/{order}/pdf", timeout=20)
    except httpx.TransportError:
        return False
    return answer.status_code == 200


def of_kind(tree: dict[int, str], kind: str) -> list[int]:
    return [pid for pid, command in tree.items() if KINDS[kind] in command]


def kinds_of(pid: int) -> set[str]:
    tree = descendants(pid)
    return {kind for kind in KINDS if of_kind(tree, kind)}


@pytest.mark.parametrize("options", [("--workers", "2"), ("--reload",)], ids=["workers", "reload"])
def test_no_process_survives_the_main_process(tmp_path: Path, options: tuple[str, ...]) -> None:
    port = free_port()
    command = (*POS, "serve", "--port", str(port), "--data", str(tmp_path / "data"), *options)
    with running(*command, port=port, LOG_LEVEL="critical") as server:
        order = sell(port)["order_id"]
        assert has_pdf(port, order)
        tree = descendants(server.pid)
        assert kinds_of(server.pid) == set(KINDS)
        server.kill()
        server.wait()
        wait_for(lambda: not any(map(is_alive, tree)), f"left behind: {tree}")
    # mongod empties its lock file at a clean shutdown.
    assert (tmp_path / "data" / "db" / "mongod.lock").read_bytes() == b""
    with running(*command, port=port, LOG_LEVEL="critical"):
        assert httpx.get(f"http://127.0.0.1:{port}/api/orders/{order}").status_code == 200


@pytest.mark.parametrize("stage", ["resource tracker", "worker"])
def test_no_process_survives_a_main_process_killed_during_startup(mongodb_url: str, stage: str) -> None:
    """Kill it while the workers import modules, before they ask to end with the main process."""
    port = free_port()
    names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": "pos_killed", "STORE_ID": "starting"}
    server = subprocess.Popen(
        [*POS, "serve", "--port", str(port), "--workers", "2"],
        cwd=ROOT,
        env=environment(**names),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: bool(of_kind(descendants(server.pid), stage)), "nothing was started")
        tree = descendants(server.pid)
    finally:
        server.kill()
        server.wait()
    wait_for(lambda: not any(map(is_alive, tree)), f"left behind: {tree}")


def has_threads(pid: int) -> bool:
    """Return whether a worker runs: its client of the database has threads."""
    return len(list(Path(f"/proc/{pid}/task").iterdir())) > 2


def test_suspended_workers_end_with_the_main_process(mongodb_url: str) -> None:
    port = free_port()
    names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": "pos_killed", "STORE_ID": "stopped"}
    with running(*POS, "serve", "--port", str(port), "--workers", "2", port=port, **names) as server:
        workers = of_kind(descendants(server.pid), "worker")
        assert len(workers) == 2
        # One of them may answer while the other one still imports modules, before it asks to end with the main process.
        wait_for(lambda: all(map(has_threads, workers)), "a worker does not start")
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        server.kill()
        server.wait()
        wait_for(lambda: not any(map(is_alive, workers)), "a suspended worker is left")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Start a server with two workers, a database of its own and a PDF worker."""
    port = free_port()
    command = (*POS, "serve", "--port", str(port), "--data", str(tmp_path_factory.mktemp("data")), "--workers", "2")
    with running(*command, port=port, LOG_LEVEL="critical") as process:
        yield port, process


@pytest.mark.parametrize("kind", [*KINDS, "all subprocesses"])
def test_a_killed_subprocess_is_replaced_and_sales_continue(server: Any, kind: str) -> None:
    port, process = server
    order = sell(port)["order_id"]
    wait_for(lambda: has_pdf(port, order), "there is no PDF")
    tree = descendants(process.pid)
    killed = list(tree) if kind == "all subprocesses" else of_kind(tree, kind)
    assert killed
    for pid in killed:
        kill(pid)
    wait_for(lambda: not any(map(is_alive, killed)), "it was not killed")
    later = sell(port)["order_id"]
    wait_for(lambda: has_pdf(port, later), "there is no PDF")
    wait_for(lambda: len(of_kind(descendants(process.pid), "worker")) == 2, "a worker is missing")
    wait_for(lambda: has_pdf(port, order), "a sale is gone")
    assert process.poll() is None


def kill(pid: int) -> None:
    """Kill a process, which may already have ended with another one."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        assert not is_alive(pid)


def test_a_failed_start_names_the_processes_that_use_the_data_folder(server: Any) -> None:
    _, process = server
    command = command_line(process.pid)
    (folder,) = [Path(each) for each in command.split() if each.startswith(os.sep) and Path(each).is_dir()]
    refused = run(*POS, "serve", "--port", str(free_port()), "--data", str(folder))
    sentence = " ".join(refused.stderr.split())
    (mongod,) = of_kind(descendants(process.pid), "mongod")
    assert refused.returncode == 1
    assert f"Another mongod is using the data folder {folder} (process {min(process.pid, mongod)}: " in sentence
    assert f"process {process.pid}: {sys.executable} -m app serve --port" in sentence
    assert f"process {mongod}: " in sentence


def test_a_failed_start_names_a_manually_started_mongod(tmp_path: Path) -> None:
    with local_mongod(tmp_path, executable=find_mongod()):
        pass
    command = (find_mongod(), "--dbpath", tmp_path / "db", "--bind_ip", tmp_path / "m.sock")
    other_mongod = subprocess.Popen((*command, "--replSet", "rs0"), stdout=subprocess.DEVNULL)
    try:
        wait_for((tmp_path / "m.sock").exists, "mongod did not start")
        refused = rf"Another mongod is using the data folder .* \(process {other_mongod.pid}: "
        with pytest.raises(MongodRefused, match=refused), local_mongod(tmp_path, executable=find_mongod()):
            pass
    finally:
        other_mongod.terminate()
        other_mongod.wait()


HOLDER = "import sys, time; file = open(sys.argv[1]); print('open', flush=True); time.sleep(60)"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [(["plain"], "plain"), (["x" * 500], "x…"), (["a\x1b[31mb"], "\\x1b[31m")],
    ids=["short", "long", "unprintable"],
)
def test_a_process_is_shown_in_one_short_line(tmp_path: Path, arguments: list[str], shown: str) -> None:
    file = tmp_path / "lock"
    file.touch()
    process = subprocess.Popen([sys.executable, "-c", HOLDER, file, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        (holder,) = holders_of(file)
        line = str(holder)
    finally:
        process.kill()
        process.communicate()
    assert holder.pid == process.pid
    assert line.startswith(f"process {process.pid}: ")
    assert line.isprintable()
    assert len(line) < 200
    assert holder.arguments[-1] == arguments[-1]


def test_a_file_that_no_other_process_has_open_has_no_holder(tmp_path: Path) -> None:
    assert holders_of(tmp_path / "missing") == []
    (tmp_path / "lock").touch()
    with (tmp_path / "lock").open():
        # The test's own process is not counted.
        assert holders_of(tmp_path / "lock") == []
