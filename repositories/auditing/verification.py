"""`pos verify`: recomputes the journal's derived data from the documents and lists every difference.

- Numbers are 1 … counter, each once, voided documents included. Numbers that were missing in the earlier backend's
  documents at the import are known one by one and excepted.
- Orders and estimates link to each other.
- The rollups are the sums over the documents, to the paisa; so are the sums of the customers.
- The document of each public link exists.
- The event log has no gap except expired events, and no event was altered (`log_documents.py`).
- Documents match their events (`event_comparison.py`).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import chain, islice
from typing import Any, Final

from bson import CodecOptions, decode
from bson.raw_bson import RawBSONDocument

from repositories.auditing.customer_sums import compare_customers
from repositories.auditing.event_comparison import Comparison
from repositories.auditing.messages import check_messages
from repositories.database.client import Database
from repositories.database.errors import translate_errors
from repositories.database.store_scope import store_filter
from repositories.event_log.earlier_events import refuse_unconverted
from repositories.event_log.log_documents import WITHOUT_KEYS, ChainHead, ChainVerifier, log_filter
from repositories.event_log.retention import expired_before
from repositories.legacy.late_warnings import late_warnings
from repositories.reporting.rollup_rows import measures, row_key
from schemas.core.collections import COUNTERS, DOCUMENT_KINDS, ESTIMATES, LINKS, LOG, ORDERS, TOTALS
from schemas.core.document_numbers import format_number
from schemas.core.documents import Document
from schemas.core.number_ranges import parse_ranges, single_ranges, subtract_ranges
from schemas.reporting.rollups import RollupDeltas, RollupKey

_MAX_LINES = 20
_BATCH = 100
_COMPARED_AT_ONCE = 1_000

_AS_STORED: Final = CodecOptions(document_class=RawBSONDocument)
_AWARE: Final = CodecOptions[Document](tz_aware=True)

OnProgress = Callable[[int], None]


async def verify(database: Database, store: str, on_progress: OnProgress = lambda _: None) -> list[str]:
    """Return the differences, one sentence each. No process should sell in the store meanwhile.

    :param on_progress: called with the number of further events that were checked.
    :raises DatabaseRefused: the log of the store was not converted.
    """
    with translate_errors():
        counters = await database[COUNTERS].find_one({"_id": store})
        if counters is None:
            return [f"Store {store!r} has no counters: run `pos migrate`."]
        refuse_unconverted(counters)
        return [
            *await asyncio.to_thread(late_warnings, database.delegate, store),
            *[line async for line in _check_numbers(database, store, counters)],
            *[line async for line in _check_links(database, store)],
            *[line async for line in _check_totals(database, store)],
            *await compare_customers(database, store),
            *await check_messages(database, store),
            *[line async for line in _check_public_links(database, store)],
            *[line async for line in _check_events(database, store, counters, on_progress)],
        ]


async def _check_numbers(database: Database, store: str, counters: Document) -> AsyncIterator[str]:
    for kind in DOCUMENT_KINDS:
        given: Counter[int] = Counter()
        async for document in database[kind].find(store_filter(kind, store), {"number": 1}):
            given[document["number"]] += 1
        last = counters[kind]
        expected = range(1, last + 1)
        missing = parse_ranges(counters.get("adopted", {}).get(kind, {}).get("missing", ""))
        there = single_ranges(given)
        unexplained = chain.from_iterable(subtract_ranges(subtract_ranges([expected], there), missing))
        for number in islice(unexplained, _MAX_LINES):
            yield f"{kind}: number {format_number(number)} is missing."
        for number in [n for n, times in given.items() if times > 1][:_MAX_LINES]:
            yield f"{kind}: number {format_number(number)} was given {given[number]} times."
        for number in islice(
            chain.from_iterable(subtract_ranges(there, list(subtract_ranges(there, missing)))), _MAX_LINES
        ):
            yield f"{kind}: number {format_number(number)} was missing at the import, and exists now."
        for number in [n for n in given if n not in expected][:_MAX_LINES]:
            yield f"{kind}: number {format_number(number)} lies beyond the counter, {last}."


async def _check_links(database: Database, store: str) -> AsyncIterator[str]:
    fields = {"number": 1, "converted": 1, "order_id": 1, "order_number": 1, "voided_at": 1}
    estimates = {e["_id"]: e async for e in database[ESTIMATES].find(store_filter(ESTIMATES, store), fields)}
    claimed: Counter[str] = Counter()
    orders = database[ORDERS].find(
        {**store_filter(ORDERS, store), "estimate_id": {"$ne": None}}, {"number": 1, "estimate_id": 1, "voided_at": 1}
    )
    async for order in orders:
        estimate = estimates.get(order["estimate_id"])
        if estimate is None:
            yield f"Order {order['_id']} names estimate {order['estimate_id']}, which does not exist."
        elif order["voided_at"] is None:
            claimed[estimate["_id"]] += 1
            if (estimate["order_id"], estimate["order_number"]) != (order["_id"], order["number"]):
                yield f"Order {order['_id']} names estimate {estimate['_id']}, which names {estimate['order_id']}."
    for estimate in estimates.values():
        if claimed[estimate["_id"]] > 1:
            yield f"Estimate {estimate['_id']} became {claimed[estimate['_id']]} orders."
        if estimate["converted"] != (estimate["order_id"] is not None):
            yield f"Estimate {estimate['_id']} has converted: {estimate['converted']}, order: {estimate['order_id']}."
        elif estimate["converted"] and estimate["voided_at"] is None and not claimed[estimate["_id"]]:
            yield f"Estimate {estimate['_id']} is converted, but its order {estimate['order_id']} is not there."


async def _check_totals(database: Database, store: str) -> AsyncIterator[str]:
    deltas = RollupDeltas()
    for kind in DOCUMENT_KINDS:
        async for document in database[kind].find({**store_filter(kind, store), "voided_at": None}, {"items": 0}):
            deltas.add(kind, document)
    expected = Counter({(key, name): amount for key, row in deltas.rows().items() for name, amount in row.items()})
    stored: Counter[tuple[RollupKey, str]] = Counter()
    async for row in database[TOTALS].find(store_filter(TOTALS, store)):
        for measure, amount in measures(row):
            stored[row_key(row["_id"]), measure] += amount
    differing = sorted(place for place in expected.keys() | stored.keys() if expected[place] != stored[place])
    for place in differing[:_MAX_LINES]:
        (period, staff, group), measure = place
        yield (
            f"Totals of {period}, {staff}, {group or 'no payment'}: {measure} is {stored[place]}, "
            f"but the documents make {expected[place]}."
        )
    if len(differing) > _MAX_LINES:
        yield f"… and {len(differing) - _MAX_LINES} more differences in the totals."


async def _check_public_links(database: Database, store: str) -> AsyncIterator[str]:
    """Yield the links whose document does not exist. A voided document exists."""
    for kind in DOCUMENT_KINDS:
        pipeline: list[Document] = [
            {"$match": {"store": store, "kind": kind}},
            {"$lookup": {"from": kind, "localField": "document_id", "foreignField": "_id", "as": "shown"}},
            {"$match": {"shown.store": {"$ne": store}}},
            {"$limit": _MAX_LINES},
            {"$project": {"document_id": 1}},
        ]
        async for link in database[LINKS].aggregate(pipeline):
            yield f"Link {link['_id']} shows {link['document_id']}, which does not exist."


async def _check_events(
    database: Database, store: str, counters: Document, on_progress: OnProgress
) -> AsyncIterator[str]:
    """Check that the log has every sequence number up to the head that has not expired, that its events are unaltered,
    and that the documents match them."""
    expired = await expired_before(database, counters)
    chain = ChainVerifier(expired)
    comparison = Comparison(database, store, expired)
    stored = database.get_collection(LOG, _AS_STORED)
    in_log, in_documents = _LimitedLines(), _LimitedLines()
    events: list[Document] = []
    cursor: Any = stored.find(log_filter(store), WITHOUT_KEYS, batch_size=_BATCH).sort("_id", 1)
    async for found in cursor:
        raw = bytes(found.raw)
        # Decoded completely, since most fields are read.
        document = decode(raw, _AWARE)
        in_log.take(chain.check(document, raw))
        if chain.is_well_formed:
            events += document["events"]
        if len(events) >= _COMPARED_AT_ONCE:
            in_documents.take(await comparison.differences(events))
            on_progress(len(events))
            events.clear()
    in_documents.take(await comparison.differences(events))
    on_progress(len(events))
    altered = (seq for seq in counters.get("altered", ()) if seq >= chain.first)
    in_log.take(f"Event {seq} was altered, or the one before, when the log was converted." for seq in altered)
    in_log.take(chain.check_end(counters["head"], ChainHead(counters.get("hash"), counters.get("at"))))
    async for line in comparison.missing_events(is_whole=chain.is_whole):
        in_documents.take([line])
    for line in (*in_log.lines, *in_documents.lines):
        yield line


class _LimitedLines:
    """Lines of output, up to a limit that a person reads."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def take(self, lines: Iterable[str]) -> None:
        self.lines += islice(lines, _MAX_LINES - len(self.lines))


async def count_events(database: Database, store: str) -> int:
    """Return the number of events to check."""
    with translate_errors():
        size = {"$cond": [{"$isArray": "$events"}, {"$size": "$events"}, 0]}
        counts = {"_id": None, "events": {"$sum": size}}
        found = await database[LOG].aggregate([{"$match": log_filter(store)}, {"$group": counts}]).to_list(1)
    return found[0]["events"] if found else 0
