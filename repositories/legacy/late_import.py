"""The import of late documents, which the earlier backend wrote after the import, into a store that may have sold.

A document is late if `adopted` has no copy of it. It keeps its printed number if that is free: a number that was
missing, or one after the last as long as the store itself has assigned none. Otherwise it gets the next number. Each
batch is one transaction, counters included, so that a service that was just started can sell meanwhile.
"""

import secrets
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final, NamedTuple

from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.database import Database as SyncDatabase
from pymongo.errors import BulkWriteError

from repositories.database.errors import DatabaseRefused, is_duplicate
from repositories.database.raw_originals import RAW_CODEC
from repositories.journal.customer_sums import CUSTOMER_FIELDS, customer_writes, index_by_number, numbers_filter
from repositories.legacy.late_documents import id_bytes, id_of
from repositories.legacy.reconciliation import OTHER_STORE, THIS_STORE, UNCLAIMED, Entry, ReconciliationTable
from repositories.legacy.source import LegacyDocument, Source, convert_original
from repositories.legacy.writer import MAX_ORIGINAL_BYTES, Target, build_document, build_original
from repositories.migrations.customer_backfill import counts_of
from repositories.reporting.rollup_rows import row_id
from schemas.core.collections import COUNTERS, CUSTOMERS, IMPORTS, LEGACY_KINDS, ORIGINALS, TOTALS
from schemas.core.documents import Document
from schemas.core.number_ranges import format_ranges, parse_ranges, single_ranges, subtract_ranges
from schemas.legacy.conversion import ConvertedDocument
from schemas.legacy.report import Report, merge_summary
from schemas.reporting.rollups import RollupDeltas
from schemas.sales.documents import SalesDocument

#: The limit of documents of each kind in one transaction.
_MAX_DOCUMENTS: Final = 2_500
_IDENTITY: Final = {"original._id": 1, "kind": 1, "lies_in": 1}
_MOVED: Final = "Something was sold in this store meanwhile: stop the service, and run `pos import-legacy` again."

Late = dict[str, list[LegacyDocument]]


class _Plan(NamedTuple):
    """The writes of one transaction."""

    #: By kind.
    documents: dict[str, list[SalesDocument]]
    originals: list[Document]
    #: The changed fields of the counters.
    counters: Document
    report: Report


def unimported(database: SyncDatabase[Any], store: str, kind: str, originals: Source) -> Iterator[list[LegacyDocument]]:
    """Yield the documents of a kind that have no copy in `adopted`, in batches."""
    kept_rows = database.get_collection(ORIGINALS, codec_options=RAW_CODEC)
    here = {"store": store, "kind": kind}
    # Earlier versions stored no copy, not even the id, of originals that are too large.
    has_nameless = database[ORIGINALS].find_one({**here, "original": None}) is not None
    for batch in originals.batches(kind):
        # Earlier versions imported a sale in the collection of estimates as an estimate.
        kinds = sorted({kind, *(each.lies_in for each in batch)})
        ids = [each.document.get("_id") for each in batch]
        rows = kept_rows.find({"store": store, "kind": {"$in": kinds}, "original._id": {"$in": ids}}, _IDENTITY)
        known = {(row.get("lies_in", row["kind"]), id_bytes(id_of(row["original"]))) for row in rows}
        yield [
            each
            for each, own_id in zip(batch, ids, strict=True)
            if (each.lies_in, id_bytes(own_id)) not in known
            and not (has_nameless and len(each.raw.raw) >= MAX_ORIGINAL_BYTES)
        ]


def import_late(target: Target, originals: Source, report: Report, raise_if_cancelled: Callable[[], None]) -> Report:
    """Import late documents, the smallest ids first. Blocking.

    :param report: its `on_defect` is called with each defect.
    :returns: a report of these documents alone.
    :raises DatabaseRefused: something was sold meanwhile. Documents imported until then stay.
    """
    whole = Report(on_defect=report.on_defect)
    while late := _next_late(target, originals, raise_if_cancelled):
        counters = target.database.delegate[COUNTERS].find_one({"_id": target.store})
        if counters is None:
            raise DatabaseRefused(f"Store {target.store!r} has no counters: run `pos migrate`.")
        done = _make_plan(target, late, counters)
        _write_plan(target, counters, done)
        whole.include(done.report)
        if all(len(found) < _MAX_DOCUMENTS for found in late.values()):
            break
    return whole


def _next_late(target: Target, originals: Source, raise_if_cancelled: Callable[[], None]) -> Late:
    """Return the next late documents for one transaction, estimates and orders of about the same time."""
    late: Late = {}
    for kind in LEGACY_KINDS:
        found: list[LegacyDocument] = []
        for batch in unimported(target.database.delegate, target.store, kind, originals):
            raise_if_cancelled()
            found += batch[: _MAX_DOCUMENTS - len(found)]
            if len(found) == _MAX_DOCUMENTS:
                break
        if found:
            late[kind] = found
    return late


