"""The checks of the database."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from app.config.settings import Settings
from app.diagnostics.findings import UNKNOWN, Check, Finding, Get, Verdict, ok, run, warning, wrong
from app.diagnostics.machine_checks import judge_disk
from repositories.accounts.secret_key import is_proof_of
from repositories.database.client import RESTORING
from repositories.diagnostics import inspection
from repositories.diagnostics.inspection import Server, Unreachable, Writes
from schemas.core.collections import DOCUMENT_KINDS
from schemas.core.document_numbers import format_number

_MINIMUM: Final = (6, 0)
_SLOW_MS: Final = 500
_CLOCK_SECONDS, _CLOCK_WRONG_SECONDS = 2.0, 60.0

_UNREACHABLE: Final = {
    "invalid": (
        "The address is not a MongoDB address",
        "Use mongodb://host/, or for Atlas mongodb+srv://user:password@host/ with a percent-encoded password.",
    ),
    "dns": ("The host is unknown", "Check the spelling of the host, and this machine's DNS."),
    "refused": ("The host refuses connections", "Start MongoDB; check host, port and net.bindIp."),
    "auth": ("It rejects the user or the password", "Check both (special characters as %40), and authSource."),
    "tls": (
        "The encrypted connection fails",
        "Check tls= in the address, the certificate's host and dates, tlsCAFile.",
    ),
    "timeout": ("The host does not answer", "Check firewalls. On Atlas, allow this machine under Network Access."),
    "no_primary": ("No member is primary", "See rs.status(): a majority of the members has to run, connected."),
    "other": ("The database cannot be used", "See the error."),
}


def unreachable_finding(error: Unreachable) -> Finding:
    message, remedy = _UNREACHABLE[error.reason]
    return Finding("database", *wrong(f"{message}: {str(error).rstrip('.')}.", remedy))


def check_database(settings: Settings, get: Get[Any], now: datetime) -> Iterator[Finding]:
    """Yield the findings about a database that answers; `now` in UTC."""
    yield Finding("database", *ok(f"{settings.masked()['mongodb_url']} answers."))
    yield from run(_OF_SERVER, get)
    server = get(inspection.server)
    if server is not None and _can_commit(server):
        yield from run(_OF_WRITES, get)
    yield from run(_OF_RESOURCES, get)
    proof = get(inspection.key_proof)
    if settings.secret_key is not None and proof is not None:
        yield Finding("SECRET_KEY", *_judge_key(settings.secret_key, proof))
    step, late = get(inspection.import_step), get(inspection.late) or get(inspection.unimported)
    if step is not None or late:
        yield Finding("earlier backend", *_judge_import(step, late or []))
    counters = get(inspection.counters)
    if counters == {}:
        missing = f"Store {settings.store_id!r} does not exist yet."
        yield Finding("store", *warning(missing, "The first start makes it."))
        return
    yield from run((Check("indexes", inspection.index_defects, _judge_indexes),), get)
    if counters is not None and RESTORING in counters:
        # Until the restore has ended, there are no counters, and the documents are incomplete.
        yield Finding("store", *_RESTORING)
        return
    yield from run(
        (
            Check("counters", inspection.highest, lambda highest: _judge_counters(counters, highest)),
            Check("TIMEZONE", inspection.counters, lambda counters: _judge_zone(counters, settings.timezone.key), None),
            Check("totals", inspection.differing_sums, _judge_totals, _TOO_MANY),
            Check("newest document", inspection.newest, lambda newest: _judge_newest(newest, now), _NO_DOCUMENT),
        ),
        get,
    )


_RESTORING: Final = wrong(
    "It is being restored, or was by half.",
    "If that has ended, run the same `pos restore` or `pos import` again, or `pos restore --discard`.",
)
_TOO_MANY: Final = warning("There are too many documents to add up quickly.", "`pos verify` takes its time.")
_NO_DOCUMENT: Final = ok("There is none yet.")


def _can_commit(server: Server) -> bool:
    return server.is_mongos or (server.set_name is not None and server.primary is not None)


def _judge_version(server: Server) -> Verdict:
    if tuple(int(part) for part in server.version.split(".")[:2]) < _MINIMUM:
        return wrong(f"{server.version} is too old.", "6.0 or newer is needed.")
    return ok(server.version)


def _judge_set(server: Server) -> Verdict:
    if _can_commit(server):
        return ok("a sharded cluster" if server.is_mongos else f"{server.set_name}, primary {server.primary}")
    if server.set_name is not None:
        return wrong(f"{server.set_name} has no primary.", _UNREACHABLE["no_primary"][1])
    return wrong(
        "It is a standalone server: no transactions, no change streams.",
        "Start it with --replSet rs0 and run rs.initiate() once in mongosh; one node is enough.",
    )


def _judge_writes(writes: Writes) -> Verdict:
    if writes.majority:
        return wrong(
            f"A write to a majority's disks fails: {writes.majority}.",
            "A majority of the members has to run, with journaling, and the user has to be allowed to write.",
        )
    if writes.majority_ms > _SLOW_MS:
        message = f"A write to a majority's disks takes {writes.majority_ms:.0f} ms."
        return warning(message, "See to its disks and its network.")
    return ok(f"on a majority's disks, journal included, in {writes.majority_ms:.0f} ms")


def _judge_attempt(error: str | None) -> Verdict:
    if error is None:
        return UNKNOWN
    if error:
        return wrong(f"They do not work: {error}.", "The user needs the role readWrite on the database.")
    return ok("They work.")


def _judge_clock(server: Server) -> Verdict:
    ahead = server.clock
    shown = f"The database's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's."
    remedy = "Let both keep time by NTP (timedatectl set-ntp true)."
    if abs(ahead) >= _CLOCK_WRONG_SECONDS:
        return wrong(shown, remedy)
    return warning(shown, remedy) if abs(ahead) >= _CLOCK_SECONDS else ok("Both keep the same time.")


_OF_SERVER: Final = (
    Check("MongoDB", inspection.server, _judge_version),
    Check("replica set", inspection.server, _judge_set),
)
_OF_WRITES: Final = (
    Check("durable writes", inspection.writes, _judge_writes),
    Check("transactions", inspection.writes, lambda writes: _judge_attempt(writes.transaction)),
    Check("change streams", inspection.writes, lambda writes: _judge_attempt(writes.change_stream)),
)
_OF_RESOURCES: Final = (
    Check("oplog", inspection.oplog_hours, lambda hours: ok(f"It reaches {hours:,.1f} hours back."), None),
    Check("disk of the database", inspection.disk_free, judge_disk, None),
    Check("clock", inspection.server, _judge_clock),
)


def _judge_key(secret_key: str, proof: str) -> Verdict:
    if is_proof_of(proof, secret_key):
        return ok("It is the one that passwords were made with.")
    return wrong(
        "It is not the one that the passwords and PINs of this database were made with: none of them is right.",
        "Set that one again; or, if it must be another one, `pos migrate --new-key` and new passwords for all.",
    )


def _judge_import(step: str | None, late: list[str]) -> Verdict:
    if step not in (None, "done"):
        return wrong("Its import is incomplete.", "Run `pos import-legacy` again to complete it.")
    if late:
        return wrong(
            f"It has written documents that no list shows: {' '.join(late)}",
            "Import it with `pos import-legacy`. If this persists, the earlier backend still writes here: stop it.",
        )
    return ok("Its documents are imported.")


def _judge_indexes(defects: tuple[list[str], list[str]]) -> Verdict:
    missing, different = defects
    problems = [*(f"{name} is missing" for name in missing), *(f"{name} is not as defined" for name in different)]
    if not problems:
        return ok("All are there.")
    remedy = "`pos migrate` creates the missing ones."
    if different:
        remedy += " Drop those that differ first, with dropIndex in mongosh."
    return wrong(f"{'; '.join(problems)}.", remedy)


def _judge_counters(counters: Mapping[str, Any] | None, highest: Mapping[str, Any]) -> Verdict:
    if counters is None:
        return UNKNOWN
    problems = [
        f"{kind}: the counter is {counters.get(kind)}, and the highest number {format_number(highest[kind])}"
        for kind in DOCUMENT_KINDS
        if counters.get(kind) != highest[kind]
    ]
    head = counters.get("head")
    if highest["head"] not in (None, head):
        problems.append(f"events: the head is {head}, and the newest {highest['head']}")
    if not problems:
        return ok("They agree with the documents.")
    return wrong(
        f"{'; '.join(problems)}.",
        "Stop the service; `pos verify` lists the differences. After a partial restore, restore the whole backup.",
    )


def _judge_zone(counters: Mapping[str, Any], zone: str) -> Verdict | None:
    kept_in = counters.get("timezone")
    if kept_in in (None, zone):
        return None
    return wrong(f"The books are kept in {kept_in}, not {zone}.", f"Set TIMEZONE to {kept_in}.")


def _judge_totals(different: list[str]) -> Verdict:
    if not different:
        return ok("Those of years agree with the documents; `pos verify` checks each day.")
    return wrong(
        f"The rollups differ from the documents, of {' and '.join(different)}.",
        "`pos verify` lists each difference. During sales, run the check again.",
    )


def _judge_newest(newest: datetime, now: datetime) -> Verdict:
    if newest - now <= timedelta(seconds=_CLOCK_WRONG_SECONDS):
        return ok(f"{newest:%Y-%m-%d %H:%M} UTC")
    return wrong(
        f"It was written at {newest:%Y-%m-%d %H:%M} UTC, which is in the future.",
        "Correct the clocks. Until that time, new sales are listed before it.",
    )
