"""The checks of `pos doctor` on facts about settings, machine and database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.config.settings import Settings
from app.diagnostics.database_checks import check_database
from app.diagnostics.findings import Finding, Level
from app.diagnostics.machine import MachineFacts
from app.diagnostics.machine_checks import check_machine, check_settings
from repositories.diagnostics.facts import DatabaseFacts
from tests.support.messaging.outgoing_messages import CLOUD_SETTINGS, FAST2SMS_SETTINGS

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
SECRET = "4f9c1d7e2a8b5c3f6e0d9a1b8c7f2e5d"
PUBLIC = {"public_base_url": "https://shop.example"}
BEHIND_A_PROXY = {**PUBLIC, "secret_key": SECRET, "trusted_proxies": 1}
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
    are_counters_known=True,
    highest={"estimates": 3, "orders": 2},
    newest_event=7,
    by_totals={"estimates": (3, 100), "orders": (2, 50)},
    by_documents={"estimates": (3, 100), "orders": (2, 50)},
    newest=NOW,
)
MACHINE = MachineFacts(python=(3, 11, 9), zones_from="tzdata", open_files=65_536)


def odd(findings: Any) -> list[tuple[str, Level]]:
    """Return the findings that are not ok; each must have a remedy."""
    found: list[Finding] = [each for each in findings if each.level is not Level.OK]
    assert all(each.remedy for each in found)
    return [(each.check, each.level) for each in found]


def test_a_sound_setup_has_no_finding() -> None:
    assert odd(check_settings(REMOTE, {})) == []
    assert odd(check_machine(REMOTE, MACHINE)) == []
    assert odd(check_database(REMOTE, SOUND, NOW)) == []


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
def test_a_machine_is_checked(changes: Any, expected: tuple[str, Level]) -> None:
    assert odd(check_machine(REMOTE, replace(MACHINE, **changes))) == [expected]


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
def test_a_local_database_is_checked(changes: Any, expected: tuple[str, Level]) -> None:
    local = {"mongod": Path("/usr/bin/mongod"), "mongod_version": "6.0.5", "folder_exists": True, "folder_mode": 0o700}
    facts = replace(MACHINE, **{**local, "disk_free": 10**11, **changes})
    assert odd(check_machine(Settings(), facts)) == [expected]


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
        ({"adoption": "done", "late": ["There are orders."]}, ("earlier backend", Level.WRONG)),
        ({"counters": None}, ("store", Level.WARNING)),
        ({"indexes_missing": ["orders.newest"]}, ("indexes", Level.WRONG)),
        ({"indexes_different": ["orders.newest"]}, ("indexes", Level.WRONG)),
        ({"indexes_missing": None}, ("indexes", Level.WARNING)),
        ({"highest": {"estimates": 3, "orders": 3}}, ("counters", Level.WRONG)),
        ({"newest_event": 9}, ("counters", Level.WRONG)),
        ({"counters": {}}, ("counters", Level.WRONG)),
        ({"by_totals": {"estimates": (3, 101), "orders": (2, 50)}}, ("totals", Level.WRONG)),
        ({"by_documents": None}, ("totals", Level.WARNING)),
        ({"newest": NOW + timedelta(hours=1)}, ("newest document", Level.WRONG)),
    ],
)
def test_a_database_is_checked(changes: Any, expected: tuple[str, Level]) -> None:
    assert odd(check_database(REMOTE, replace(SOUND, **changes), NOW)) == [expected]


def test_a_store_that_is_being_restored_is_reported_and_not_checked_further() -> None:
    facts = replace(SOUND, counters={"head": None, "restoring": {"began": NOW}}, by_documents={}, newest_event=9)
    (found,) = [each for each in check_database(REMOTE, facts, NOW) if each.level is not Level.OK]
    assert (found.check, found.level, found.message) == ("store", Level.WRONG, "It is being restored, or was by half.")
    assert "pos restore --discard" in found.remedy


def test_a_store_of_another_time_zone_is_reported() -> None:
    counters = {"estimates": 3, "orders": 2, "head": 7, "timezone": "Asia/Dubai"}
    assert odd(check_database(REMOTE, replace(SOUND, counters=counters), NOW)) == [("TIMEZONE", Level.WRONG)]


@pytest.mark.parametrize("reason", ["invalid", "dns", "refused", "auth", "tls", "timeout", "no_primary", "other"])
def test_each_reason_has_a_sentence(reason: str) -> None:
    facts = DatabaseFacts(unreachable=reason, detail="so it says")
    assert odd(check_database(REMOTE, facts, NOW)) == [("database", Level.WRONG)]
