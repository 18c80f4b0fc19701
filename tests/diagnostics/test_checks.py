"""The checks of `pos doctor` on facts about settings, machine and database."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.config.settings import Settings
from app.diagnostics import machine
from app.diagnostics.database_checks import check_database, unreachable_finding
from app.diagnostics.findings import Finding, Level
from app.diagnostics.machine import DataFolder
from app.diagnostics.machine_checks import check_machine, check_settings
from repositories.diagnostics import inspection
from repositories.diagnostics.inspection import Server, Unreachable, Writes
from tests.support.messaging.outgoing_messages import CLOUD_SETTINGS, FAST2SMS_SETTINGS

#: Facts by the functions that collect them.
Facts = dict[Callable[[Any], Any], Any]

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
SECRET = "4f9c1d7e2a8b5c3f6e0d9a1b8c7f2e5d"
PUBLIC = {"public_base_url": "https://shop.example"}
BEHIND_A_PROXY = {**PUBLIC, "secret_key": SECRET, "trusted_proxies": 1}
REMOTE = Settings(mongodb_url="mongodb://asha:geheim@db.example/")
SERVER = Server("7.0.12", "rs0", is_mongos=False, primary="db.example:27017", clock=0.01)
WRITES = Writes("", 4.0, "", "")
COUNTERS = {"estimates": 3, "orders": 2, "head": 7, "timezone": "Asia/Kolkata"}
SOUND: Facts = {
    inspection.server: SERVER,
    inspection.writes: WRITES,
    inspection.oplog_hours: 30.0,
    inspection.disk_free: 50 * 10**9,
    inspection.index_defects: ([], []),
    inspection.counters: COUNTERS,
    inspection.highest: {"estimates": 3, "orders": 2, "head": 7},
    inspection.differing_sums: [],
    inspection.newest: NOW,
}
MACHINE: Facts = {
    machine.python_version: (3, 11, 9),
    machine.differing_libraries: {},
    machine.zone_source: "tzdata",
    machine.port_state: "free",
    machine.open_files: (65_536, 65_536),
}
FOLDER = DataFolder(Path("data"), is_writable=True, disk_free=10**11, mode=0o700)


def of_machine(settings: Settings, facts: Facts) -> Iterator[Finding]:
    return check_machine(settings, facts.get)


def of_database(facts: Facts) -> Iterator[Finding]:
    return check_database(REMOTE, facts.get, NOW)


def odd(findings: Any) -> list[tuple[str, Level]]:
    """Return the findings that are not ok; each must have a remedy."""
    found: list[Finding] = [each for each in findings if each.level is not Level.OK]
    assert all(each.remedy for each in found)
    return [(each.check, each.level) for each in found]


def test_a_sound_setup_has_no_finding() -> None:
    assert odd(check_settings(REMOTE, {})) == []
    assert odd(of_machine(REMOTE, MACHINE)) == []
    assert odd(of_database(SOUND)) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"port": 9000}, ("PUBLIC_BASE_URL", Level.WRONG)),
        ({"host": "0.0.0.0", "secret_key": SECRET}, ("PUBLIC_BASE_URL", Level.WARNING)),  # noqa: S104
        ({"public_base_url": "http://shop.example", "secret_key": SECRET}, ("PUBLIC_BASE_URL", Level.WARNING)),
        ({**PUBLIC, "trusted_proxies": 1}, ("settings", Level.WRONG)),
        ({"whatsapp": FAST2SMS_SETTINGS}, ("messages", Level.WARNING)),
        ({**BEHIND_A_PROXY, "whatsapp": CLOUD_SETTINGS}, ("messages", Level.WARNING)),
        ({**PUBLIC, "secret_key": SECRET}, ("TRUSTED_PROXIES", Level.WARNING)),
        ({"trusted_proxies": 1}, ("TRUSTED_PROXIES", Level.WARNING)),
        ({**PUBLIC, "trusted_proxies": 1, "sign_in": "off"}, ("settings", Level.WRONG)),
        ({**PUBLIC, "trusted_proxies": 1, "sign_in": "off", "allow_insecure": True}, ("sign-in", Level.WARNING)),
        ({"cors_origins": ("*",), "sign_in": "on", "secret_key": SECRET}, ("CORS_ORIGINS", Level.WARNING)),
        ({"cors_origins": ("*",), "sign_in": "off", "allow_insecure": True}, ("CORS_ORIGINS", Level.WARNING)),
    ],
)
def test_settings_are_checked_together(changes: Any, expected: tuple[str, Level]) -> None:
    assert odd(check_settings(replace(REMOTE, **changes), {})) == [expected]


def test_open_sign_in_with_any_origin_is_an_error() -> None:
    found = odd(check_settings(replace(REMOTE, cors_origins=("*",)), {}))
    assert found == [("settings", Level.WRONG), ("CORS_ORIGINS", Level.WRONG)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({machine.python_version: (3, 10, 2)}, ("Python", Level.WRONG)),
        ({machine.differing_libraries: {"motor": ("3.7.1", "3.6.0")}}, ("libraries", Level.WARNING)),
        ({machine.differing_libraries: {"motor": ("3.7.1", None)}}, ("libraries", Level.WRONG)),
        ({machine.differing_libraries: None}, ("libraries", Level.WARNING)),
        ({machine.zone_source: None}, ("time zones", Level.WRONG)),
        ({machine.port_state: "taken"}, ("port", Level.WRONG)),
        ({machine.port_state: "not allowed"}, ("port", Level.WRONG)),
        ({machine.port_state: "no such address"}, ("port", Level.WRONG)),
        ({machine.open_files: (1024, 1024)}, ("open files", Level.WARNING)),
    ],
)
def test_a_machine_is_checked(changes: Facts, expected: tuple[str, Level]) -> None:
    assert odd(of_machine(REMOTE, {**MACHINE, **changes})) == [expected]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({machine.local_mongod: ("There is none.", None)}, ("local mongod", Level.WRONG)),
        ({machine.local_mongod: (Path("/usr/bin/mongod"), None)}, ("local mongod", Level.WRONG)),
        ({machine.local_mongod: (Path("/usr/bin/mongod"), "5.0.1")}, ("local mongod", Level.WRONG)),
        ({machine.data_folder: FOLDER._replace(is_writable=False)}, ("data folder", Level.WRONG)),
        ({machine.data_folder: FOLDER._replace(mode=0o755)}, ("data folder", Level.WARNING)),
        ({machine.data_folder: FOLDER._replace(is_held=True)}, ("data folder", Level.WRONG)),
        ({machine.data_folder: FOLDER._replace(disk_free=10**9)}, ("disk of the data folder", Level.WRONG)),
    ],
)
def test_a_local_database_is_checked(changes: Facts, expected: tuple[str, Level]) -> None:
    local: Facts = {machine.local_mongod: (Path("/usr/bin/mongod"), "6.0.5"), machine.data_folder: FOLDER}
    assert odd(of_machine(Settings(), {**MACHINE, **local, **changes})) == [expected]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({inspection.server: SERVER._replace(version="5.0.3")}, ("MongoDB", Level.WRONG)),
        ({inspection.server: SERVER._replace(set_name=None)}, ("replica set", Level.WRONG)),
        ({inspection.server: SERVER._replace(primary=None)}, ("replica set", Level.WRONG)),
        (
            {inspection.writes: WRITES._replace(majority="waiting for replication timed out")},
            ("durable writes", Level.WRONG),
        ),
        ({inspection.writes: WRITES._replace(majority_ms=900.0)}, ("durable writes", Level.WARNING)),
        ({inspection.writes: WRITES._replace(transaction="not authorized")}, ("transactions", Level.WRONG)),
        ({inspection.writes: WRITES._replace(transaction=None)}, ("transactions", Level.WARNING)),
        ({inspection.writes: WRITES._replace(change_stream="not authorized")}, ("change streams", Level.WRONG)),
        ({inspection.disk_free: 10**9}, ("disk of the database", Level.WRONG)),
        ({inspection.server: SERVER._replace(clock=5.0)}, ("clock", Level.WARNING)),
        ({inspection.server: SERVER._replace(clock=-600.0)}, ("clock", Level.WRONG)),
        ({inspection.import_step: "begun"}, ("earlier backend", Level.WRONG)),
        ({inspection.import_step: "done", inspection.late: ["There are orders."]}, ("earlier backend", Level.WRONG)),
        ({inspection.unimported: ["There are orders."]}, ("earlier backend", Level.WRONG)),
        ({inspection.counters: {}}, ("store", Level.WARNING)),
        ({inspection.index_defects: (["orders.newest"], [])}, ("indexes", Level.WRONG)),
        ({inspection.index_defects: ([], ["orders.newest"])}, ("indexes", Level.WRONG)),
        ({inspection.index_defects: None}, ("indexes", Level.WARNING)),
        ({inspection.highest: {"estimates": 3, "orders": 3, "head": 7}}, ("counters", Level.WRONG)),
        ({inspection.highest: {"estimates": 3, "orders": 2, "head": 9}}, ("counters", Level.WRONG)),
        ({inspection.counters: {"_id": "main"}}, ("counters", Level.WRONG)),
        ({inspection.counters: None}, ("counters", Level.WARNING)),
        ({inspection.counters: {**COUNTERS, "timezone": "Asia/Dubai"}}, ("TIMEZONE", Level.WRONG)),
        ({inspection.differing_sums: ["estimates"]}, ("totals", Level.WRONG)),
        ({inspection.differing_sums: None}, ("totals", Level.WARNING)),
        ({inspection.newest: NOW + timedelta(hours=1)}, ("newest document", Level.WRONG)),
    ],
)
def test_a_database_is_checked(changes: Facts, expected: tuple[str, Level]) -> None:
    assert odd(of_database({**SOUND, **changes})) == [expected]


def test_facts_that_could_not_be_collected_are_reported() -> None:
    unknown = ["durable writes", "transactions", "change streams", "indexes", "counters", "totals"]
    assert odd(of_database({inspection.server: SERVER})) == [(check, Level.WARNING) for check in unknown]


def test_a_store_that_is_being_restored_is_reported_and_not_checked_further() -> None:
    facts = {**SOUND, inspection.counters: {"head": None, "restoring": {"began": NOW}}, inspection.highest: {}}
    (found,) = [each for each in of_database(facts) if each.level is not Level.OK]
    assert (found.check, found.level, found.message) == ("store", Level.WRONG, "It is being restored, or was by half.")
    assert "pos restore --discard" in found.remedy


@pytest.mark.parametrize("reason", ["invalid", "dns", "refused", "auth", "tls", "timeout", "no_primary", "other"])
def test_each_reason_has_a_sentence(reason: str) -> None:
    assert odd([unreachable_finding(Unreachable(reason, "the error"))]) == [("database", Level.WRONG)]
