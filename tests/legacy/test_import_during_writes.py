"""`pos import-legacy` and its undo while the earlier backend writes, interrupted or twice at once."""

import subprocess
from typing import Any

import pytest
from pymongo.database import Database

from repositories.database.errors import DatabaseRefused
from repositories.legacy import undo as undo_module
from repositories.legacy import writer
from tests.conftest import LongRun
from tests.legacy.test_import_interrupted import STEPS, place_of
from tests.server.test_startup import POS, ROOT, environment
from tests.support.faults.soak_report import Report, reporting
from tests.support.legacy import legacy_documents as legacy
from tests.support.legacy.import_command import ImportCommand, plain
from tests.support.legacy.legacy_backend import (
    KINDS,
    differences,
    doctor,
    earlier_backend,
    late_order,
    own_times,
    raw,
    refuse_loss,
    verified,
)


def test_an_import_in_place_beside_a_writing_backend_loses_nothing(
    own: Database[Any], import_legacy: ImportCommand, mongodb_url: str, long_run: LongRun
) -> None:
    """Run two rounds in an ordinary run, twenty with `--soak`, with a larger database in each round."""
    with reporting("A16 pos import-legacy in place with 50 sales a second", long_run) as report:
        for number in long_run.rounds(2, 20):
            own.client.drop_database(own.name)
            before = legacy.believable(150 + 40 * number, seed=long_run.seed + number)
            legacy.fill(own, before)
            with earlier_backend(mongodb_url, own.name, 1_000) as backend:
                backend.go_on()
                done = import_legacy()
                assert done.exit_code == 0, done.exception
                backend.go_on()
            assert backend.refused == []
            assert verified(import_legacy)[0] == 1
            assert doctor(import_legacy)["level"] == "wrong"
            import_legacy.report()
            written = {kind: [*before[place], *backend.written[kind]] for place, kind in enumerate(KINDS)}
            report.rounds += 1
            report.operations += sum(map(len, backend.written.values()))
            report.lost, report.doubled = (a + b for a, b in zip(differences(own, written), _seen(report), strict=True))
            assert (report.lost, report.doubled) == (0, 0)
            refuse_loss(own, written)
            assert verified(import_legacy) == (0, "")
            assert "nothing was done" in import_legacy().stderr


def _seen(report: Report) -> tuple[int, int]:
    return report.lost or 0, report.doubled or 0


def test_an_import_from_a_database_with_a_writing_backend_loses_nothing(own: Database[Any], mongodb_url: str) -> None:
    before = legacy.believable(200)
    legacy.fill(own, before)
    new, import_legacy = own.client[f"{own.name}_new"], ImportCommand(mongodb_url, f"{own.name}_new")
    with earlier_backend(mongodb_url, own.name, 1_000) as backend:
        backend.go_on()
        assert import_legacy("--from", own.name).exit_code == 0
        backend.go_on()
    status, output = verified(import_legacy)
    assert (status, f"were written into '{own.name}' since" in output) == (1, True)
    assert doctor(import_legacy)["level"] == "wrong"
    import_legacy.report("--from", own.name)
    refuse_loss(new, {kind: [*before[place], *backend.written[kind]] for place, kind in enumerate(KINDS)})
    assert verified(import_legacy) == (0, "")


def test_undo_beside_a_writing_backend_loses_nothing(
    own: Database[Any], import_legacy: ImportCommand, mongodb_url: str
) -> None:
    before = legacy.believable(200)
    legacy.fill(own, before)
    with earlier_backend(mongodb_url, own.name, 1_000) as backend:
        backend.go_on()
        import_legacy.report()
        backend.go_on()
        undone = import_legacy("--undo")
        assert undone.exit_code == 0, undone.exception
        backend.go_on()
    assert set(own.list_collection_names()) & {"legacy_orders", "late_orders", "undone_orders_1"} == set()
    for place, kind in enumerate(KINDS):
        documents = own_times([*before[place], *backend.written[kind]])
        assert plain(sorted(own[kind].find({}), key=lambda each: str(each["_id"]))) == plain(
            sorted(documents, key=lambda each: str(each["_id"]))
        )
    import_legacy.report()
    refuse_loss(own, {kind: [*before[place], *backend.written[kind]] for place, kind in enumerate(KINDS)})


