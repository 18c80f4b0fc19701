"""The reconciliation of all documents of the earlier backend: repeated numbers and ids, and links.

A temporary SQLite file holds one short row for each document, so that a million documents need little memory. The file
has no name and disappears with the process. Conflicts are resolved by age and then by the order of MongoDB's ids, so
that the same documents always give the same result.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas.core.collections import ESTIMATES, ORDERS, REGISTRY
from schemas.core.document_numbers import format_number
from schemas.legacy.conversion import ConvertedDocument, Defect

#: The owner of the public id that a document wants: none, another store of the database, or this store.
UNCLAIMED, OTHER_STORE, THIS_STORE = 0, 1, 2

_TABLE: Final = """
    CREATE TABLE entry (
      seq INTEGER PRIMARY KEY, kind TEXT, key BLOB, own TEXT, instant INTEGER, wanted_id TEXT, wanted INTEGER,
      link TEXT, says_converted INTEGER, id TEXT, number INTEGER, partner INTEGER, total INTEGER, is_taken INTEGER,
      is_given INTEGER, UNIQUE (kind, key))
"""
#: Of documents that want the same id or the same number, the oldest gets it.
_RESOLVE_IDS: Final = """
    CREATE TEMP TABLE id_rank AS
      SELECT seq, row_number() OVER (PARTITION BY kind, wanted_id ORDER BY instant, seq) AS place FROM entry
      WHERE wanted_id IS NOT NULL AND NOT is_taken;
    CREATE UNIQUE INDEX id_rank_seq ON id_rank (seq);
    UPDATE entry SET id = CASE WHEN (SELECT place FROM id_rank WHERE id_rank.seq = entry.seq) = 1
      THEN wanted_id ELSE fresh_id(kind, key) END;
    CREATE UNIQUE INDEX by_id ON entry (kind, id);
    CREATE INDEX by_own ON entry (kind, own);
"""
_RESOLVE_NUMBERS: Final = """
    CREATE TEMP TABLE number_rank AS
      SELECT seq, row_number() OVER (PARTITION BY kind, wanted ORDER BY instant, seq) AS place FROM entry
      WHERE wanted IS NOT NULL AND NOT is_given;
    CREATE UNIQUE INDEX number_rank_seq ON number_rank (seq);
    UPDATE entry SET number = wanted WHERE (SELECT place FROM number_rank WHERE number_rank.seq = entry.seq) = 1;
    CREATE TEMP TABLE fresh AS
      SELECT seq, highest + row_number() OVER (PARTITION BY kind ORDER BY instant, seq) AS number
      FROM entry JOIN (
        SELECT kind, max(coalesce(max(number), 0), last_number(kind)) AS highest FROM entry GROUP BY kind) USING (kind)
      WHERE number IS NULL;
    CREATE UNIQUE INDEX fresh_seq ON fresh (seq);
    UPDATE entry SET number = (SELECT fresh.number FROM fresh WHERE fresh.seq = entry.seq) WHERE number IS NULL;
    CREATE UNIQUE INDEX by_number ON entry (kind, number);
"""
#: The document that each document links to, by its public id or by MongoDB's id.
_FIND_NAMED: Final = """
    CREATE TEMP TABLE named AS
      SELECT seq, kind, instant, coalesce(
        (SELECT o.seq FROM entry o WHERE o.kind != e.kind AND o.kind IN ('estimates', 'orders') AND o.id = e.link),
        (SELECT min(o.seq) FROM entry o WHERE o.kind != e.kind AND o.kind IN ('estimates', 'orders') AND o.own = e.link)
      ) AS target
      FROM entry e WHERE link IS NOT NULL;
    CREATE UNIQUE INDEX named_seq ON named (seq);
    CREATE TEMP TABLE pair (estimate INTEGER, sale INTEGER, place INTEGER);
