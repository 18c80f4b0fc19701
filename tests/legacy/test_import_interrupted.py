"""`pos import-legacy` interrupted, killed or undone: the next run completes it, or undo restores the originals."""

import asyncio
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo.database import Database
from typer.testing import CliRunner

from app.cli import cli
from repositories.auditing.verification import verify
from repositories.database.client import connect
from repositories.database.errors import DatabaseRefused
from repositories.legacy import importer, writer
from repositories.legacy.importer import LegacyImport
from repositories.legacy.reconciliation import Entry, ReconciliationTable
from repositories.legacy.writer import Target
from schemas.core.collections import ORDERS
from schemas.legacy.conversion import convert as taken_over
from schemas.legacy.report import Report
from tests.server.test_startup import POS, ROOT, environment
from tests.support.legacy import legacy_documents as legacy
from tests.support.legacy.import_command import ImportCommand, plain
from tests.support.shop import opened


def test_undo_restores_the_originals(own: Database[Any], import_legacy: ImportCommand) -> None:
    legacy.fill(own, legacy.nasty())
    before = plain([list(own[kind].find({}).sort("_id")) for kind in ("estimates", "orders")])
    import_legacy.report()
    assert import_legacy("--undo").exit_code == 0
    assert plain([list(own[kind].find({}).sort("_id")) for kind in ("estimates", "orders")]) == before
    assert "was not imported" in import_legacy.refused("--undo")
    # Import again; without the backup, undo is impossible.
    import_legacy.report()
    assert "legacy_estimates" in import_legacy("--drop-backup").stderr
    assert "nothing to go back to" in import_legacy.refused("--undo")


def test_an_interrupted_undo_can_be_completed(own: Database[Any], import_legacy: ImportCommand) -> None:
    estimates, orders = legacy.nasty()
    legacy.fill(own, ([{**each, "store": "Pune"} for each in estimates], orders))
    before = plain([list(own[kind].find({}).sort("_id")) for kind in ("estimates", "orders")])
    import_legacy.report()
    # The state after the first of two collections was renamed back.
    own.adoption.update_one({}, {"$set": {"step": "undoing"}})
    own.counters.delete_one({})
    own.legacy_estimates.rename("estimates", dropTarget=True)
    assert "finish that first" in import_legacy.refused()
    assert import_legacy("--undo").exit_code == 0
    assert plain([list(own[kind].find({}).sort("_id")) for kind in ("estimates", "orders")]) == before


async def test_undo_is_refused_after_a_sale(own: Database[Any], import_legacy: ImportCommand, mongodb_url: str) -> None:
    legacy.fill(own, legacy.believable(20))
    await asyncio.to_thread(import_legacy.report)
    async with opened(mongodb_url, database_name=own.name, store_id="main") as shop:
        assert "A service runs" in await asyncio.to_thread(import_legacy.refused, "--undo")
        await shop.sale()
    assert "1 changes were made" in await asyncio.to_thread(import_legacy.refused, "--undo")
    async with opened(mongodb_url, database_name=own.name, store_id="main") as shop:
        await shop.sale()
        assert await verify(shop.database, "main") == []


STEPS = ("_rename_originals", "locate_originals", "_reconcile", "build_original", "_check_counts", "_open_store")


def place_of(step: str) -> Any:
    """Return where a step is defined, so that it can be interrupted there."""
    return {"build_original": writer, "locate_originals": importer}.get(step, LegacyImport)


