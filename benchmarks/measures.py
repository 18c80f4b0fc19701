"""Results: figures with their yardsticks, as tables and JSON."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results.json")

console = Console(width=160)


@dataclass(frozen=True, slots=True)
class Row:
    """A figure with a yardstick of the same run.

    `ratio`: the figure divided by the yardstick. `target`: the required ratio (or figure, without a yardstick), such
    as `">= 0.45"`; None without a requirement.
    """

    what: str
    ours: float
    unit: str
    yardstick: str | None = None
    theirs: float | None = None
    target: str | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.theirs is None else self.ours / self.theirs

    @property
    def is_met(self) -> bool | None:
        if self.target is None:
            return None
        relation, bound = self.target.split()
        value = self.ours if self.ratio is None else self.ratio
        return value >= float(bound) if relation == ">=" else value <= float(bound)


@dataclass(slots=True)
class Results:
    """All results of a run. `series`: points (x, y) of the plots, by name."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    series: dict[str, dict[str, list[tuple[Any, float]]]] = field(default_factory=dict)
    # When the last row of each section was measured.
    _at: dict[str, str] = field(default_factory=dict)

    def add(self, section: str, *rows: Row) -> None:
        self._at[section] = datetime.now(UTC).isoformat(timespec="minutes")
        for row in rows:
            self.rows.setdefault(section, []).append(row)
            theirs = "" if row.theirs is None else f"   {row.yardstick}: {shown(row.theirs)}   ratio {row.ratio:.2f}"
            target = "" if row.target is None else f"   target {row.target}: {'met' if row.is_met else 'not met'}"
            console.print(f"  {row.what}: {shown(row.ours)} {row.unit}{theirs}{target}", highlight=False)

    def print(self) -> None:
        for section, rows in self.rows.items():
            table = Table("what", "ours", "unit", "yardstick", "theirs", "ratio", "target", "met", title=section)
            for row in rows:
                table.add_row(*cells(row))
            console.print(table)

    def save(self) -> None:
        """Add the results to the stored ones. Sections that this run left out stay."""
        kept = load() if RESULTS.exists() else {"sections": {}, "series": {}}
        for section, rows in self.rows.items():
            about = {"at": self._at[section], "machine": machine()}
            kept["sections"][section] = {**about, "rows": [_kept(row) for row in rows]}
        kept["series"].update(self.series)
        RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def load() -> Any:
    return json.loads(RESULTS.read_text())


def cells(row: Row) -> list[str]:
    """Return a row as text."""
    met = "" if row.is_met is None else "yes" if row.is_met else "no"
    theirs = "" if row.theirs is None else shown(row.theirs)
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return [row.what, shown(row.ours), row.unit, row.yardstick or "", theirs, ratio, row.target or "", met]


def shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux, Python {platform.python_version()}"


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def p99(times: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return sorted(times)[int(len(times) * 0.99)]


def typical(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Return the figures of the round with the median ratio, since figures of one round share the state of the
    machine."""
    rounds = sorted(zip(ours, theirs, strict=True), key=lambda pair: pair[0] / pair[1])
    return rounds[len(rounds) // 2]


def _kept(row: Row) -> dict[str, Any]:
    return {**asdict(row), "ratio": row.ratio, "is_met": row.is_met}
