"""What the earlier backend wrote after its documents were taken over: taken over too, into a store that may have sold.

A document whose original is not kept in `adopted` is late. Its number on paper stays where it is free, that is among
those that were missing, or after the last one as long as the store itself has given none; else it gets the next one.
Each pass is one transaction, counters included, so that a service that has just been started sells beside it.
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
from repositories.legacy.late_documents import identity, key_of
from repositories.legacy.reconciliation import NOBODY, OTHER_STORE, THIS_STORE, Entry, ReconciliationTable
from repositories.legacy.source import KINDS, LegacyDocument, Source, adopted
from repositories.legacy.writer import LARGEST, Target, kept, placed
from repositories.migrations.customer_backfill import counts_of
from repositories.reporting.rollup_rows import row_id
from schemas.core.collections import ADOPTION, COUNTERS, CUSTOMERS, ORIGINALS, TOTALS
from schemas.core.documents import Document
from schemas.core.number_ranges import as_text, from_text, singles, without
from schemas.legacy.conversion import Adopted
from schemas.legacy.report import Report, merged
from schemas.reporting.rollups import RollupDeltas

#: Of each kind, in one transaction.
_MOST: Final = 2_500
_IDENTITY: Final = {"original._id": 1, "kind": 1, "lies_in": 1}
_MOVED: Final = "Something was sold in this store meanwhile: stop the service, and run `pos import-legacy` again."

Late = dict[str, list[LegacyDocument]]


class Pass(NamedTuple):
    """What one transaction writes. documents, originals: by kind; counters: what changes in them."""

    documents: dict[str, list[Document]]
    originals: list[Document]
    counters: Document
    report: Report


def unadopted(database: SyncDatabase[Any], store: str, kind: str, originals: Source) -> Iterator[list[LegacyDocument]]:
    """Yield the documents of a kind of which nothing is kept in `adopted`, in batches."""
    kept_rows = database.get_collection(ORIGINALS, codec_options=RAW_CODEC)
    here = {"store": store, "kind": kind}
    # From earlier versions, which kept nothing at all of those.
    has_nameless = database[ORIGINALS].find_one({**here, "original": None}) is not None
    for batch in originals.batches(kind):
        # Earlier versions took a sale among the estimates for one of them.
        kinds = sorted({kind, *(each.lies_in for each in batch)})
        ids = [each.document.get("_id") for each in batch]
        rows = kept_rows.find({"store": store, "kind": {"$in": kinds}, "original._id": {"$in": ids}}, _IDENTITY)
        known = {(row.get("lies_in", row["kind"]), key_of(identity(row["original"]))) for row in rows}
        yield [
            each
            for each, own in zip(batch, ids, strict=True)
            if (each.lies_in, key_of(own)) not in known and not (has_nameless and len(each.raw.raw) >= LARGEST)
        ]


def take_over_late(target: Target, originals: Source, report: Report, go_on: Callable[[], None]) -> Report:
    """Take over what is late, the smallest ids first. Blocking.

    :param report: whose `on_defect` hears each defect.
    :returns: a report of these documents alone.
    :raises DatabaseRefused: something was sold meanwhile; what was taken over until then is.
    """
    whole = Report(on_defect=report.on_defect)
    while late := _some_late(target, originals, go_on):
        counters = target.database.delegate[COUNTERS].find_one({"_id": target.store})
        if counters is None:
            raise DatabaseRefused(f"Store {target.store!r} has no counters: run `pos migrate`.")
        done = _planned(target, late, counters)
        _written(target, counters, done)
        whole.include(done.report)
        if all(len(found) < _MOST for found in late.values()):
            break
    return whole


def _some_late(target: Target, originals: Source, go_on: Callable[[], None]) -> Late:
    """As many as one transaction takes, with estimates and orders of about the same time."""
    late: Late = {}
    for kind in KINDS:
        found: list[LegacyDocument] = []
        for batch in unadopted(target.database.delegate, target.store, kind, originals):
            go_on()
            found += batch[: _MOST - len(found)]
            if len(found) == _MOST:
                break
        if found:
            late[kind] = found
    return late


def _planned(target: Target, late: Late, counters: Document) -> Pass:
    """What becomes of late documents: their numbers, ids and links are settled among each other and with ours."""
    plan = Pass({}, [], {"epoch": secrets.token_hex(4)}, Report())
    ones_of = {kind: [adopted(kind, each, target.zone) for each in late[kind]] for kind in late}
    with closing(ReconciliationTable(last={kind: counters[kind] for kind in KINDS})) as ledger:
        for kind, ones in ones_of.items():
            owners = _owners(target, kind, ones)
            free = _Numbers(counters, kind)
            entries = [
                Entry(each.key, each.own, one, owners.get(one.public_id or "", NOBODY), not free.has(one.number))
                for each, one in zip(late[kind], ones, strict=True)
            ]
            ledger.add(kind, entries)
        ledger.settle()
        for kind, ones in ones_of.items():
            documents = plan.documents.setdefault(kind, [])
            for each, one in zip(late[kind], ones, strict=True):
                settled = ledger.settled(kind, each.key)
                if settled is None:
                    raise LookupError(each.own)
                documents.append(placed(target, kind, one, settled))
                plan.originals.append(kept(target.store, kind, each, one, settled))
                plan.report.note(kind, each.own, (*one.defects, *settled.defects))
            plan.counters.update(_Numbers(counters, kind).after([each["number"] for each in documents]))
            plan.report.of_kind[kind] = ledger.totals(kind)
            plan.report.missing[kind] = plan.counters[f"adopted.{kind}"]["missing"]
    return plan


class _Numbers:
    """Which numbers of a kind a store has given."""

    def __init__(self, counters: Document, kind: str) -> None:
        self._kind = kind
        self._last: int = counters[kind]
        self._missing = from_text(counters.get("adopted", {}).get(kind, {}).get("missing", ""))
        self._has_sold = counters["head"] > 0

    def has(self, number: int | None) -> bool:
        """Whether a number on paper can still be given."""
        if number is None:
            return True
        place = bisect_right(self._missing, number, key=lambda each: each.start) - 1
        is_missing = place >= 0 and number in self._missing[place]
        return is_missing or (number > self._last and not self._has_sold)

    def after(self, given: list[int]) -> Document:
        """What changes in the counters when these were given; what a leap leaves out is missing from then on."""
        last = max(self._last, *given)
        left_out = [*self._missing, range(self._last + 1, last + 1)]
        missing = as_text(without(left_out, singles(given)))
        return {self._kind: last, f"adopted.{self._kind}": {"last": last, "missing": missing}}


def _owners(target: Target, kind: str, ones: list[Adopted]) -> dict[str, int]:
    """Whose the public ids are already that late documents want."""
    wanted = {"_id": {"$in": [one.public_id for one in ones if one.public_id]}}
    found = target.database.delegate[kind].find(wanted, {"store": 1})
    return {each["_id"]: THIS_STORE if each.get("store") == target.store else OTHER_STORE for each in found}


def _written(target: Target, counters: Document, plan: Pass) -> None:
    """Write a pass, if the counters are what it was planned by.

    :raises DatabaseRefused: they are not.
    """
    database, store = target.database.delegate, target.store
    planned_by = {"_id": store} | {name: counters.get(name) for name in (*KINDS, "head", "hash", "epoch")}

    def write(session: ClientSession) -> None:
        moved = database[COUNTERS].update_one(planned_by, {"$set": plan.counters}, session=session)
        state = database[ADOPTION].find_one({"_id": store, "step": "done"}, session=session)
        if not moved.matched_count or state is None:
            raise DatabaseRefused(_MOVED)
        summary = merged(state["summary"], plan.report)
        database[ADOPTION].update_one({"_id": store}, {"$set": {"summary": summary}}, session=session)
        database[ORIGINALS].insert_many(plan.originals, session=session)
        additions = RollupDeltas()
        for kind, documents in plan.documents.items():
            database[kind].insert_many(documents, session=session)
            for document in documents:
                additions.add(kind, document)
            _count_customers(target, kind, documents, session)
        rows = [
            UpdateOne({"_id": row_id(store, key)}, {"$inc": row}, upsert=True) for key, row in additions.rows().items()
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


def _count_customers(target: Target, kind: str, documents: list[Document], session: ClientSession) -> None:
    customers = target.database.delegate[CUSTOMERS]
    counts = counts_of(kind, documents)
    owners = customers.find(numbers_filter(target.store, counts), CUSTOMER_FIELDS, session=session).to_list()
    updates, fresh = customer_writes(target.store, counts, index_by_number(owners))
    if updates:
        customers.bulk_write(updates, session=session)
    if fresh:
        customers.insert_many(fresh, session=session)
