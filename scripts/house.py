"""Draws the house: every module on its floor, and what it imports of the floors below.

    python -m scripts.house          writes docs/house.svg

The arrows are those of the import graph, which `make check` holds to go down only; the numbers are the way of a sale.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

import grimp

FLOORS: Final = ("app", "endpoints", "services", "repositories", "schemas")
PAGE: Final = Path(__file__).parents[1] / "docs" / "house.svg"
#: The modules that a sale passes, in its order.
SALE: Final = (
    "app.server.http_protocol",
    "endpoints.routes",
    "endpoints.sales.orders",
    "schemas.sales.documents",
    "schemas.sales.pricing",
    "repositories.sales.orders",
    "repositories.leadership.shared_journal",
    "repositories.journal.journal",
    "repositories.journal.transaction",
    "repositories.sales.commands",
    "repositories.journal.unit_of_work",
    "schemas.reporting.rollups",
    "endpoints.live.hub",
    "endpoints.live.session",
)

_WIDTH, _LEFT, _GAP = 1500, 24, 14
_BOX, _LINE, _TITLE, _BETWEEN = 30, 44, 40, 70
_CHARACTER: Final = 7.6
_COLOURS: Final = {
    "app": "#7c3aed",
    "endpoints": "#0369a1",
    "services": "#be185d",
    "repositories": "#047857",
    "schemas": "#b45309",
}
_STYLE: Final = """
text { font: 13px ui-monospace, monospace; fill: #1f2937; paint-order: stroke; stroke: #fff; stroke-width: 4px }
.title { font: 600 16px system-ui, sans-serif }
.about { font: 13px system-ui, sans-serif; fill: #4b5563 }
.step { font: 600 11px system-ui, sans-serif; fill: #fff; stroke: none; text-anchor: middle }
.import { fill: none; stroke-opacity: .28 }
"""

Imports = Mapping[str, set[str]]


class Box(NamedTuple):
    """A module in the drawing, in pixels."""

    x: float
    y: float
    width: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


def imports() -> Imports:
    """What each module imports of other floors."""
    graph = grimp.build_graph(*FLOORS, cache_dir=None)
    return {
        module: {each for each in graph.find_modules_directly_imported_by(module) if floor(each) != floor(module)}
        for module in graph.modules
        if module not in FLOORS
    }


def floor(module: str) -> str:
    return module.partition(".")[0]


def in_order(found: Imports) -> dict[str, list[str]]:
    """The modules of each floor, each near what it imports, so that the arrows cross less; floors are settled from the
    ground up."""
    orders: dict[str, list[str]] = {}
    places: dict[str, float] = {}
    for name in reversed(FLOORS):
        modules = sorted(module for module in found if floor(module) == name)
        weight = {module: _mean([places[each] for each in sorted(found[module])]) for module in modules}
        orders[name] = sorted(modules, key=lambda module: (weight[module], module))
        places |= {module: (index + 0.5) / len(modules) for index, module in enumerate(orders[name])}
    return orders


def _mean(places: Sequence[float]) -> float:
    """Rounded, so that what is equal is a tie whatever was added first."""
    return round(sum(places) / len(places), 6) if places else 0.5


def placed(orders: Mapping[str, Sequence[str]]) -> tuple[dict[str, Box], dict[str, float], float]:
    """Every module's box, the height at which each floor begins, and that of the whole."""
    boxes: dict[str, Box] = {}
    tops: dict[str, float] = {}
    y = 20.0
    for name in FLOORS:
        tops[name] = y
        y += _TITLE
        x: float = _LEFT
        for module in orders[name]:
            width = len(label(module)) * _CHARACTER + 22
            if x + width > _WIDTH - _LEFT:
                x, y = _LEFT, y + _LINE
            boxes[module] = Box(x, y, width)
            x += width + _GAP
        y += _BOX + _BETWEEN
    return boxes, tops, y - _BETWEEN + 20


def label(module: str) -> str:
    return module.partition(".")[2]


def drawn() -> str:
    found = imports()
    boxes, tops, height = placed(in_order(found))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        'aria-label="The modules of each floor, and what they import of the floors below">'
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
    )
    parts = [head]
    parts += [_floor(name, tops[name]) for name in FLOORS]
    parts += [
        _arrow(boxes[module], boxes[each], floor(module)) for module in sorted(found) for each in sorted(found[module])
    ]
    parts += [_box(module, boxes[module]) for module in sorted(boxes)]
    return "\n".join([*parts, "</svg>", ""])


def _floor(name: str, top: float) -> str:
    about = (Path(__file__).parents[1] / name / "__init__.py").read_text().split('"""')[1].strip()
    return (
        f'<text class="title" x="{_LEFT}" y="{top + 14:.0f}" style="fill:{_COLOURS[name]}">{name}/</text>'
        f'<text class="about" x="{_LEFT + 120}" y="{top + 14:.0f}">{escape(about)}</text>'
    )


def _arrow(above: Box, below: Box, name: str) -> str:
    start, end = (round(above.middle), round(above.y + _BOX)), (round(below.middle), round(below.y))
    bend = (end[1] - start[1]) // 2
    curve = f"M{start[0]} {start[1]}C{start[0]} {start[1] + bend} {end[0]} {end[1] - bend} {end[0]} {end[1]}"
    return f'<path class="import" stroke="{_COLOURS[name]}" d="{curve}"/>'


def _box(module: str, box: Box) -> str:
    colour = _COLOURS[floor(module)]
    x, y = round(box.x), round(box.y)
    drawn = (
        f'<rect x="{x}" y="{y}" width="{box.width:.0f}" height="{_BOX}" rx="6" fill="#fff" stroke="{colour}"/>'
        f'<text x="{x + 11}" y="{y + 20}">{escape(label(module))}</text>'
    )
    if module in SALE:
        step = SALE.index(module) + 1
        drawn += (
            f'<circle cx="{box.x + box.width:.0f}" cy="{box.y:.0f}" r="10" fill="{colour}"/>'
            f'<text class="step" x="{box.x + box.width:.0f}" y="{box.y + 4:.0f}">{step}</text>'
        )
    return drawn


if __name__ == "__main__":
    PAGE.write_text(drawn())
