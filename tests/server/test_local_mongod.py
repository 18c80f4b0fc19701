"""The local mongod: it is found, started, restarted and stopped."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.database.local_mongod import MongodRefused, find_mongod, local_mongod
from repositories.database.client import is_primary

MONGOD = find_mongod()

# A program that starts a mongod, prints its URL, and waits to be killed.
PARENT = """
import sys, time
from pathlib import Path
from app.database.local_mongod import find_mongod, local_mongod
with local_mongod(Path(sys.argv[1]), executable=find_mongod()) as url:
    print(url, flush=True)
    time.sleep(60)
"""


def mongod_pids(folder: Path) -> list[int]:
    """Return the ids of the processes that use a data folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                arguments = process.joinpath("cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(folder / "db") in arguments:
                found.append(int(process.name))
    return found


def wait_until_gone(folder: Path) -> None:
    deadline = time.monotonic() + 10
    while mongod_pids(folder):
        assert time.monotonic() < deadline, "a mongod was left behind"
        time.sleep(0.05)


def test_mongod_runs_only_inside_the_block_and_its_data_is_private(tmp_path: Path) -> None:
    with local_mongod(tmp_path / "data", executable=MONGOD) as url:
        assert is_primary(url)
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
        assert len(mongod_pids(tmp_path / "data")) == 1
        # By default, mongod creates its socket in /tmp, where two that start at the same time collide.
        assert (tmp_path / "data" / "mongodb-27017.sock").is_socket()
    assert mongod_pids(tmp_path / "data") == []
    assert not is_primary(url)


def test_mongod_starts_again_on_the_data_of_a_killed_one(tmp_path: Path) -> None:
    with local_mongod(tmp_path, executable=MONGOD):
        (process,) = mongod_pids(tmp_path)
        os.kill(process, signal.SIGKILL)
    with local_mongod(tmp_path, executable=MONGOD) as url:
        assert is_primary(url)


def test_a_killed_mongod_is_restarted_while_it_is_needed(tmp_path: Path) -> None:
    with local_mongod(tmp_path, executable=MONGOD) as url:
        for _ in range(2):
            (process,) = mongod_pids(tmp_path)
            os.kill(process, signal.SIGKILL)
            deadline = time.monotonic() + 20
            while mongod_pids(tmp_path) in ([], [process]) or not is_primary(url):
                assert time.monotonic() < deadline, "it was not started again"
                time.sleep(0.05)
    assert mongod_pids(tmp_path) == []


def test_a_data_folder_with_a_long_path_works(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 10)
    with local_mongod(folder, executable=MONGOD) as url:
        assert is_primary(url)


def test_a_data_folder_in_use_is_rejected(tmp_path: Path) -> None:
    with (
        local_mongod(tmp_path, executable=MONGOD) as url,
        pytest.raises(MongodRefused, match="Another mongod is using the data folder"),
        local_mongod(tmp_path, executable=MONGOD),
    ):
        pass
    assert not is_primary(url)


def test_the_error_of_a_mongod_that_does_not_start_is_reported(tmp_path: Path) -> None:
    with (
        pytest.raises(MongodRefused, match="ended with code"),
        local_mongod(tmp_path, executable=MONGOD, extra=("--noSuchOption",)),
    ):
        pass


def test_a_data_folder_that_cannot_be_created_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(MongodRefused, match="cannot be used"),
        local_mongod(tmp_path / "file" / "data", executable=MONGOD),
    ):
        pass


def test_mongod_ends_with_a_killed_parent_process(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    url = parent.stdout.readline().strip()
    assert is_primary(url)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    # A new mongod on the folder waits for the end of the old one by itself.
    with local_mongod(tmp_path, executable=MONGOD) as url:
        assert is_primary(url)
    wait_until_gone(tmp_path)


def test_a_configured_mongod_has_precedence_and_must_be_executable(tmp_path: Path) -> None:
    assert find_mongod(str(MONGOD)) == MONGOD
    with pytest.raises(MongodRefused, match="MONGOD_PATH"):
        find_mongod(str(tmp_path / "nothing"))
    with pytest.raises(MongodRefused, match="MONGOD_PATH"):
        find_mongod(str(tmp_path))


def test_a_mongod_on_the_path_has_precedence_over_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "mongod"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() == own
