"""The checks of the database. Pure: facts in, findings out."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from app.config.settings import Settings
from app.diagnostics.findings import Finding, ok, warning, wrong
from app.diagnostics.machine_checks import check_disk
from repositories.accounts.secret_key import is_proof_of
from repositories.database.client import RESTORING
from repositories.diagnostics.facts import DatabaseFacts
from schemas.core.collections import DOCUMENT_KINDS
from schemas.core.document_numbers import format_number

_MINIMUM: Final = (6, 0)
_SLOW_MS: Final = 500
_CLOCK_SECONDS, _CLOCK_WRONG_SECONDS = 2.0, 60.0

_UNREACHABLE: Final = {
    "invalid": (
        "It is no MongoDB address",
        "Write it as mongodb://host/ or, of Atlas, mongodb+srv://user:password@host/, the password percent-encoded.",
    ),
    "dns": ("Its host is not known", "Check the spelling of the host, and this machine's DNS."),
    "refused": ("Nobody listens there", "Start MongoDB; check host and port, and what it binds to (net.bindIp)."),
    "auth": ("It refuses the user or the password", "Check both (special characters as %40), and authSource."),
    "tls": (
        "The encrypted connection fails",
        "Check tls= in the address, the certificate's host and dates, tlsCAFile.",
    ),
    "timeout": ("Nobody answers there", "A firewall? On Atlas, allow this machine's address under Network Access."),
    "no_primary": (
        "No member is primary",
        "See rs.status(): a majority of the members has to run, connected.",
    ),
    "other": ("It cannot be used", "See what it says."),
}


def check_database(settings: Settings, facts: DatabaseFacts, now: datetime) -> Iterator[Finding]:
    """Yield the findings about a database.

    :param now: the current time, in UTC.
    """
    if facts.unreachable is not None:
        message, remedy = _UNREACHABLE[facts.unreachable]
        yield wrong("database", f"{message}: {facts.detail.rstrip('.')}.", remedy)
        return
    where = settings.masked()["mongodb_url"]
    yield ok("database", f"{where} answers.")
    yield _check_version(facts)
    yield from _check_set(facts)
    yield from _check_room(facts)
    yield _check_clock(facts)
    if settings.secret_key is not None and facts.key_proof is not None:
        yield _check_key(settings.secret_key, facts.key_proof)
    if facts.adoption is not None or facts.late:
        yield _check_adoption(facts)
    if facts.are_counters_known and facts.counters is None:
        yield warning("store", f"Store {settings.store_id!r} does not exist yet.", "The first start makes it.")
        return
    yield _check_indexes(facts)
    if facts.counters is not None and RESTORING in facts.counters:
        # Until the restore has ended, there are no counters, and the documents are incomplete.
        yield wrong(
            "store",
            "It is being restored, or was by half.",
            "If that has ended, run the same `pos restore` or `pos import` again, or `pos restore --discard`.",
        )
        return
    yield from _check_counters(settings, facts)
    yield _check_totals(facts)
    yield _check_newest(facts, now)


def _check_version(facts: DatabaseFacts) -> Finding:
    version = facts.version or "0"
    if tuple(int(part) for part in version.split(".")[:2]) < _MINIMUM:
        return wrong("MongoDB", f"{version} is too old.", "6.0 or newer is needed.")
    return ok("MongoDB", version)


def _check_set(facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.set_name is None and not facts.is_mongos:
        yield wrong(
            "replica set",
            "It is a standalone server: no transactions, no change streams.",
            "Start it with --replSet rs0 and run rs.initiate() once in mongosh; one node is enough.",
        )
        return
    if facts.primary is None and not facts.is_mongos:
        yield wrong("replica set", f"{facts.set_name} has no primary.", _UNREACHABLE["no_primary"][1])
        return
    yield ok("replica set", "a sharded cluster" if facts.is_mongos else f"{facts.set_name}, primary {facts.primary}")
    yield _check_writes(facts)
    yield _check_try("transactions", facts.transaction)
    yield _check_try("change streams", facts.change_stream)


def _check_writes(facts: DatabaseFacts) -> Finding:
    check = "durable writes"
    if facts.majority is None or facts.majority_ms is None:
        return _unknown(check)
    if facts.majority:
        return wrong(
            check,
            f"A write to a majority's disks fails: {facts.majority}.",
            "A majority of the members has to run, with journaling, and the user has to be allowed to write.",
        )
    if facts.majority_ms > _SLOW_MS:
        return warning(
            check,
            f"A write to a majority's disks takes {facts.majority_ms:.0f} ms.",
            "See to its disks and its network.",
        )
    return ok(check, f"on a majority's disks, journal included, in {facts.majority_ms:.0f} ms")


def _check_try(check: str, said: str | None) -> Finding:
    if said is None:
        return _unknown(check)
    if said:
        return wrong(check, f"They do not work: {said}.", "The user needs the role readWrite on the database.")
    return ok(check, "They work.")


def _check_room(facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.oplog_hours is not None:
        yield ok("oplog", f"It reaches {facts.oplog_hours:,.1f} hours back.")
    if facts.disk_free is not None:
        yield check_disk("disk of the database", facts.disk_free)


def _check_clock(facts: DatabaseFacts) -> Finding:
    ahead = facts.clock or 0.0
    shown = f"The database's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's."
    remedy = "Let both keep time by NTP (timedatectl set-ntp true)."
    if abs(ahead) >= _CLOCK_WRONG_SECONDS:
        return wrong("clock", shown, remedy)
    return warning("clock", shown, remedy) if abs(ahead) >= _CLOCK_SECONDS else ok("clock", "Both keep the same time.")


def _check_adoption(facts: DatabaseFacts) -> Finding:
    if facts.adoption not in (None, "done"):
        return wrong(
            "earlier backend", "Its documents are half imported.", "Run `pos import-legacy` again to complete it."
        )
    if facts.late:
        return wrong(
            "earlier backend",
            f"It has written what no list shows: {' '.join(facts.late)}",
            "Import it with `pos import-legacy`. If that was done, the earlier backend still writes here: stop it.",
        )
    return ok("earlier backend", "Its documents were taken over.")


def _check_indexes(facts: DatabaseFacts) -> Finding:
    if facts.indexes_missing is None:
        return _unknown("indexes")
    if facts.indexes_missing or facts.indexes_different:
        missing = [f"{name} is missing" for name in facts.indexes_missing]
        different = [f"{name} is not as defined" for name in facts.indexes_different]
        remedy = "`pos migrate` creates what is missing."
        if different:
            remedy += " Drop those that differ first, with dropIndex in mongosh."
        return wrong("indexes", f"{'; '.join(missing + different)}.", remedy)
    return ok("indexes", "All are there.")


def _check_counters(settings: Settings, facts: DatabaseFacts) -> Iterator[Finding]:
    if facts.counters is None or facts.highest is None:
        yield _unknown("counters")
        return
    counters, highest = facts.counters, facts.highest
    problems = [
        f"{kind}: the counter is {counters.get(kind)}, and the highest number {format_number(highest[kind])}"
        for kind in DOCUMENT_KINDS
        if counters.get(kind) != highest[kind]
    ]
    if facts.newest_event is not None and facts.newest_event != counters.get("head"):
        problems.append(f"events: the head is {counters.get('head')}, and the newest {facts.newest_event}")
    if problems:
        yield wrong(
            "counters",
            f"{'; '.join(problems)}.",
            "Stop the service; `pos verify` says what is missing. Was a part of a backup restored? Restore all of it.",
        )
    else:
        yield ok("counters", "They agree with the documents.")
    zone = counters.get("timezone")
    if zone is not None and zone != settings.timezone.key:
        yield wrong(
            "TIMEZONE", f"The books are kept in {zone}, not {settings.timezone.key}.", f"Set TIMEZONE to {zone}."
        )


def _check_totals(facts: DatabaseFacts) -> Finding:
    if facts.by_totals is None or facts.by_documents is None:
        return warning("totals", "There are too many documents to add up quickly.", "`pos verify` takes its time.")
    if facts.by_totals != facts.by_documents:
        different = [kind for kind in facts.by_totals if facts.by_totals[kind] != facts.by_documents[kind]]
        return wrong(
            "totals",
            f"What reports read differs from the documents, of {' and '.join(different)}.",
            "`pos verify` names each difference. If a service sells just now, look again.",
        )
    return ok("totals", "By years they agree with the documents; `pos verify` looks at each day.")


def _check_newest(facts: DatabaseFacts, now: datetime) -> Finding:
    if facts.newest is not None and facts.newest - now > timedelta(seconds=_CLOCK_WRONG_SECONDS):
        return wrong(
            "newest document",
            f"It was written at {facts.newest:%Y-%m-%d %H:%M} UTC, which is in the future.",
            "A clock was or is wrong: see to it; what is sold now stands before that until then.",
        )
    return ok("newest document", f"{facts.newest:%Y-%m-%d %H:%M} UTC" if facts.newest else "There is none yet.")


def _check_key(secret_key: str, proof: str) -> Finding:
    if is_proof_of(proof, secret_key):
        return ok("SECRET_KEY", "It is the one that passwords were made with.")
    return wrong(
        "SECRET_KEY",
        "It is not the one that the passwords and PINs of this database were made with: none of them is right.",
        "Set that one again; or, if it must be another one, `pos migrate --new-key` and new passwords for all.",
    )


def _unknown(check: str) -> Finding:
    return warning(check, "It could not be looked at, or not in time.", "Look again when the database is less busy.")