def _make_plan(target: Target, late: Late, counters: Document) -> _Plan:
    """Convert late documents, and resolve their numbers, ids and links among each other and with ours."""
    plan = _Plan({}, [], {"epoch": secrets.token_hex(4)}, Report())
    ones_of = {kind: [convert_original(kind, each, target.zone) for each in late[kind]] for kind in late}
    with closing(ReconciliationTable(last={kind: counters[kind] for kind in LEGACY_KINDS})) as table:
        for kind, converted in ones_of.items():
            owners = _id_owners(target, kind, converted)
            free = _NumberSpace(counters, kind)
            entries = [
                Entry(each.key, each.own_id, one, owners.get(one.public_id or "", UNCLAIMED), not free.has(one.number))
                for each, one in zip(late[kind], converted, strict=True)
            ]
            table.add(kind, entries)
        table.resolve()
        for kind, converted in ones_of.items():
            documents = plan.documents.setdefault(kind, [])
            for each, one in zip(late[kind], converted, strict=True):
                resolved = table.resolved(kind, each.key)
                if resolved is None:
                    raise LookupError(each.own_id)
                documents.append(build_document(target, kind, one, resolved))
                plan.originals.append(build_original(target.store, kind, each, one, resolved))
                plan.report.note(kind, each.own_id, (*one.defects, *resolved.defects))
            plan.counters.update(_NumberSpace(counters, kind).after([each["number"] for each in documents]))
            plan.report.of_kind[kind] = table.totals(kind)
            plan.report.missing[kind] = plan.counters[f"adopted.{kind}"]["missing"]
    return plan


class _NumberSpace:
    """The numbers of a kind that a store has assigned."""

    def __init__(self, counters: Document, kind: str) -> None:
        self._kind = kind
        self._last: int = counters[kind]
        self._missing = parse_ranges(counters.get("adopted", {}).get(kind, {}).get("missing", ""))
        self._has_sold = counters["head"] > 0

    def has(self, number: int | None) -> bool:
        """Return whether a printed number is free; None, for a document without one, always is."""
        if number is None:
            return True
        place = bisect_right(self._missing, number, key=lambda each: each.start) - 1
        is_missing = place >= 0 and number in self._missing[place]
        return is_missing or (number > self._last and not self._has_sold)

    def after(self, given: list[int]) -> Document:
        """Return the changed fields of the counters after these numbers. Numbers that are skipped become missing."""
        last = max(self._last, *given)
        left_out = [*self._missing, range(self._last + 1, last + 1)]
        missing = format_ranges(subtract_ranges(left_out, single_ranges(given)))
        return {self._kind: last, f"adopted.{self._kind}": {"last": last, "missing": missing}}


def _id_owners(target: Target, kind: str, converted: list[ConvertedDocument]) -> dict[str, int]:
    """Return which public ids of late documents exist already, and whether in this store or another."""
    wanted = {"_id": {"$in": [one.public_id for one in converted if one.public_id]}}
    found = target.database.delegate[kind].find(wanted, {"store": 1})
    return {each["_id"]: THIS_STORE if each.get("store") == target.store else OTHER_STORE for each in found}


def _write_plan(target: Target, counters: Document, plan: _Plan) -> None:
    """Write a plan; raise DatabaseRefused if the counters have changed since it was made."""
    database, store = target.database.delegate, target.store
    planned_by = {"_id": store} | {name: counters.get(name) for name in (*LEGACY_KINDS, "head", "hash", "epoch")}

    def write(session: ClientSession) -> None:
        moved = database[COUNTERS].update_one(planned_by, {"$set": plan.counters}, session=session)
        state = database[IMPORTS].find_one({"_id": store, "step": "done"}, session=session)
        if not moved.matched_count or state is None:
            raise DatabaseRefused(_MOVED)
        summary = merge_summary(state["summary"], plan.report)
        database[IMPORTS].update_one({"_id": store}, {"$set": {"summary": summary}}, session=session)
        database[ORIGINALS].insert_many(plan.originals, session=session)
        deltas = RollupDeltas()
        for kind, documents in plan.documents.items():
            database[kind].insert_many(documents, session=session)
            for document in documents:
                deltas.add(kind, document)
            _count_customers(target, documents, session)
        rows = [
            UpdateOne({"_id": row_id(store, key)}, {"$inc": row}, upsert=True) for key, row in deltas.rows().items()
        ]
        if rows:
            database[TOTALS].bulk_write(rows, session=session)

    try:
        with database.client.start_session() as session:
            session.with_transaction(write)
    except BulkWriteError as error:
        if not is_duplicate(error):
            raise
        raise DatabaseRefused(_MOVED) from error


def _count_customers(target: Target, documents: list[SalesDocument], session: ClientSession) -> None:
    customers = target.database.delegate[CUSTOMERS]
    counts = counts_of(documents)
    owners = customers.find(numbers_filter(target.store, counts), CUSTOMER_FIELDS, session=session).to_list()
    updates, fresh = customer_writes(target.store, counts, index_by_number(owners))
    if updates:
        customers.bulk_write(updates, session=session)
    if fresh:
        customers.insert_many(fresh, session=session)