@pytest.mark.parametrize("step", STEPS)
def test_an_import_interrupted_at_any_step_completes_the_next_time(
    own: Database[Any], import_legacy: ImportCommand, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    legacy.fill(own, legacy.believable(30))
    expected = import_legacy.report("--dry-run")
    place = place_of(step)
    for_good = getattr(place, step)
    calls = iter(range(12))

    def cut(*arguments: Any) -> Any:
        # In the middle of the writes; elsewhere at the first call.
        if step != "build_original" or next(calls) == 11:
            raise DatabaseRefused("The power is cut.")
        return for_good(*arguments)

    monkeypatch.setattr(place, step, cut)
    assert "power" in import_legacy.refused()
    monkeypatch.undo()
    assert own.adoption.find_one({"step": "begun"})
    assert "run `pos import-legacy` again" in str(
        CliRunner().invoke(cli, ["migrate"], env=import_legacy.environment).exception
    )
    assert import_legacy.report("--dry-run") == expected
    assert import_legacy.report() == expected
    assert CliRunner().invoke(cli, ["verify"], env=import_legacy.environment).exit_code == 0


def test_an_import_killed_at_any_moment_completes_the_next_time(
    own: Database[Any], import_legacy: ImportCommand, mongodb_url: str
) -> None:
    """Kill the import again and again until it completes; the result is that of an uninterrupted import."""
    legacy.fill(own, legacy.believable(2_000))
    expected = ImportCommand(mongodb_url, f"{own.name}_new").report("--from", own.name)
    kills = 0
    for pause in (0, 0.3, 0.8):
        process = subprocess.Popen([*POS, "import-legacy"], cwd=ROOT, env=environment(**import_legacy.environment))
        deadline = time.monotonic() + 30
        while process.poll() is None and not own.adoption.find_one({}):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        # A little later in each round.
        with suppress(subprocess.TimeoutExpired):
            process.wait(pause)
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            break
        kills += 1
    assert kills
    assert import_legacy.report() == expected
    new = own.client[f"{own.name}_new"]
    for kind in ("estimates", "orders", "totals"):
        assert list(own[kind].find({}).sort("_id")) == list(new[kind].find({}).sort("_id"))
    assert CliRunner().invoke(cli, ["verify"], env=import_legacy.environment).exit_code == 0


def test_an_interrupted_command_prints_how_to_continue(
    own: Database[Any], import_legacy: ImportCommand, tmp_path: Path
) -> None:
    legacy.fill(own, legacy.believable(5_000))
    command = [*POS, "import-legacy", "--report", str(tmp_path / "defects.ndjson")]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(**import_legacy.environment), stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while not own.adoption.find_one({}):
        assert (process.poll(), time.monotonic() < deadline) == (None, True)
        time.sleep(0.001)
    # SIGTERM works like Ctrl-C here; the environment of the tests may ignore SIGINT.
    process.send_signal(signal.SIGTERM)
    _, output = process.communicate(timeout=30)
    assert (process.returncode, "Run the same command again" in output, "Traceback" in output) == (130, True, False), (
        output
    )
    assert list(tmp_path.iterdir()) == []
    assert "begun" in str(own.adoption.find_one({}))


async def test_a_cancelled_import_ends_its_threads_first(own: Database[Any], mongodb_url: str) -> None:
    """Check that after a cancellation, as by Ctrl-C, threads end at their next step and do not continue alone."""
    legacy.fill(own, legacy.believable(1_200))
    loop = asyncio.get_running_loop()
    looking, cancelled = asyncio.Event(), Event()
    steps: list[str] = []

    def on_progress(step: str, _done: int, _total: int) -> None:
        steps.append(step)
        loop.call_soon_threadsafe(looking.set)
        cancelled.wait(30)

    target = Target(connect(mongodb_url)[own.name], "main", ZoneInfo("Asia/Kolkata"), 90)
    legacy_import = LegacyImport(
        target, target.database.delegate, in_place=True, report=Report(), on_progress=on_progress
    )
    run = asyncio.create_task(legacy_import.run())
    await asyncio.wait_for(looking.wait(), 30)
    run.cancel()
    loop.call_later(0.2, cancelled.set)
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (cancelled.is_set(), len(steps)) == (True, 1)
    target.database.client.close()
    assert own.adoption.find_one({"step": "begun"})


def test_a_running_sqlite_statement_is_interrupted() -> None:
    over = Event()
    one = taken_over(ORDERS, legacy.order(1), ZoneInfo("Asia/Kolkata"))
    with closing(ReconciliationTable(over.is_set)) as table:
        table.add(ORDERS, [Entry(str(place).encode(), str(place), one) for place in range(20_000)])
        over.set()
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            table.resolve()
