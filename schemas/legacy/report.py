"""The report of an import: counts, and a few examples of each applied rule. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.core.collections import LEGACY_KINDS
from schemas.core.document_numbers import format_number
from schemas.core.money import to_json
from schemas.legacy.conversion import Defect

_EXAMPLES: Final = 3

#: The treatment of each defect, the most important first.
RULES: Final[Mapping[str, str]] = {
    "number_repeated": "the oldest keeps the number, the others get new ones after the highest",
    "number_missing": "gets a new number after the highest",
    "number_is_a_stamp": "gets a new number after the highest",
    "number_given": "the number of a document that had none, or a stamp",
    "id_repeated": "the oldest keeps the id, the others get new ones",
    "id_of_another_store": "gets a new id",
    "id_unusable": "gets MongoDB's own id, or a new one",
    "second_order_of_an_estimate": "stays a sale, without an estimate",
    "link_broken": "stays a sale, without an estimate",
    "link_one_sided": "is linked both ways",
    "link_moved": "is linked to the order that names it",
    "converted_without_an_order": "is pending again",
    "total_unreadable": "is what the lines make",
    "total_negative": "is what the lines make",
    "totals_do_not_add_up": "the total stays, and the difference is in round_off",
    "total_rounded": "half-up to the paisa",
    "amount_rounded": "half-up to the paisa",
    "discount_unreadable": "no discount",
    "amount_paid_unreadable": "counts as paid in full",
    "amount_paid_negative": "nothing was paid",
    "items_missing": "no lines; the total stays",
    "lines_unreadable": "are left out; the total stays",
    "lines_mended": "price 0, quantity 1, discount 0 or the name Item stand in",
    "lines_rounded": "half-up to the paisa, the quantity to three places; the total stays",
    "other_name": "a field under another name is read",
    "sale_among_estimates": "is an order",
    "status_unknown": "is Completed; the original status is a note",
    "status_noted": "of an estimate: the original status is a note",
    "created_at_unreadable": "the time is that of MongoDB's own id",
    "created_at_not_a_time": "is read as one; without an offset, by the shop's clock",
    "created_at_is_local": "local time stored as UTC: the time is that of MongoDB's own id",
    "text_missing": "is Unknown, Cash or empty",
    "text_cleaned": "control characters out, 500 characters at the most",
    "extra_fields": "are kept in `adopted` only",
}


@dataclass
class Report:
    """The report of an import.

    :ivar of_kind: count, total in minor units, and highest number of each kind.
    :ivar missing: the unused numbers of each kind.
    """

    of_kind: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[tuple[str, Defect]]] = field(default_factory=dict)
    #: Called with each defect as it is found.
    on_defect: Callable[[str, str, Defect], None] = lambda _kind, _own, _defect: None

    def note(self, kind: str, own: str, defects: Iterable[Defect]) -> None:
        """Count defects and keep examples.

        :param own: MongoDB's id of the original, or the document's public id.
        """
        for defect in defects:
            self.counts[defect.rule] += 1
            known = self.examples.setdefault(defect.rule, [])
            if len(known) < _EXAMPLES:
                known.append((own, defect))
            self.on_defect(kind, own, defect)

    @property
    def count(self) -> int:
        return sum(count for count, _, _ in self.of_kind.values())

    def include(self, later: "Report") -> None:
        """Add the report of documents that were imported later."""
        for kind, (count, total, highest) in later.of_kind.items():
            before = self.of_kind.get(kind, (0, 0, 0))
            self.of_kind[kind] = (before[0] + count, before[1] + total, max(before[2], highest))
            self.missing[kind] = later.missing[kind]
        for rule, known in later.examples.items():
            mine = self.examples.setdefault(rule, [])
            mine += known[: _EXAMPLES - len(mine)]
        self.counts += later.counts

    def summary(self) -> dict[str, Any]:
        """Return the report for JSON, without personal data. Amounts are in currency units."""
        return {
            **{
                kind: {
                    "count": count,
                    "total": to_json(total),
                    "highest_number": format_number(highest),
                    "missing_numbers": self.missing.get(kind, ""),
                }
                for kind, (count, total, highest) in self.of_kind.items()
            },
            "defects": {rule: self.counts[rule] for rule in RULES if self.counts[rule]},
        }

    def lines(self, *, is_masked: bool = True) -> list[str]:
        """Return the report as lines of text."""
        lines = []
        for kind in LEGACY_KINDS:
            count, total, highest = self.of_kind.get(kind, (0, 0, 0))
            holes = self.missing.get(kind, "")
            kept = f", without {shorten(holes)}" if holes else ""
            lines.append(
                f"{kind}: {count:,}, in all {to_json(total):,.2f}; numbers up to {format_number(highest)}{kept}"
            )
        for rule, treatment in RULES.items():
            if self.counts[rule]:
                lines.append(f"{rule} ({self.counts[rule]:,}): {treatment}")
                lines += [f"    {format_defect(own, each, is_masked=is_masked)}" for own, each in self.examples[rule]]
        return lines


def merge_summary(summary: Mapping[str, Any], later: Report) -> dict[str, Any]:
    """Return the summary of an import with the documents that were imported later, counted as `late`."""
    more = later.summary()
    both = {name: value for name, value in summary.items() if name not in ("defects", "late")}
    for kind in more.keys() - {"defects"}:
        before = summary.get(kind, {"count": 0, "total": 0.0})
        total = round(before["total"] + more[kind]["total"], 2)
        both[kind] = {**more[kind], "count": before["count"] + more[kind]["count"], "total": total}
    counts = Counter(summary["defects"]) + Counter(more["defects"])
    defects = {rule: counts[rule] for rule in RULES if counts[rule]}
    return {**both, "defects": defects, "late": summary.get("late", 0) + later.count}


def format_defect(own: str, defect: Defect, *, is_masked: bool) -> str:
    was = "***" if is_masked and defect.personal else defect.was
    became = "***" if is_masked and defect.personal and defect.rule == "text_cleaned" else defect.became
    return f"{own}  {defect.field}: {was} -> {became}"


def shorten(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[:most].rpartition(",")[0] + ", …"
