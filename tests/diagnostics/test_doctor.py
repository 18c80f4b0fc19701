"""`pos doctor` on real setups with defects."""

import json
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from typer.testing import CliRunner

from app.cli import cli
from app.config.settings import WrongSettings, read_settings
from app.database.local_mongod import find_mongod
from repositories.database.client import temporary_client
from tests.support.ports import free_port

Json = dict[str, Any]


def test_every_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (("PORT", "x"), ("TIMEZONE", "Mars/Base"), ("CURRENCY", "JPY")):
        monkeypatch.setenv(name, value)
    with pytest.raises(WrongSettings, match=r"^3 settings are wrong\. PORT: .* TIMEZONE: .* CURRENCY: ") as caught:
        read_settings()
    assert caught.value.rest.port == 8000


@contextmanager
def standalone(folder: Path) -> Iterator[str]:
    """Yield a mongod without a replica set."""
    path = folder / "m.sock"
    command = [
        str(find_mongod()),
        "--dbpath",
        str(folder),
        "--bind_ip",
        str(path),
        "--unixSocketPrefix",
        str(folder),
        "--logpath",
        str(folder / "log"),
    ]
    mongod = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = "mongodb://" + str(path).replace("/", "%2F")
    try:
        with temporary_client(url, serverSelectionTimeoutMS=30_000) as client:
            client.admin.command("ping")
        yield url
    finally:
        mongod.kill()
        mongod.wait()


def diagnosed(**changes: str) -> tuple[int, dict[str, Json]]:
    environment = {"MONGODB_URL": "", "PORT": str(free_port()), "STORE_ID": "main", "DATABASE_NAME": "pos", **changes}
    began = time.monotonic()
    result = CliRunner().invoke(cli, ["doctor", "--json"], env=environment)
    # Earlier than the driver's own timeout of 30 s.
    assert time.monotonic() - began < 25
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    findings = json.loads(result.stdout)
    return result.exit_code, {each["check"]: each for each in findings if each["level"] != "ok"}


def test_a_standalone_server_gets_instructions_for_a_replica_set(tmp_path: Path) -> None:
    with standalone(tmp_path) as url:
        code, found = diagnosed(MONGODB_URL=url)
    assert code == 1
    assert "rs.initiate()" in found["replica set"]["remedy"]
    assert set(found) <= {"replica set", "store", "open files"}


def test_a_local_database_that_does_not_run_is_not_inspected(tmp_path: Path) -> None:
    code, found = diagnosed(DATA_DIR=str(tmp_path / "data"))
    assert (code, found["database"]["level"]) == (0, "warning")
    assert not (tmp_path / "data").exists()


def test_a_port_used_by_another_program_is_reported() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        code, found = diagnosed(PORT=str(listener.getsockname()[1]), MONGODB_URL=f"mongodb://127.0.0.1:{free_port()}/")
    assert (code, set(found) - {"open files"}) == (1, {"port", "database"})


@pytest.fixture
def own(mongodb_url: str) -> Iterator[Database[Any]]:
    """Yield a database with some documents of each kind."""
    with temporary_client(mongodb_url, tz_aware=True) as client:
        name = f"pos_doctor_{secrets.token_hex(4)}"
        made = CliRunner().invoke(
            cli,
            ["demo", "--orders", "30", "--months", "1", "--store", "main"],
            env={"MONGODB_URL": mongodb_url, "DATABASE_NAME": name, "STORE_ID": "main"},
        )
        assert made.exit_code == 0, made.output
        yield client[name]
        client.drop_database(name)


def test_each_defect_of_a_database_is_found(own: Database[Any], mongodb_url: str) -> None:
    before = sorted(own.list_collection_names())

    def checks() -> set[str]:
        return set(diagnosed(MONGODB_URL=mongodb_url, DATABASE_NAME=own.name)[1]) - {"open files"}

    assert checks() == set()
    own.orders.drop_index("newest")
    own.estimates.drop_index("staff")
    own.estimates.create_index("sale_by", name="staff")
    assert checks() == {"indexes"}
    own.counters.update_one({"_id": "main"}, {"$inc": {"orders": -1}})
    assert checks() == {"indexes", "counters"}
    own.totals.update_one({"_id.span": "year", "orders": {"$exists": True}}, {"$inc": {"orders.Completed.paid": 1}})
    assert checks() == {"indexes", "counters", "totals"}
    own.orders.update_one({"number": 30}, {"$set": {"created_at": datetime.now(UTC) + timedelta(days=2)}})
    assert checks() == {"indexes", "counters", "totals", "newest document"}
    assert sorted(own.list_collection_names()) == before


def test_an_incomplete_restore_is_found(own: Database[Any], mongodb_url: str) -> None:
    own.counters.replace_one({"_id": "main"}, {"head": None, "restoring": {"began": datetime.now(UTC), "before": None}})
    code, found = diagnosed(MONGODB_URL=mongodb_url, DATABASE_NAME=own.name)
    assert (code, set(found) - {"open files"}) == (1, {"store"})


def test_the_probe_collection_is_reported_and_dropped(mongodb_url: str) -> None:
    output = CliRunner().invoke(cli, ["doctor", "--help"], env={"COLUMNS": "200"}).stdout
    assert "doctor_" in output
    assert "changes nothing" not in output
    name = f"pos_doctor_{secrets.token_hex(4)}"
    assert set(diagnosed(MONGODB_URL=mongodb_url, DATABASE_NAME=name)[1]) - {"open files"} == {"store"}
    with temporary_client(mongodb_url) as client:
        assert name not in client.list_database_names()


def test_only_probe_collections_are_dropped(own: Database[Any], mongodb_url: str) -> None:
    for name in ("doctor_appointments", "doctor_1", "doctor_1700000000_0badcafe"):
        own.create_collection(name)
    assert set(diagnosed(MONGODB_URL=mongodb_url, DATABASE_NAME=own.name)[1]) - {"open files"} == set()
    left = {name for name in own.list_collection_names() if name.startswith("doctor_")}
    assert left == {"doctor_appointments", "doctor_1"}
