"""`pos import-legacy`: the import of the earlier backend's database into a store.

The originals are only read. For an import in place their collections have the names of ours, so they are first renamed
to `legacy_estimates` and `legacy_orders`, and stay there. Two passes follow: the first reads every document and
resolves numbers, ids and links (`reconciliation.py`), the second writes. Meanwhile the store has no counters, so that
no process can sell in it, and `prepare` refuses to create them. The counters and the state `done` are written in one
transaction. An import that is killed before that starts again from the beginning, with the same result.

If the earlier backend continues to write, its new ("late") documents are in our collections. They are moved to
`late_estimates` and `late_orders`, and imported at the end or by the next run (`late_import.py`).

No events are emitted, because clients need no notification of old sales. The log has a new epoch, so that all clients
load again.
"""

import secrets
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import DuplicateKeyError, PyMongoError

from repositories.database.errors import DatabaseRefused, first_clause
from repositories.database.running_services import check_not_running
from repositories.database.store_scope import LEGACY_DOCUMENT
from repositories.event_log.earlier_events import CURRENT_LOG
from repositories.legacy.cancellable_threads import CancellableThreads
from repositories.legacy.late_documents import LATE_PREFIX, Move, count_late
from repositories.legacy.late_import import import_late, unimported
from repositories.legacy.preconditions import check_preconditions, refuse_wrong_store
from repositories.legacy.reconciliation import OTHER_STORE, UNCLAIMED, Entry, ReconciliationTable
from repositories.legacy.source import BACKUP_PREFIX, Source, convert_original, is_reachable_by_name
from repositories.legacy.state import DROPPING, infer_state, locate_originals, new_state
from repositories.legacy.writer import OVERTAKEN, OnProgress, Target, WritePermit, write
from repositories.migrations.indexes import prepare_collections, refuse_restoring
from schemas.core.collections import COUNTERS, IMPORTS, LEGACY_KINDS
from schemas.core.documents import Document
from schemas.core.number_ranges import format_ranges, missing_ranges
from schemas.legacy.report import Report