"""
#: An estimate is paired with the order that it links to and that links to it, else with the oldest that links to it.
_PAIR_BY_ORDERS: Final = """
    INSERT INTO pair
      SELECT o.target, o.seq, row_number() OVER (
        PARTITION BY o.target ORDER BY coalesce(e.target, 0) != o.seq, o.instant, o.seq)
      FROM named o LEFT JOIN named e ON e.seq = o.target
      WHERE o.kind = 'orders' AND o.target IS NOT NULL;
"""
#: Otherwise with the order that it links to, if that order has no other estimate.
_PAIR_BY_ESTIMATES: Final = """
    INSERT INTO pair
      SELECT e.seq, e.target, row_number() OVER (PARTITION BY e.target ORDER BY e.instant, e.seq)
      FROM named e
      JOIN entry own ON own.seq = e.seq
      JOIN entry sale ON sale.seq = e.target
      LEFT JOIN named back ON back.seq = e.target
      WHERE e.kind = 'estimates' AND own.partner IS NULL AND sale.partner IS NULL AND back.target IS NULL;
"""
_KEEP_PAIRS: Final = """
    DELETE FROM pair WHERE place != 1;
    CREATE INDEX pair_estimate ON pair (estimate);
    CREATE INDEX pair_sale ON pair (sale);
    UPDATE entry SET partner = (SELECT sale FROM pair WHERE estimate = seq) WHERE seq IN (SELECT estimate FROM pair);
    UPDATE entry SET partner = (SELECT estimate FROM pair WHERE sale = seq) WHERE seq IN (SELECT sale FROM pair);
    DROP INDEX pair_estimate;
    DROP INDEX pair_sale;
    DELETE FROM pair;
"""
_SELECT: Final = """
    SELECT e.kind, e.id, e.number, p.id, p.number, e.wanted_id, e.wanted, e.link, p.link, e.says_converted, e.is_taken,
      (SELECT o.id FROM named n JOIN entry o ON o.seq = n.target WHERE n.seq = e.seq)
    FROM entry e LEFT JOIN entry p ON p.seq = e.partner
