"""`pos doctor`: judgement on facts, and the whole of it on real setups that are broken."""

import json
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from typer.testing import CliRunner

from app.cli import cli
from app.doctor.findings import Finding, Level
from app.doctor.judgement import judge_machine, judge_settings
from app.doctor.judgement_of_database import judge_database
from app.doctor.machine import MachineFacts
from app.local_mongod import find_mongod
from app.settings import Settings, WrongSettings, read_settings
from repositories.database_facts import DatabaseFacts
from repositories.examination import examine
from tests.ports import free_port

Json = dict[str, Any]

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
SECRET = "4f9c1d7e2a8b5c3f6e0d9a1b8c7f2e5d"
PUBLIC = {"public_base_url": "https://shop.example"}
REMOTE = Settings(mongodb_url="mongodb://asha:geheim@db.example/")
SOUND = DatabaseFacts(
    version="7.0.12",
    set_name="rs0",
    primary="db.example:27017",
    clock=0.01,
    majority="",
    majority_ms=4.0,
    transaction="",
    change_stream="",
    oplog_hours=30.0,
    disk_free=50 * 10**9,
    indexes_missing=[],
    counters={"estimates": 3, "orders": 2, "head": 7, "timezone": "Asia/Kolkata"},
    has_looked_at_counters=True,
    highest={"estimates": 3, "orders": 2},
    newest_event=7,
    by_totals={"estimates": (3, 100), "orders": (2, 50)},
    by_documents={"estimates": (3, 100), "orders": (2, 50)},
    newest=NOW,
)
MACHINE = MachineFacts(python=(3, 11, 9), zones_from="tzdata", open_files=65_536)


def odd(findings: Any) -> list[tuple[str, Level]]:
    """Those that are not ok; each says what to do."""
    found: list[Finding] = [each for each in findings if each.level is not Level.OK]
    assert all(each.mend for each in found)
    return [(each.check, each.level) for each in found]


def test_a_sound_setup_has_nothing_to_mend() -> None:
    assert odd(judge_settings(REMOTE, {})) == []
    assert odd(judge_machine(REMOTE, MACHINE)) == []
    assert odd(judge_database(REMOTE, SOUND, NOW)) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"port": 9000}, ("PUBLIC_BASE_URL", Level.WRONG)),
        ({"host": "0.0.0.0", "secret_key": SECRET}, ("PUBLIC_BASE_URL", Level.WARNING)),  # noqa: S104
        ({"public_base_url": "http://shop.example", "secret_key": SECRET}, ("PUBLIC_BASE_URL", Level.WARNING)),
        ({**PUBLIC, "trusted_proxies": 1}, ("settings", Level.WRONG)),
        ({**PUBLIC, "secret_key": SECRET}, ("TRUSTED_PROXIES", Level.WARNING)),
        ({"trusted_proxies": 1}, ("TRUSTED_PROXIES", Level.WARNING)),
        ({**PUBLIC, "trusted_proxies": 1, "sign_in": "off"}, ("settings", Level.WRONG)),
        ({**PUBLIC, "trusted_proxies": 1, "sign_in": "off", "allow_insecure": True}, ("sign-in", Level.WARNING)),
        ({"cors_origins": ("*",)}, ("CORS_ORIGINS", Level.WARNING)),
    ],
)
def test_settings_are_judged_together(changes: Any, expected: tuple[str, Level]) -> None:
    assert odd(judge_settings(replace(REMOTE, **changes), {})) == [expected]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"python": (3, 10, 2)}, ("Python", Level.WRONG)),
        ({"libraries": {"motor": ("3.7.1", "3.6.0")}}, ("libraries", Level.WARNING)),
        ({"libraries": {"motor": ("3.7.1", None)}}, ("libraries", Level.WRONG)),
        ({"has_pins": False}, ("libraries", Level.WARNING)),
        ({"zone_works": False}, ("time zones", Level.WRONG)),
        ({"port": "taken"}, ("port", Level.WRONG)),
        ({"port": "not allowed"}, ("port", Level.WRONG)),
        ({"port": "no such address"}, ("port", Level.WRONG)),
        ({"open_files": 1024}, ("open files", Level.WARNING)),
    ],
)
def test_a_machine_is_judged(changes: Any, expected: tuple[str, Level]) -> None:
    assert odd(judge_machine(REMOTE, replace(MACHINE, **changes))) == [expected]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"mongod": None, "mongod_missing": "There is none."}, ("local mongod", Level.WRONG)),
        ({"mongod_version": None}, ("local mongod", Level.WRONG)),
        ({"mongod_version": "5.0.1"}, ("local mongod", Level.WRONG)),
        ({"folder_is_writable": False}, ("data folder", Level.WRONG)),
        ({"folder_mode": 0o755}, ("data folder", Level.WARNING)),
        ({"folder_is_held": True}, ("data folder", Level.WRONG)),
        ({"disk_free": 10**9}, ("disk of the data folder", Level.WRONG)),
    ],
)
def test_a_local_database_is_judged(changes: Any, expected: tuple[str, Level]) -> None:
    local = {"mongod": Path("/usr/bin/mongod"), "mongod_version": "6.0.5", "folder_exists": True, "folder_mode": 0o700}
    facts = replace(MACHINE, **{**local, "disk_free": 10**11, **changes})
    assert odd(judge_machine(Settings(), facts)) == [expected]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"version": "5.0.3"}, ("MongoDB", Level.WRONG)),
        ({"set_name": None}, ("replica set", Level.WRONG)),
        ({"primary": None}, ("replica set", Level.WRONG)),
        ({"majority": "waiting for replication timed out"}, ("durable writes", Level.WRONG)),
        ({"majority_ms": 900.0}, ("durable writes", Level.WARNING)),
        ({"majority": None}, ("durable writes", Level.WARNING)),
        ({"transaction": "not authorized"}, ("transactions", Level.WRONG)),
        ({"change_stream": "not authorized"}, ("change streams", Level.WRONG)),
        ({"disk_free": 10**9}, ("disk of the database", Level.WRONG)),
        ({"clock": 5.0}, ("clock", Level.WARNING)),
        ({"clock": -600.0}, ("clock", Level.WRONG)),
        ({"adoption": "begun"}, ("earlier backend", Level.WRONG)),
        ({"adoption": "done", "unadopted": "orders"}, ("earlier backend", Level.WRONG)),
        ({"counters": None}, ("store", Level.WARNING)),
        ({"indexes_missing": ["orders.newest"]}, ("indexes", Level.WRONG)),
        ({"indexes_different": ["orders.newest"]}, ("indexes", Level.WRONG)),
        ({"indexes_missing": None}, ("indexes", Level.WARNING)),
        ({"highest": {"estimates": 3, "orders": 3}}, ("counters", Level.WRONG)),
        ({"newest_event": 9}, ("counters", Level.WRONG)),
        ({"by_totals": {"estimates": (3, 101), "orders": (2, 50)}}, ("totals", Level.WRONG)),
        ({"by_documents": None}, ("totals", Level.WARNING)),
        ({"newest": NOW + timedelta(hours=1)}, ("newest document", Level.WRONG)),
    ],
)
def test_a_database_is_judged(changes: Any, expected: tuple[str, Level]) -> None:
    assert odd(judge_database(REMOTE, replace(SOUND, **changes), NOW)) == [expected]