class LegacyImport:
    """The import of one database into one store.

    :param source: the earlier backend's database; for an import in place, the target's own database.
    :param on_progress: called with the name of the step, the amount done and the total.
    """

    def __init__(self, target: Target, source: Any, *, in_place: bool, report: Report, on_progress: OnProgress) -> None:
        self._target = target
        self._database = target.database
        self._source = source
        self._in_place = in_place
        self._report = report
        self._on_progress = on_progress
        self._threads = CancellableThreads()
        #: The id of this run, stored in the state; a later run replaces it, and this one may not write any more.
        self._run: str | None = None
        #: The report of late documents.
        self.late = Report()
        #: By kind, the ids of late documents that cannot be moved.
        self.stuck: dict[str, list[str]] = {}

    async def previous_report(self) -> dict[str, Any] | None:
        """Return the summary of an earlier complete import, None if there was none.

        :raises DatabaseRefused: it was from another database, or the store is being restored.
        """
        state = await self._load_state()
        return dict(state["summary"]) if state is not None and state["step"] == "done" else None

    async def _load_state(self) -> Document | None:
        """Return the state of an earlier run, None if there was none.

        :raises DatabaseRefused: it was from another database, or the store is being restored.
        """
        await refuse_restoring(self._database, self._target.store)
        state: Document | None = await self._database[IMPORTS].find_one({"_id": self._target.store})
        if state is not None and (state["from"], state["in_place"]) != (self._source.name, self._in_place):
            raise DatabaseRefused(
                f"The import into this store is from {state['from']!r}, not from {self._source.name!r}."
            )
        if state is None and (state := await infer_state(self._database, self._new_state([]))) is not None:
            await refuse_wrong_store(self._database, self._target.store)
        return state

    async def dry_run(self) -> None:
        """Fill the report without any change. Do nothing if the import is done.

        :raises DatabaseRefused: the import is not possible; the message says why.
        """
        state = await self._load_state()
        if state is not None and state["step"] == "done":
            return
        if state is None:
            await check_preconditions(self._database, self._target.store, self._source, in_place=self._in_place)
        with self._open_table() as table:
            await self._threads.run(self._reconcile, locate_originals(self._source, state), table)

    async def count_late(self) -> int:
        state = await self._load_state()
        return await self._threads.run(self._count_late, locate_originals(self._source, state))

    async def import_late(self) -> None:
        """Import the late documents, and fill `late` and `stuck`.

        :raises DatabaseRefused: a service runs on the store, or has just changed it.
        """
        await check_not_running(self._database, self._target.store)
        state = await self._load_state()
        if state is not None and state.get("is_dropping"):
            raise DatabaseRefused(DROPPING)
        if state is not None and state.get("is_own"):
            await self._database[IMPORTS].update_one({"_id": self._target.store}, {"$setOnInsert": state}, upsert=True)
        await self._import_late()

    async def run(self) -> None:
        """Import everything, or complete an interrupted import, and import late documents.

        :raises DatabaseRefused: the import is not possible; the message says why.
        """
        state = await self._load_state()
        await check_not_running(self._database, self._target.store)
        if state is None:
            await check_preconditions(self._database, self._target.store, self._source, in_place=self._in_place)
            state = await self._create_state()
        elif state["step"] != "begun":
            raise DatabaseRefused("An import is being undone: finish that first, with `pos import-legacy --undo`.")
        else:
            await self._delete_counters()
        try:
            await self._run_import(state)
            await self._import_late()
        except PyMongoError as error:
            # Only the first clause of the driver's message: the rest may contain customer data.
            raise DatabaseRefused(f"The import was interrupted ({first_clause(error)}). Run this again.") from error

    async def _run_import(self, state: Document) -> None:
        run = secrets.token_hex(8)
        begun = {"_id": self._target.store, "step": "begun"}
        if not (await self._database[IMPORTS].update_one(begun, {"$set": {"run": run}})).matched_count:
            raise DatabaseRefused(OVERTAKEN)
        self._run = run
        await self._rename_originals(state["renamed"])
        await self._threads.run(self._collect_late)
        originals = locate_originals(self._source, state)
        with self._open_table() as table:
            await self._threads.run(self._reconcile, originals, table)
            permit = WritePermit(self._database.delegate, self._target.store, run)
            await self._threads.run(write, self._target, originals, table, self._report_progress, permit)
        await prepare_collections(self._database, self._target.event_retention_days)
        self._check_counts(originals)
        await self._open_store()

    async def _import_late(self) -> None:
        """Import the documents that were written during the import or since."""
        self._run = None
        await self._threads.run(self._collect_late)
        originals = locate_originals(self._source, await self._load_state())
        # After an import by an earlier version, an index may be missing.
        await prepare_collections(self._database, self._target.event_retention_days)
        self.late = await self._threads.run(
            import_late, self._target, originals, self._report, self._threads.raise_if_cancelled
        )

    def _collect_late(self) -> None:
        """After an import in place, move late documents out of our collections."""
        for kind in LEGACY_KINDS if self._in_place else ():
            self._report_progress(f"Looking for late {kind}", 0, 0)
            destinations = (LATE_PREFIX + kind, BACKUP_PREFIX + kind)
            permit = {"_id": self._target.store, "step": {"$in": ["begun", "done"]}, "is_dropping": None}
            self.stuck[kind] = Move(self._database.delegate, kind, destinations, LEGACY_DOCUMENT, permit).run()

    def _count_late(self, originals: Source) -> int:
        count = sum(count_late(self._database.delegate, kind) for kind in LEGACY_KINDS) if self._in_place else 0
        for kind in LEGACY_KINDS:
            for batch in unimported(self._database.delegate, self._target.store, kind, originals):
                self._threads.raise_if_cancelled()
                count += len(batch)
        return count

    async def _create_state(self) -> Document:
        """Store the state of a new import and delete the counters. From here on no process sells in the store."""
        here = set(await self._database.list_collection_names()) if self._in_place else set()
        state = self._new_state([kind for kind in LEGACY_KINDS if kind in here])
        try:
            await self._database[IMPORTS].insert_one(state)
        except DuplicateKeyError:
            raise DatabaseRefused(OVERTAKEN) from None
        try:
            await self._delete_counters()
        except DatabaseRefused:
            await self._database[IMPORTS].delete_one({"_id": self._target.store})
            raise
        return state

    def _new_state(self, renamed: list[str]) -> Document:
        is_here = is_reachable_by_name(self._source, self._database.delegate)
        of_source = {"from": self._source.name, "in_place": self._in_place, "is_here": is_here}
        return new_state(self._target.store, of_source, renamed)

    async def _delete_counters(self) -> None:
        """Delete the counters, without which no process can sell in the store.

        :raises DatabaseRefused: the store has been changed or is being restored.
        """
        await self._database[COUNTERS].delete_one({"_id": self._target.store, "head": 0})
        await refuse_restoring(self._database, self._target.store)
        if await self._database[COUNTERS].find_one({"_id": self._target.store}):
            raise DatabaseRefused("A sale was just made in this store: stop the service, and choose an empty store.")

    async def _rename_originals(self, kinds: list[str]) -> None:
        here = set(await self._database.list_collection_names())
        for kind in kinds:
            if BACKUP_PREFIX + kind not in here and kind in here:
                await self._database[kind].rename(BACKUP_PREFIX + kind)

    def _open_table(self) -> closing[ReconciliationTable]:
        return closing(ReconciliationTable(self._threads.is_cancelled))

    def _report_progress(self, step: str, done: int, total: int) -> None:
        """Report progress. Threads call this after each batch; it raises if they must end.

        :raises Interrupted: the import was cancelled.
        :raises DatabaseRefused: another run has begun.
        """
        self._threads.raise_if_cancelled()
        mine = {"_id": self._target.store, "step": "begun", "run": self._run}
        if self._run is not None and self._database.delegate[IMPORTS].find_one(mine, {"_id": 1}) is None:
            raise DatabaseRefused(OVERTAKEN)
        self._on_progress(step, done, total)

    def _reconcile(self, originals: Source, table: ReconciliationTable) -> None:
        """Run the first pass: enter all documents into the table, resolve them, and fill the report."""
        for kind in LEGACY_KINDS:
            total, done = originals.count(kind), 0
            for batch in originals.batches(kind):
                converted = [convert_original(kind, each, self._target.zone) for each in batch]
                taken = self._ids_of_other_stores(kind, [one.public_id for one in converted])
                for each, one in zip(batch, converted, strict=True):
                    self._report.note(kind, each.own_id, one.defects)
                table.add(
                    kind,
                    [
                        Entry(each.key, each.own_id, one, OTHER_STORE if one.public_id in taken else UNCLAIMED)
                        for each, one in zip(batch, converted, strict=True)
                    ],
                )
                done += len(batch)
                self._report_progress(f"Reading {kind}", done, total)
        self._report_progress("Resolving numbers, ids and links", 0, 0)
        table.resolve()
        for kind, resolved in table.all_resolved():
            self._report.note(kind, resolved.id, resolved.defects)
        for kind in LEGACY_KINDS:
            self._report.of_kind[kind] = table.totals(kind)
            self._report.missing[kind] = format_ranges(missing_ranges(table.numbers(kind)))

    def _ids_of_other_stores(self, kind: str, ids: list[str | None]) -> set[str]:
        """Return those public ids that belong to other stores of the same database."""
        if self._in_place:
            return set()
        others = {"_id": {"$in": [each for each in ids if each]}, "store": {"$nin": [None, self._target.store]}}
        return {each["_id"] for each in self._database.delegate[kind].find(others, {"_id": 1})}

    def _check_counts(self, originals: Source) -> None:
        for kind in LEGACY_KINDS:
            now, then = originals.count(kind), self._report.of_kind[kind][0]
            # Additional documents are imported as late ones.
            if now < then:
                raise DatabaseRefused(
                    f"The earlier backend still writes: there are {now:,} {kind} now, and there were {then:,}. "
                    "Stop it, and run this again."
                )

    async def _open_store(self) -> None:
        """Create the counters, with which the store opens.

        :raises DatabaseRefused: another run has begun.
        """
        store, report = self._target.store, self._report
        counters: Document = {
            "_id": store,
            **{kind: report.of_kind[kind][2] for kind in LEGACY_KINDS},
            "head": 0,
            "epoch": secrets.token_hex(4),
            **CURRENT_LOG,
            "totals": "year",
            "customers": True,
            "timezone": self._target.zone.key,
            "adopted": {
                kind: {"last": report.of_kind[kind][2], "missing": report.missing[kind]} for kind in LEGACY_KINDS
            },
        }
        done = {"step": "done", "done_at": datetime.now(UTC), "summary": report.summary()}

        async def commit(session: AsyncIOMotorClientSession) -> None:
            mine = {"_id": store, "step": "begun", "run": self._run}
            if not (await self._database[IMPORTS].update_one(mine, {"$set": done}, session=session)).matched_count:
                raise DatabaseRefused(OVERTAKEN)
            await self._database[COUNTERS].insert_one(counters, session=session)

        async with await self._database.client.start_session() as session:
            await session.with_transaction(commit)