"""
_RESOLVE: Final = (
    *(_RESOLVE_IDS, _RESOLVE_NUMBERS, _FIND_NAMED),
    *(_PAIR_BY_ORDERS, _KEEP_PAIRS, _PAIR_BY_ESTIMATES, _KEEP_PAIRS),
)
#: Instructions of SQLite's virtual machine between two checks for cancellation, about 10 ms.
_ASK_EVERY: Final = 100_000


class ResolvedDocument(NamedTuple):
    """The id and number of a document after the reconciliation, and the other side of its link, if there is one."""

    id: str
    number: int
    partner_id: str | None
    partner_number: int | None
    defects: Sequence[Defect]


class Entry(NamedTuple):
    """A document to be entered into the table.

    :ivar key: its MongoDB id as bytes.
    :ivar own_id: its MongoDB id as text.
    :ivar owner: of its public id: `UNCLAIMED`, `OTHER_STORE` or `THIS_STORE`.
    :ivar is_given: whether its number is assigned to another document already.
    """

    key: bytes
    own_id: str
    converted: ConvertedDocument
    owner: int = UNCLAIMED
    is_given: bool = False


class ReconciliationTable:
    """The table of all documents of both kinds, one row each.

    :param is_cancelled: called regularly; if it returns True, the current statement raises `sqlite3.OperationalError`.
    :param last: the last number of each kind that is assigned already; new numbers come after it.
    """

    def __init__(self, is_cancelled: Callable[[], bool] = bool, last: Mapping[str, int] = MappingProxyType({})) -> None:
        self._rows = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._rows.create_function("last_number", 1, lambda kind: last.get(kind, 0), deterministic=True)
        self._rows.create_function("fresh_id", 2, _fresh_id, deterministic=True)
        self._rows.set_progress_handler(is_cancelled, _ASK_EVERY)
        self._rows.execute(_TABLE)
        self._rows.execute("BEGIN")

    def close(self) -> None:
        self._rows.close()

    def add(self, kind: str, entries: Iterable[Entry]) -> None:
        self._rows.executemany(
            "INSERT INTO entry (kind, key, own, instant, wanted_id, wanted, link, says_converted, total, is_taken, "
            "is_given) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(kind, key, own_id, _milliseconds(converted.document["created_at"]), converted.public_id),
                    *(
                        converted.number,
                        converted.link,
                        converted.is_converted,
                        converted.document["total"],
                        owner,
                        is_given,
                    ),
                )
                for key, own_id, converted, owner, is_given in entries
            ],
        )

    def resolve(self) -> None:
        """Give every document its id, its number and its partner."""
        for rules in _RESOLVE:
            for statement in rules.split(";"):
                self._rows.execute(statement)
        self._rows.execute("COMMIT")

    def resolved(self, kind: str, key: bytes) -> ResolvedDocument | None:
        """Return the result for a document, None if it was not entered."""
        row = self._rows.execute(_SELECT + " WHERE e.kind = ? AND e.key = ?", (kind, key)).fetchone()
        return None if row is None else _resolved(row)

    def all_resolved(self) -> Iterator[tuple[str, ResolvedDocument]]:
        """Yield the kind and the result of every document, estimates first, the oldest first."""
        for row in self._rows.execute(_SELECT + " ORDER BY e.kind, e.instant, e.seq"):
            yield row[0], _resolved(row)

    def totals(self, kind: str) -> tuple[int, int, int]:
        """Return the count of a kind, the sum of the totals in minor units, and the highest number."""
        row = self._rows.execute(
            "SELECT count(*), coalesce(sum(total), 0), coalesce(max(number), 0) FROM entry WHERE kind = ?", (kind,)
        ).fetchone()
        return row[0], row[1], row[2]

    def numbers(self, kind: str) -> Iterator[int]:
        """Yield all numbers of a kind, ascending."""
        for (number,) in self._rows.execute("SELECT number FROM entry WHERE kind = ? ORDER BY number", (kind,)):
            yield number


def _resolved(
    row: tuple[str, str, int, str | None, int | None, str | None, int | None, str, str, int, int, str],
) -> ResolvedDocument:
    kind, own_id, number, partner_id, partner_number, wanted_id, wanted, link, back, is_converted, is_taken, found = row
    defects = []
    if wanted is None:
        defects.append(Defect("number_given", _NUMBER[kind], "none", format_number(number)))
    elif wanted != number:
        defects.append(Defect("number_repeated", _NUMBER[kind], format_number(wanted), format_number(number)))
    if wanted_id is not None and wanted_id != own_id:
        rule = "id_of_another_store" if is_taken == OTHER_STORE else "id_repeated"
        defects.append(Defect(rule, _ID[kind], wanted_id, own_id))
    if partner_id is not None:
        if link is None or back is None or (kind == ESTIMATES and not is_converted):
            defects.append(Defect("link_one_sided", _LINK[kind], str(link), partner_id))
        elif kind == ESTIMATES and found is not None and found != partner_id:
            defects.append(Defect("link_moved", _LINK[kind], link, partner_id))
    elif kind == ORDERS and link is not None:
        rule = "link_broken" if found is None else "second_order_of_an_estimate"
        defects.append(Defect(rule, _LINK[kind], link, "a sale without an estimate"))
    elif kind == ESTIMATES and (link is not None or is_converted):
        defects.append(Defect("converted_without_an_order", _LINK[kind], str(link), "Pending"))
    return ResolvedDocument(own_id, number, partner_id, partner_number, defects)


_NUMBER: Final = {ESTIMATES: "estimate_number", ORDERS: "sale_number"}
_ID: Final = {ESTIMATES: "estimate_id", ORDERS: "order_id"}
_LINK: Final = {ESTIMATES: "linked_order_id", ORDERS: "source_estimate_id"}


def _fresh_id(kind: str, key: bytes) -> str:
    """Return an id of 128 bits, always the same for the same document."""
    return REGISTRY[kind].prefix + blake2b(key, digest_size=16, person=kind.encode()).hexdigest().upper()


def _milliseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)
