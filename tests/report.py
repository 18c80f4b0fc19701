"""What the tests of endurance saw, in figures: a line a run on the terminal, and on the page `docs/reliability.md`."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.oracle.judge import Verdict
from tests.oracle.tills import Crew

ROOT = Path(__file__).parents[1]
FILE = ROOT / "tests" / "soak.json"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- written by `make soak` -->\n", "<!-- until here -->\n"


@dataclass
class Report:
    """One fault, over all rounds. seconds: how long it took each time until a sale was booked again."""

    fault: str
    seed: int
    rounds: int = 0
    operations: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    worst_seconds: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def add(self, crew: Crew, verdict: Verdict, seconds: Sequence[float], rounds: int) -> None:
        self.rounds += rounds
        self.operations += crew.operations
        self.lost += len(verdict.lost)
        self.doubled += len(verdict.doubled)
        self.wrong += len(verdict.wrong)
        self.worst_seconds = max(self.worst_seconds, crew.worst_seconds)
        self.seconds += seconds

    def __str__(self) -> str:
        recovery = (
            f", back after {statistics.median(self.seconds):.1f} s (at most {max(self.seconds):.1f})"
            if self.seconds
            else ""
        )
        return (
            f"{self.fault} (seed {self.seed}): {self.rounds} rounds, {self.operations:,} operations, {self.lost} lost, "
            f"{self.doubled} doubled, {self.wrong} wrong{recovery}, the longest took {self.worst_seconds:.1f} s"
        )

    def save(self) -> None:
        """Beside what other runs have left; and puts them all on the page."""
        kept = json.loads(FILE.read_text()) if FILE.exists() else {}
        kept[self.fault] = {**asdict(self), "at": datetime.now(UTC).date().isoformat()}
        FILE.write_text(json.dumps(kept, indent=1) + "\n")
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(before + BEGIN + _table(kept) + END + rest.split(END)[1])


def _table(kept: dict[str, Any]) -> str:
    names = ("fault", "run", "seed", "rounds", "operations", "lost", "doubled", "wrong")
    head = (*names, "back after, median", "at most", "longest wait")
    lines = ["| " + " | ".join(line) + " |" for line in (head, ("---",) * len(head))]
    for fault, run in sorted(kept.items()):
        back = [f"{statistics.median(run['seconds']):.1f} s", f"{max(run['seconds']):.1f} s"]
        counts = [f"{run[name]:,}" for name in ("rounds", "operations", "lost", "doubled", "wrong")]
        wait = f"{run['worst_seconds']:.1f} s"
        lines.append("| " + " | ".join([fault, run["at"], str(run["seed"]), *counts, *back, wait]) + " |")
    return "\n".join(lines) + "\n"