@pytest.mark.parametrize("way", [(), ("--undo",)])
@pytest.mark.parametrize("step", STEPS)
def test_late_documents_survive_an_interruption_at_each_step(
    own: Database[Any], import_legacy: ImportCommand, monkeypatch: pytest.MonkeyPatch, step: str, way: tuple[str, ...]
) -> None:
    estimates, orders = legacy.believable(15)
    legacy.fill(own, (estimates, orders))
    place = place_of(step)
    monkeypatch.setattr(place, step, cut)
    assert "power" in import_legacy.refused()
    monkeypatch.undo()
    late = ([legacy.estimate(900)], [late_order(901), late_order(902, store="main"), {"_id": "bare", "store": "main"}])
    legacy.fill(own, late)
    every = [own_times([*mine, *later]) for mine, later in zip((estimates, orders), late, strict=True)]
    if way:
        assert import_legacy(*way).exit_code == 0
        assert raw(own) == [plain(sorted(each, key=lambda one: str(one["_id"]))) for each in every]
    import_legacy.report()
    refuse_loss(own, dict(zip(KINDS, every, strict=True)))
    assert verified(import_legacy) == (0, "")


def cut(*_: Any) -> None:
    raise DatabaseRefused("The power is cut.")


def test_two_concurrent_imports_have_the_result_of_one(own: Database[Any], import_legacy: ImportCommand) -> None:
    before = legacy.believable(1_500)
    legacy.fill(own, before)
    command = [*POS, "import-legacy", "--json"]
    processes = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment(**import_legacy.environment), stdout=-1, stderr=-1, text=True
        )
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=120)[1] for process in processes]
    assert "Traceback" not in "".join(outputs)
    import_legacy.report()
    refuse_loss(own, dict(zip(KINDS, map(own_times, before), strict=True)))
    assert verified(import_legacy) == (0, ""), outputs


def test_an_import_that_is_undone_meanwhile_writes_nothing_more(
    own: Database[Any], import_legacy: ImportCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimates, orders = legacy.believable(1_500)
    legacy.fill(own, (estimates, orders))
    before = raw(own)
    for_good, calls = writer.build_original, iter(range(1, 10_000))

    def undone(*arguments: Any) -> Any:
        """Undo the import in the middle of the second batch."""
        if next(calls) == 1_200:
            assert import_legacy("--undo").exit_code == 0
        return for_good(*arguments)

    monkeypatch.setattr(writer, "build_original", undone)
    assert "has begun on this store meanwhile" in import_legacy.refused()
    monkeypatch.undo()
    assert raw(own) == before
    assert own.adopted.count_documents({}) == 0
    import_legacy.report()
    refuse_loss(own, dict(zip(KINDS, map(own_times, (estimates, orders)), strict=True)))
    assert verified(import_legacy) == (0, "")


def test_thousands_of_late_documents_are_imported(own: Database[Any], import_legacy: ImportCommand) -> None:
    legacy.fill(own, ([legacy.estimate(1)], [legacy.order(1)]))
    import_legacy.report()
    own.orders.insert_many([late_order(number) for number in range(2, 6_002)])
    assert import_legacy.report()["late"] == 6_000
    assert own.orders.count_documents({}) == 6_001
    assert verified(import_legacy) == (0, "")


@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("step", ["_rename", "_delete_imported", "Move"])
def test_an_interrupted_undo_beside_a_writing_backend_can_be_completed(
    own: Database[Any], import_legacy: ImportCommand, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    estimates, orders = legacy.believable(15)
    legacy.fill(own, (estimates, orders))
    import_legacy.report()
    late = ([legacy.estimate(900)], [late_order(901)])
    legacy.fill(own, late)
    import_legacy.report()
    for_good, calls = getattr(undo_module, step), iter(range(1, 100))

    def cut_at(*arguments: Any) -> Any:
        return cut() if next(calls) == call else for_good(*arguments)

    monkeypatch.setattr(undo_module, step, cut_at)
    import_legacy("--undo")
    monkeypatch.undo()
    later = ([legacy.estimate(902)], [late_order(903), late_order(904)])
    legacy.fill(own, later)
    if own.adoption.find_one({}):
        assert "finish that first" in import_legacy.refused()
        assert import_legacy("--undo").exit_code == 0
    every = [own_times([*a, *b, *c]) for a, b, c in zip((estimates, orders), late, later, strict=True)]
    assert raw(own) == [plain(sorted(each, key=lambda one: str(one["_id"]))) for each in every]
    assert not [name for name in own.list_collection_names() if name.startswith(("late_", "undone_", "legacy_"))]
