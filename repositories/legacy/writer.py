"""The second pass of `pos import-legacy`: write every document, keep its original, add up the totals."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple, cast
from zoneinfo import ZoneInfo

from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database as SyncDatabase

from repositories.database.client import Database
from repositories.database.errors import DatabaseRefused
from repositories.database.store_scope import store_filter
from repositories.journal.customer_sums import add_to_customer
from repositories.legacy.late_documents import id_bytes
from repositories.legacy.reconciliation import ReconciliationTable, ResolvedDocument
from repositories.legacy.source import LegacyDocument, Source, convert_original
from repositories.reporting.rollup_rows import row_id
from schemas.core.collections import CUSTOMERS, ESTIMATES, IMPORTS, LEGACY_KINDS, ORIGINALS, TOTALS
from schemas.core.documents import Document
from schemas.customers import Customer
from schemas.legacy.conversion import ConvertedDocument
from schemas.reporting.rollups import RollupDeltas
from schemas.sales.documents import SalesDocument
from schemas.text.phones import INDIA, normalize_phone

OVERTAKEN: Final = "Another `pos import-legacy` has begun on this store meanwhile; this one has ended."
#: The limit of a document in MongoDB, minus the fields that we add.
MAX_ORIGINAL_BYTES: Final = 15 * 1024 * 1024
_ROWS: Final = 1_000
#: The limit of originals in one transaction, in bytes.
_MAX_BYTES: Final = 8 * 2**20

#: A document, and the copy of its original.
Pair = tuple[SalesDocument, Document]
#: Called with the name of the step, the amount done and the total.
OnProgress = Callable[[str, int, int], None]


class Target(NamedTuple):
    """The store that gets the documents."""

    database: Database
    store: str
    zone: ZoneInfo
    event_retention_days: int
    region: str = INDIA


class WritePermit:
    """The permit of one run to write. Each write is a transaction with the state of the import, so that a run that was
    replaced by another, or is being undone, writes nothing more."""

    def __init__(self, database: SyncDatabase[Any], store: str, run: str) -> None:
        self.database = database
        self._mine = {"_id": store, "step": "begun", "run": run}

    def write(self, work: Callable[[ClientSession], object]) -> None:
        """Run work in a transaction. Blocking.

        :raises DatabaseRefused: another command has begun on this store.
        """

        def permitted(session: ClientSession) -> None:
            touched = self.database[IMPORTS].update_one(self._mine, {"$inc": {"writes": 1}}, session=session)
            if not touched.matched_count:
                raise DatabaseRefused(OVERTAKEN)
            work(session)

        with self.database.client.start_session() as session:
            session.with_transaction(permitted)

    def insert(self, documents: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        def insert(session: ClientSession) -> None:
            for name, part in documents.items():
                self.database[name].insert_many(part, session=session)

        self.write(insert)

    def empty(self, name: str, where: Document) -> None:
        """Delete documents that an earlier run has left in a collection."""
        rows = self.database[name].find(where, {"_id": 1}, batch_size=_ROWS)
        while ids := [row["_id"] for row in islice(rows, _ROWS)]:
            self.write(partial(self._delete, name, ids))

    def _delete(self, name: str, ids: Sequence[Any], session: ClientSession) -> None:
        self.database[name].delete_many({"_id": {"$in": ids}}, session=session)


def write(
    target: Target, originals: Source, table: ReconciliationTable, on_progress: OnProgress, permit: WritePermit
) -> None:
    """Write all documents, after deleting those of an earlier run. Blocking.

    :raises PyMongoError: the database refuses a write.
    :raises DatabaseRefused: another command has begun on this store.
    """
    store = target.store
    for name in (*LEGACY_KINDS, ORIGINALS, TOTALS, CUSTOMERS):
        permit.empty(name, store_filter(name, store))
    deltas = RollupDeltas()
    customers: dict[str, Customer] = {}
    for kind in LEGACY_KINDS:
        total, done = originals.count(kind), 0
        for batch in originals.batches(kind):
            written = list(_convert_batch(target, kind, batch, table))
            for document, _ in written:
                deltas.add(kind, document)
                add_to_customer(customers, store, document)
            for part in _split_by_size(written):
                # In one transaction: only documents with a copy of the original are ours to delete.
                permit.insert(
                    {
                        ORIGINALS: [build_original for _, build_original in part],
                        kind: [document for document, _ in part],
                    }
                )
            done += len(batch)
            on_progress(f"Writing {kind}", done, total)
    for name, rows in ((TOTALS, list(total_rows(store, deltas))), (CUSTOMERS, list(customers.values()))):
        for place in range(0, len(rows), _ROWS):
            permit.insert({name: rows[place : place + _ROWS]})


def _split_by_size(written: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Yield documents with their originals in parts that are small enough for one transaction."""
    part: list[Pair] = []
    weight = 0
    for pair in written:
        size = len(pair[1]["original"].raw)
        if part and weight + size > _MAX_BYTES:
            yield part
            part, weight = [], 0
        part.append(pair)
        weight += size
    if part:
        yield part


def _convert_batch(
    target: Target, kind: str, batch: list[LegacyDocument], table: ReconciliationTable
) -> Iterator[Pair]:
    """Yield each document as it is written, and the copy of its original."""
    for original in batch:
        resolved = table.resolved(kind, original.key)
        # None for a document that came after the first pass; it is imported as a late one.
        if resolved is not None:
            one = convert_original(kind, original, target.zone)
            yield (
                build_document(target, kind, one, resolved),
                build_original(target.store, kind, original, one, resolved),
            )


def build_document(
    target: Target, kind: str, converted: ConvertedDocument, resolved: ResolvedDocument
) -> SalesDocument:
    """Return the document with its id, number and link."""
    document: Document = {"_id": resolved.id, "store": target.store, "number": resolved.number, **converted.document}
    document["phone_e164"] = normalize_phone(document["customer_phone"], target.region)
    if kind == ESTIMATES:
        is_converted = resolved.partner_id is not None
        document.update(converted=is_converted, order_id=resolved.partner_id, order_number=resolved.partner_number)
    else:
        document.update(estimate_id=resolved.partner_id, estimate_number=resolved.partner_number)
    return cast("SalesDocument", document)


def build_original(
    store: str, kind: str, original: LegacyDocument, converted: ConvertedDocument, resolved: ResolvedDocument
) -> Document:
    """Return the copy of the original, with the defects of its conversion."""
    return {
        "_id": {"store": store, "kind": kind, "id": resolved.id},
        "store": store,
        "kind": kind,
        "number": resolved.number,
        "defects": [defect._asdict() for defect in (*converted.defects, *resolved.defects)],
        **({} if original.lies_in == kind else {"lies_in": original.lies_in}),
        **_stored_original(original),
    }


def _stored_original(original: LegacyDocument) -> Document:
    """Return the field `original`: the document, or only its id if it is nearly too large for MongoDB."""
    if len(original.raw.raw) < MAX_ORIGINAL_BYTES:
        return {"original": original.raw}
    return {"original": RawBSONDocument(id_bytes(original.document.get("_id"))), "is_too_large": True}


def total_rows(store: str, deltas: RollupDeltas) -> Iterator[Document]:
    """Yield the rollups as they are stored."""
    for key, measures in deltas.rows().items():
        row: Document = {"_id": row_id(store, key)}
        for measure, amount in measures.items():
            kind, status, name = measure.split(".")
            row.setdefault(kind, {}).setdefault(status, {})[name] = amount
        yield row
