"""Generate `docs/performance.md` and its plots from `results.json` and the template `performance.md.in`.

In the template, `{{table NAME}}` becomes the table of a section and `{{plot NAME}}` the plot of a series.
"""

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot

from benchmarks.measures import Row, cells, load

TEMPLATE = Path(__file__).with_name("performance.md.in")
DOCS = Path(__file__).parent.parent / "docs"
HEAD = ("measurement", "result", "unit", "yardstick", "its result", "ratio", "target", "met")


def write_page() -> None:
    kept = load()
    DOCS.mkdir(exist_ok=True)
    text = re.sub(
        r"\{\{(table|plot) (.+?)\}\}",
        lambda found: (_table if found[1] == "table" else _plot)(found[2], kept),
        TEMPLATE.read_text(),
    )
    (DOCS / "performance.md").write_text(text)


def _table(section: str, kept: Any) -> str:
    measured = kept["sections"].get(section)
    if measured is None:
        return "*Not measured yet.*"
    rows = [Row(**{name: row[name] for name in Row.__slots__}) for row in measured["rows"]]
    lines = [HEAD, ("---",) * len(HEAD), *(cells(row) for row in rows)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{table}\n\nMeasured {measured['at']} on {measured['machine']}."


def _plot(name: str, kept: Any) -> str:
    series = kept["series"].get(name)
    if series is None:
        return ""
    file = DOCS / "plots" / (re.sub(r"\W+", "-", name.lower()).strip("-") + ".svg")
    file.parent.mkdir(exist_ok=True)
    # So that the same figures make the same file.
    mpl.rcParams.update({"svg.hashsalt": "pos", "font.size": 9})
    figure, axes = pyplot.subplots(figsize=(7, 3.2))
    places = {place for points in series.values() for place, _ in points}
    if all(isinstance(place, str) for place in places):
        labels, values = zip(*next(iter(series.values())), strict=True)
        bars = axes.barh(labels, values, color="#3b6ea5")
        axes.bar_label(bars, fmt="{:,.0f}", padding=3)
        axes.invert_yaxis()
        axes.margins(x=0.15)
    else:
        for label, points in series.items():
            axes.plot(*zip(*points, strict=True), marker="o", label=label)
        if max(places) > 100 * (min(places) or 1):
            axes.set_xscale("symlog" if min(places) == 0 else "log")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        axes.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.grid(visible=True, alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(name, loc="left")
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)
    return f"![{name}]({file.relative_to(DOCS)})"


if __name__ == "__main__":
    write_page()
