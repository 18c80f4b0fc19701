"""Figures of the fault tests: a line for each run on the terminal, and on the page `docs/reliability.md`."""

import json
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.conftest import LongRun
from tests.support.oracle.consistency_checker import Verdict
from tests.support.oracle.recording_clients import Crew

ROOT = Path(__file__).parents[3]
FILE = ROOT / "tests" / "faults" / "soak_results.json"
PAGE = ROOT / "docs" / "reliability.md"
NONE = "\N{EN DASH}"
BEGIN, END = "<!-- written by `make soak` -->\n", "<!-- until here -->\n"
COUNTS = ("rounds", "operations", "lost", "doubled", "wrong")

Json = dict[str, Any]


@dataclass
class Report:
    """The figures of one fault, over all rounds.

    :ivar lost: None if not counted, as `doubled`.
    :ivar back: seconds until the recovery, for each round.
    :ivar longest: the longest wait of a client, in seconds.
    :ivar besides: other measurements, as text.
    """

    fault: str
    seed: int
    rounds: int = 0
    operations: int = 0
    lost: int | None = None
    doubled: int | None = None
    wrong: int = 0
    longest: float | None = None
    back: list[float] = field(default_factory=list)
    besides: list[str] = field(default_factory=list)

    def judge(self, verdict: Verdict) -> None:
        self.lost = (self.lost or 0) + len(verdict.lost)
        self.doubled = (self.doubled or 0) + len(verdict.doubled)
        self.wrong += len(verdict.wrong)

    def add(self, crew: Crew) -> None:
        self.operations += crew.operations
        self.waited(crew.worst_seconds)

    def waited(self, seconds: float) -> None:
        self.longest = max(self.longest or 0.0, seconds)

    def summary(self) -> Json:
        """Return the figures to store, without lists."""
        return {
            **{name: getattr(self, name) for name in ("fault", "seed", *COUNTS)},
            "back_median": round(statistics.median(self.back), 3) if self.back else None,
            "back_most": round(max(self.back), 3) if self.back else None,
            "longest": None if self.longest is None else round(self.longest, 3),
            "besides": "; ".join(self.besides),
            "at": datetime.now(UTC).date().isoformat(),
        }

    def __str__(self) -> str:
        kept = self.summary()
        counts = ", ".join(f"{_count(kept[name])} {name}" for name in COUNTS)
        times = f"back after {_time(kept['back_median'])}, at most {_time(kept['back_most'])}"
        return (
            f"{self.fault} (seed {self.seed}): {counts}, {times}, longest wait {_time(self.longest)}. {kept['besides']}"
        )

    def save(self) -> None:
        """Store the figures besides those of other runs, and write all of them to the page."""
        kept = json.loads(FILE.read_text()) if FILE.exists() else {}
        kept[self.fault] = self.summary()
        FILE.write_text(json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(before + BEGIN + _table(kept) + END + rest.split(END)[1])


@contextmanager
def reporting(fault: str, long_run: LongRun) -> Iterator[Report]:
    """Yield a report. At the end, print it, and store it if the run was a long one."""
    report = Report(fault, long_run.seed)
    has_passed = False
    try:
        yield report
        has_passed = True
    finally:
        if not has_passed:
            report.besides.append("this run failed")
        print(f"\n{report}")  # noqa: T201
        if long_run.is_long:
            report.save()


def p99(seconds: Sequence[float]) -> float:
    """Return the 99th percentile of waits."""
    return sorted(seconds)[int(len(seconds) * 0.99)]


def _count(number: int | None) -> str:
    return NONE if number is None else f"{number:,}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return NONE
    return f"{seconds * 1_000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _table(kept: dict[str, Json]) -> str:
    counted = ("rounds", "operations", "lost", "duplicated", "wrong")
    head = ("fault", "run", "seed", *counted, "back after, median", "at most", "longest wait", "notes")
    lines = ["| " + " | ".join(line) + " |" for line in (head, ("---",) * len(head))]
    for fault, run in sorted(kept.items(), key=lambda each: _place(each[0])):
        counts = [_count(run[name]) for name in COUNTS]
        times = [_time(run[name]) for name in ("back_median", "back_most", "longest")]
        lines.append("| " + " | ".join([fault, run["at"], str(run["seed"]), *counts, *times, run["besides"]]) + " |")
    return "\n".join(lines) + "\n"


def _place(fault: str) -> tuple[str, int, str]:
    """Return a sort key that puts A2 before A10."""
    name = fault.split(maxsplit=1)[0]
    return name[0], int(name[1:]), fault