def test_books_of_another_time_zone_are_named() -> None:
    counters = {"estimates": 3, "orders": 2, "head": 7, "timezone": "Asia/Dubai"}
    assert odd(judge_database(REMOTE, replace(SOUND, counters=counters), NOW)) == [("TIMEZONE", Level.WRONG)]


@pytest.mark.parametrize("reason", ["invalid", "dns", "refused", "auth", "tls", "timeout", "no_primary", "other"])
def test_each_reason_has_a_sentence(reason: str) -> None:
    facts = DatabaseFacts(unreachable=reason, detail="so it says")
    assert odd(judge_database(REMOTE, facts, NOW)) == [("database", Level.WRONG)]


def test_every_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (("PORT", "x"), ("TIMEZONE", "Mars/Base"), ("CURRENCY", "JPY")):
        monkeypatch.setenv(name, value)
    with pytest.raises(WrongSettings, match=r"^3 settings are wrong\. PORT: .* TIMEZONE: .* CURRENCY: ") as caught:
        read_settings()
    assert caught.value.rest.port == 8000


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
    assert (facts.unreachable, time.monotonic() - began < 15) == (reason, True), facts
    assert "geheim" not in facts.detail


def test_a_wrong_password_and_a_connection_without_tls_are_told_apart(mongodb_url: str) -> None:
    wrong = examine(mongodb_url.replace("mongodb://", "mongodb://asha:geheim@"), "pos", "main", 90)
    assert (wrong.unreachable, "geheim" in wrong.detail) == ("auth", False)
    encrypted = examine(mongodb_url + "&tls=true", "pos", "main", 90)
    assert encrypted.unreachable == "tls", encrypted


@contextmanager
def standalone(folder: Path) -> Iterator[str]:
    """A mongod that is no replica set."""
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
        with MongoClient[Any](url, serverSelectionTimeoutMS=30_000) as client:
            client.admin.command("ping")
        yield url
    finally:
        mongod.kill()
        mongod.wait()


def diagnosed(**changes: str) -> tuple[int, dict[str, Json]]:
    environment = {"MONGODB_URL": "", "PORT": str(free_port()), "STORE_ID": "main", "DATABASE_NAME": "pos", **changes}
    began = time.monotonic()
    result = CliRunner().invoke(cli, ["doctor", "--json"], env=environment)
    assert time.monotonic() - began < 20
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    findings = json.loads(result.stdout)
    return result.exit_code, {each["check"]: each for each in findings if each["level"] != "ok"}


def test_a_standalone_server_is_told_how_to_become_a_set(tmp_path: Path) -> None:
    with standalone(tmp_path) as url:
        code, found = diagnosed(MONGODB_URL=url)
    assert code == 1
    assert "rs.initiate()" in found["replica set"]["mend"]
    assert set(found) <= {"replica set", "store", "open files"}


def test_nothing_is_known_of_a_local_database_that_does_not_run(tmp_path: Path) -> None:
    code, found = diagnosed(DATA_DIR=str(tmp_path / "data"))
    assert (code, found["database"]["level"]) == (0, "warning")
    assert not (tmp_path / "data").exists()


def test_the_port_of_another_program_is_noticed() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        code, found = diagnosed(PORT=str(listener.getsockname()[1]), MONGODB_URL=f"mongodb://127.0.0.1:{free_port()}/")
    assert (code, set(found) - {"open files"}) == (1, {"port", "database"})


@pytest.fixture
def own(mongodb_url: str) -> Iterator[Database[Any]]:
    """A database with a little of everything in it."""
    with MongoClient[Any](mongodb_url, tz_aware=True) as client:
        name = f"pos_doctor_{secrets.token_hex(4)}"
        made = CliRunner().invoke(
            cli,
            ["demo", "--orders", "30", "--months", "1", "--store", "main"],
            env={"MONGODB_URL": mongodb_url, "DATABASE_NAME": name, "STORE_ID": "main"},
        )
        assert made.exit_code == 0, made.output
        yield client[name]
        client.drop_database(name)


def test_each_thing_that_is_broken_is_found(own: Database[Any], mongodb_url: str) -> None:
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
