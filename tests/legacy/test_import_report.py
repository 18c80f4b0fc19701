"""The file of `pos import-legacy --report`: every defect, readable only by its owner, and only if there is one."""

import json
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from app.console.output import FileRefused
from tests.support.legacy import legacy_documents as legacy
from tests.support.legacy.import_command import ImportCommand


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "defects.ndjson"


def test_each_defect_is_written_to_the_report_file(
    own: Database[Any], import_legacy: ImportCommand, path: Path
) -> None:
    legacy.fill(own, legacy.nasty())
    report = import_legacy.report("--dry-run", "--report", str(path))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == sum(report["defects"].values())
    assert {line["rule"] for line in lines} == set(report["defects"])
    assert path.stat().st_mode & 0o777 == 0o600
    shown = import_legacy("--dry-run").stdout
    assert "9812345678" not in shown
    assert "number_repeated (2): the oldest keeps the number" in shown


def test_a_renumbered_document_is_reported_with_its_new_number(
    own: Database[Any], import_legacy: ImportCommand, path: Path
) -> None:
    legacy.fill(own, legacy.nasty())
    found = import_legacy.report("--report", str(path))["defects"]
    assert found["number_given"] == found["number_missing"] + found["number_is_a_stamp"] > 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    given = {line["became"] for line in lines if line["rule"] == "number_given"}
    stored = {f"#{order['number']:03}" for name in ("orders", "estimates") for order in own[name].find()}
    assert given <= stored


def test_an_existing_report_is_only_replaced_with_force(
    own: Database[Any], import_legacy: ImportCommand, path: Path
) -> None:
    legacy.fill(own, legacy.nasty())
    path.write_text("of yesterday")
    assert "--force" in import_legacy.refused("--report", str(path), by=FileRefused)
    assert not own.adoption.find_one({})
    assert path.read_text() == "of yesterday"
    import_legacy.report("--report", str(path), "--force")
    assert "number_repeated" in path.read_text()


def test_a_run_that_finds_nothing_to_do_writes_no_report(
    own: Database[Any], import_legacy: ImportCommand, path: Path
) -> None:
    path.write_text("of yesterday")
    options = ("--report", str(path), "--force")
    assert "nothing to import" in import_legacy.refused(*options)
    legacy.fill(own, legacy.nasty())
    import_legacy.report()
    assert "imported before" in import_legacy(*options).stderr
    assert "imported before" in import_legacy("--dry-run", *options).stderr
    assert path.read_text() == "of yesterday"
    assert list(path.parent.iterdir()) == [path]


def test_an_unwritable_path_is_refused(own: Database[Any], import_legacy: ImportCommand, path: Path) -> None:
    legacy.fill(own, legacy.nasty())
    assert "cannot be written" in import_legacy.refused("--report", str(path / "in" / "no" / "folder"), by=FileRefused)
    assert "is a folder" in import_legacy.refused("--report", str(path.parent), by=FileRefused)
    assert not own.adoption.find_one({})


def test_the_report_can_be_piped(
    own: Database[Any], import_legacy: ImportCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    legacy.fill(own, legacy.nasty())
    done = import_legacy("--dry-run", "--report", "-")
    assert {json.loads(line)["kind"] for line in done.stdout.splitlines()} == {"estimates", "orders"}
    assert "number_repeated (2)" in done.stderr
    # There is no file of that name either.
    assert list(tmp_path.iterdir()) == []
