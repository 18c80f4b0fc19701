"""The local mongod: found, started, stopped, and never left behind."""

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

# A process that starts a mongod, says its URL, and waits to be killed.
KEEPER = """
import sys, time
from pathlib import Path
from app.database.local_mongod import find_mongod, local_mongod
with local_mongod(Path(sys.argv[1]), executable=find_mongod()) as url:
    print(url, flush=True)
    time.sleep(60)
"""


def mongods_of(folder: Path) -> list[int]:
    """The ids of the processes that run on a data folder."""
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
    while mongods_of(folder):
        assert time.monotonic() < deadline, "a mongod was left behind"
        time.sleep(0.05)


def test_it_runs_inside_the_block_only_and_keeps_its_data_private(tmp_path: Path) -> None:
    with local_mongod(tmp_path / "data", executable=MONGOD) as url:
        assert is_primary(url)
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
        assert len(mongods_of(tmp_path / "data")) == 1
        # mongod makes one of its own, by default one for all in /tmp, where two that start at once meet.
        assert (tmp_path / "data" / "mongodb-27017.sock").is_socket()
    assert mongods_of(tmp_path / "data") == []
    assert not is_primary(url)


def test_it_starts_again_on_the_same_data_even_after_a_kill(tmp_path: Path) -> None:
    with local_mongod(tmp_path, executable=MONGOD):
        (process,) = mongods_of(tmp_path)
        os.kill(process, signal.SIGKILL)
    with local_mongod(tmp_path, executable=MONGOD) as url:
        assert is_primary(url)


def test_one_that_dies_while_it_is_needed_is_started_again(tmp_path: Path) -> None:
    with local_mongod(tmp_path, executable=MONGOD) as url:
        for _ in range(2):
            (process,) = mongods_of(tmp_path)
            os.kill(process, signal.SIGKILL)
            deadline = time.monotonic() + 20
            while mongods_of(tmp_path) in ([], [process]) or not is_primary(url):
                assert time.monotonic() < deadline, "it was not started again"
                time.sleep(0.05)
    assert mongods_of(tmp_path) == []


def test_a_folder_with_a_long_path_works_too(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 10)
    with local_mongod(folder, executable=MONGOD) as url:
        assert is_primary(url)


def test_a_folder_that_is_in_use_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with (
        local_mongod(tmp_path, executable=MONGOD) as url,
        pytest.raises(MongodRefused, match="Another mongod is using the data folder"),
        local_mongod(tmp_path, executable=MONGOD),
    ):
        pass
    assert not is_primary(url)


def test_a_mongod_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    with (
        pytest.raises(MongodRefused, match="ended with code"),
        local_mongod(tmp_path, executable=MONGOD, extra=("--noSuchOption",)),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(MongodRefused, match="cannot be used"),
        local_mongod(tmp_path / "file" / "data", executable=MONGOD),
    ):
        pass


def test_a_killed_keeper_leaves_no_orphan(tmp_path: Path) -> None:
    keeper = subprocess.Popen([sys.executable, "-c", KEEPER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert keeper.stdout is not None
    url = keeper.stdout.readline().strip()
    assert is_primary(url)
    keeper.kill()
    keeper.wait()
    keeper.stdout.close()
    # Its successor need not wait for that: it does so by itself.
    with local_mongod(tmp_path, executable=MONGOD) as url:
        assert is_primary(url)
    wait_until_gone(tmp_path)


def test_the_configured_mongod_comes_first_and_must_be_executable(tmp_path: Path) -> None:
    assert find_mongod(str(MONGOD)) == MONGOD
    with pytest.raises(MongodRefused, match="MONGOD_PATH"):
        find_mongod(str(tmp_path / "nothing"))
    with pytest.raises(MongodRefused, match="MONGOD_PATH"):
        find_mongod(str(tmp_path))


def test_a_mongod_on_the_path_comes_before_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "mongod"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() == own
