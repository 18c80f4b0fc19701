"""`pos import-legacy`: a database of the earlier backend becomes a store of this one.

The originals are only read. In place, where they have the names of our own collections, they are first renamed to
`legacy_estimates` and `legacy_orders`, and stay there. Then two passes: the first looks at every document and settles
numbers, ids and links (`ledger.py`), the second writes. While that goes on, the store has no counters, so that no
process can sell in it, and `prepare` refuses to give it any; they appear together with the word that all is done, in
one transaction. Whoever is killed before that begins anew the next time, and gets the same result.

Where the earlier backend goes on writing, its documents come to lie among ours. They are moved to `late_estimates` and
`late_orders`, and taken over in the end, or the next time (`late_adoption.py`).

No events are emitted: what was sold years ago is no news to any screen. The log has a new epoch, so that all load
again.
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
from repositories.legacy.cancellable_threads import CancellableThreads
from repositories.legacy.late_documents import LATE_PREFIX, Move, count_late
from repositories.legacy.late_import import import_late, unimported
from repositories.legacy.preconditions import check_preconditions, refuse_wrong_store
from repositories.legacy.reconciliation import OTHER_STORE, UNCLAIMED, Entry, ReconciliationTable
from repositories.legacy.source import BACKUP_PREFIX, KINDS, Source, convert_original, is_reachable_by_name
from repositories.legacy.state import DROPPING, infer_state, locate_originals, new_state
from repositories.legacy.writer import OVERTAKEN, OnProgress, Target, WritePermit, write
from repositories.migrations.indexes import prepare_collections, refuse_restoring
from schemas.core.collections import ADOPTION, COUNTERS
from schemas.core.documents import Document
from schemas.core.number_ranges import format_ranges, missing_ranges
from schemas.legacy.report import Report


class LegacyImport:
    """One database taken over by one store.

    :param source: the earlier backend's database; the target's own, to adopt in place.
    :param tell: told what is going on, how much of it is done, and of how much.
    """

    def __init__(self, target: Target, source: Any, *, in_place: bool, report: Report, on_progress: OnProgress) -> None:
        self._target = target
        self._database = target.database
        self._source = source
        self._in_place = in_place
        self._report = report
        self._on_progress = on_progress
        self._threads = CancellableThreads()
        #: Of the run that may write; another one that begins meanwhile takes it away.
        self._run: str | None = None
        #: What was taken over beside, since it came later, and the ids of what cannot be.
        self.late = Report()
        self.stuck: dict[str, list[str]] = {}

    async def previous_report(self) -> dict[str, Any] | None:
        """The report of an earlier run that came to its end, after which there is nothing to do.

        :raises DatabaseRefused: it was from another database; the store is being restored.
        """
        state = await self._load_state()
        return dict(state["summary"]) if state is not None and state["step"] == "done" else None

    async def _load_state(self) -> Document | None:
        """What is known of an earlier run: `step` is begun, done or undoing; `summary` its report."""
        await refuse_restoring(self._database, self._target.store)
        state: Document | None = await self._database[ADOPTION].find_one({"_id": self._target.store})
        if state is not None and (state["from"], state["in_place"]) != (self._source.name, self._in_place):
            raise DatabaseRefused(
                f"This store was adopted, or is being adopted, from {state['from']!r}, not from {self._source.name!r}."
            )
        if state is None and (state := await infer_state(self._database, self._new_state([]))) is not None:
            await refuse_wrong_store(self._database, self._target.store)
        return state

    async def dry_run(self) -> None:
        """Fills the report, and changes nothing. Nothing happens where it was done before.

        :raises DatabaseRefused: it could not be done; the sentence says why.
        """
        state = await self._load_state()
        if state is not None and state["step"] == "done":
            return
        if state is None:
            await check_preconditions(self._database, self._target.store, self._source, in_place=self._in_place)
        with self._open_table() as table:
            await self._threads.run(self._reconcile, locate_originals(self._source, state), table)

    async def count_late(self) -> int:
        """Return how many documents the earlier backend wrote since its documents were taken over."""
        state = await self._load_state()
        return await self._threads.run(self._count_late, locate_originals(self._source, state))

    async def import_late(self) -> None:
        """Take over what the earlier backend wrote since its documents were taken over; see `late` and `stuck`.

        :raises DatabaseRefused: a service runs on the store, or has just sold something.
        """
        await check_not_running(self._database, self._target.store)
        state = await self._load_state()
        if state is not None and state.get("is_dropping"):
            raise DatabaseRefused(DROPPING)
        if state is not None and state.get("is_own"):
            await self._database[ADOPTION].update_one({"_id": self._target.store}, {"$setOnInsert": state}, upsert=True)
        await self._import_late()

    async def run(self) -> None:
        """Adopt, or go on with what was begun, and take over what comes meanwhile.

        :raises DatabaseRefused: it cannot be done; the sentence says why.
        """
        state = await self._load_state()
        await check_not_running(self._database, self._target.store)
        if state is None:
            await check_preconditions(self._database, self._target.store, self._source, in_place=self._in_place)
            state = await self._create_state()
        elif state["step"] != "begun":
            raise DatabaseRefused("An adoption is being undone: finish that first, with `pos import-legacy --undo`.")
        else:
            await self._delete_counters()
        try:
            await self._run_import(state)
            await self._import_late()
        except PyMongoError as error:
            # Without the rest of what the driver says, which may quote a customer.
            raise DatabaseRefused(f"The adoption was cut off ({first_clause(error)}). Run this again.") from error

    async def _run_import(self, state: Document) -> None:
        run = secrets.token_hex(8)
        begun = {"_id": self._target.store, "step": "begun"}
        if not (await self._database[ADOPTION].update_one(begun, {"$set": {"run": run}})).matched_count:
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
        """What came while the rest was taken over, or since."""
        self._run = None
        await self._threads.run(self._collect_late)
        originals = locate_originals(self._source, await self._load_state())
        # Of an adoption by an earlier version, it has an index that is needed now.
        await prepare_collections(self._database, self._target.event_retention_days)
        self.late = await self._threads.run(
            import_late, self._target, originals, self._report, self._threads.raise_if_cancelled
        )

    def _collect_late(self) -> None:
        """In place, it lies among our documents, and joins the originals."""
        for kind in KINDS if self._in_place else ():
            self._report_progress(f"Looking for {kind} that came later", 0, 0)
            destinations = (LATE_PREFIX + kind, BACKUP_PREFIX + kind)
            permit = {"_id": self._target.store, "step": {"$in": ["begun", "done"]}, "is_dropping": None}
            self.stuck[kind] = Move(self._database.delegate, kind, destinations, LEGACY_DOCUMENT, permit).run()

    def _count_late(self, originals: Source) -> int:
        count = sum(count_late(self._database.delegate, kind) for kind in KINDS) if self._in_place else 0
        for kind in KINDS:
            for batch in unimported(self._database.delegate, self._target.store, kind, originals):
                self._threads.raise_if_cancelled()
                count += len(batch)
        return count

    async def _create_state(self) -> Document:
        """From here on nobody sells in this store."""
        here = set(await self._database.list_collection_names()) if self._in_place else set()
        state = self._new_state([kind for kind in KINDS if kind in here])
        try:
            await self._database[ADOPTION].insert_one(state)
        except DuplicateKeyError:
            raise DatabaseRefused(OVERTAKEN) from None
        try:
            await self._delete_counters()
        except DatabaseRefused:
            await self._database[ADOPTION].delete_one({"_id": self._target.store})
            raise
        return state

    def _new_state(self, renamed: list[str]) -> Document:
        is_here = is_reachable_by_name(self._source, self._database.delegate)
        of_source = {"from": self._source.name, "in_place": self._in_place, "is_here": is_here}
        return new_state(self._target.store, of_source, renamed)

    async def _delete_counters(self) -> None:
        """Without them nobody sells in the store."""
        await self._database[COUNTERS].delete_one({"_id": self._target.store, "head": 0})
        await refuse_restoring(self._database, self._target.store)
        if await self._database[COUNTERS].find_one({"_id": self._target.store}):
            raise DatabaseRefused("Somebody has just sold in this store: stop the service, and take an empty store.")

    async def _rename_originals(self, kinds: list[str]) -> None:
        here = set(await self._database.list_collection_names())
        for kind in kinds:
            if BACKUP_PREFIX + kind not in here and kind in here:
                await self._database[kind].rename(BACKUP_PREFIX + kind)

    def _open_table(self) -> closing[ReconciliationTable]:
        return closing(ReconciliationTable(self._threads.is_cancelled))

    def _report_progress(self, step: str, done: int, total: int) -> None:
        """Called by the threads after each batch, which is where they end if they have to."""
        self._threads.raise_if_cancelled()
        mine = {"_id": self._target.store, "step": "begun", "run": self._run}
        if self._run is not None and self._database.delegate[ADOPTION].find_one(mine, {"_id": 1}) is None:
            raise DatabaseRefused(OVERTAKEN)
        self._on_progress(step, done, total)

    def _reconcile(self, originals: Source, table: ReconciliationTable) -> None:
        """The first pass."""
        for kind in KINDS:
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
                self._report_progress(f"Looking at {kind}", done, total)
        self._report_progress("Settling numbers, ids and links", 0, 0)
        table.resolve()
        for kind, resolved in table.all_resolved():
            self._report.note(kind, resolved.id, resolved.defects)
        for kind in KINDS:
            self._report.of_kind[kind] = table.totals(kind)
            self._report.missing[kind] = format_ranges(missing_ranges(table.numbers(kind)))

    def _ids_of_other_stores(self, kind: str, ids: list[str | None]) -> set[str]:
        """Those of some public ids that belong to other stores of the same database."""
        if self._in_place:
            return set()
        others = {"_id": {"$in": [each for each in ids if each]}, "store": {"$nin": [None, self._target.store]}}
        return {each["_id"] for each in self._database.delegate[kind].find(others, {"_id": 1})}

    def _check_counts(self, originals: Source) -> None:
        for kind in KINDS:
            now, then = originals.count(kind), self._report.of_kind[kind][0]
            # What is more is taken over in the end.
            if now < then:
                raise DatabaseRefused(
                    f"The earlier backend still writes: there are {now:,} {kind} now, and there were {then:,}. "
                    "Stop it, and run this again."
                )

    async def _open_store(self) -> None:
        """The counters appear, and with them the store."""
        store, report = self._target.store, self._report
        counters: Document = {
            "_id": store,
            **{kind: report.of_kind[kind][2] for kind in KINDS},
            "head": 0,
            "epoch": secrets.token_hex(4),
            "totals": "year",
            "customers": True,
            "timezone": self._target.zone.key,
            "adopted": {kind: {"last": report.of_kind[kind][2], "missing": report.missing[kind]} for kind in KINDS},
        }
        done = {"step": "done", "done_at": datetime.now(UTC), "summary": report.summary()}

        async def commit(session: AsyncIOMotorClientSession) -> None:
            mine = {"_id": store, "step": "begun", "run": self._run}
            if not (await self._database[ADOPTION].update_one(mine, {"$set": done}, session=session)).matched_count:
                raise DatabaseRefused(OVERTAKEN)
            await self._database[COUNTERS].insert_one(counters, session=session)

        async with await self._database.client.start_session() as session:
            await session.with_transaction(commit)
