"""Draw the layers, the domains and the path of a sale.

    python -m scripts.house          writes docs/house.svg

A row is a layer and a column is a domain. Grey lines are imports between domains of different layers, taken from the
import graph. Imports from and to the shared packages are left out.
"""

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

import grimp

PAGE: Final = Path(__file__).parents[1] / "docs" / "house.svg"
LAYERS: Final = {
    "app": ("assembly: settings, middleware, command line", "#7c3aed"),
    "endpoints": ("HTTP and WebSocket handlers", "#0369a1"),
    "services": ("slow or external work", "#be185d"),
    "repositories": ("all database access", "#047857"),
    "schemas": ("shapes and pure rules, no I/O", "#b45309"),
}
#: Each column with its subject and its boxes. A box is one or several packages; a package without a column is an error.
COLUMNS: Final[dict[str, tuple[str, tuple[tuple[str, ...], ...]]]] = {
    "shared": (
        "used by all domains",
        (
            ("server", "middleware"),
            ("application", "composition", "config"),
            ("cli", "commands", "console"),
            ("observability",),
            ("routes",),
            ("http", "transfer"),
            ("database", "concurrency"),
            ("openapi", "documentation"),
            ("core", "fields", "text"),
        ),
    ),
    "sales": ("documents", (("sales",),)),
    "journal": ("all writes", (("leadership",), ("journal",), ("event_log",))),
    "reporting": ("rollups, board", (("reporting",),)),
    "live": ("WebSocket", (("live",),)),
    "accounts": ("users, sign-in", (("accounts",),)),
    "customers": ("with totals", (("customers",),)),
    "shop": ("store settings", (("shop",),)),
    "sharing": ("public links", (("sharing",),)),
    "printing": ("PDFs", (("printing",),)),
    "messaging": ("WhatsApp", (("messaging",),)),
    "auditing": ("audit, verify", (("auditing",),)),
    "archive": ("backup, import", (("archive", "legacy"),)),
    "diagnostics": ("health, demo", (("diagnostics", "demo", "migrations", "status"),)),
}
#: Small modules that the drawing leaves out.
OMITTED: Final = {"app.__main__", "app.clock", "app.problem_details", "app.refusals"}
#: The path of a sale: each module and what it does.
SALE: Final = (
    ("app.server.http_protocol", "reads the HTTP request, with a deadline"),
    ("endpoints.routes", "finds the handler"),
    ("endpoints.sales.orders", "handles the request"),
    ("schemas.sales.documents", "validates the body"),
    ("schemas.sales.pricing", "verifies the totals"),
    ("endpoints.http.commits", "submits the command to the journal"),
    ("repositories.leadership.shared_journal", "forwards the command to the leader"),
    ("repositories.journal.journal", "collects commands into a group"),
    ("repositories.journal.transaction", "commits the group"),
    ("repositories.sales.commands", "computes the change"),
    ("repositories.journal.unit_of_work", "collects the writes of the group"),
    ("schemas.reporting.rollups", "computes the changes of the rollups"),
    ("endpoints.live.hub", "receives the committed event"),
    ("endpoints.live.session", "sends it to each connected client"),
)

_LEFT, _SHARED, _COLUMN, _GAP = 16, 112, 84, 10
_HEAD, _TITLE, _LINE, _PAD, _BETWEEN, _STEP = 54, 26, 16, 18, 22, 20
_RADIUS: Final = 9
_WIDTH: Final = _LEFT + _SHARED + _GAP + (len(COLUMNS) - 1) * (_COLUMN + _GAP) + _LEFT
_STYLE: Final = """
text { font: 12.5px system-ui, sans-serif; fill: #1f2937 }
.title { font-weight: 600; font-size: 15px }
.about { font-size: 11.5px; fill: #6b7280 }
.column { font-weight: 600 }
.number { font-weight: 600; font-size: 11px; fill: #fff; text-anchor: middle }
.import { stroke: #6b7280; stroke-opacity: .3; fill: none }
.sale { stroke: #dc2626; stroke-width: 2; stroke-opacity: .75; fill: none; stroke-linejoin: round }
"""


class Box(NamedTuple):
    """One or several packages of a layer, in pixels."""

    layer: str
    names: tuple[str, ...]
    x: int
    y: int
    width: int

    @property
    def height(self) -> int:
        return len(self.names) * _LINE + _PAD

    @property
    def middle(self) -> int:
        return self.x + self.width // 2


def packages() -> dict[str, set[str]]:
    """Return the first-level modules of each layer, each with those of lower layers that it imports.

    :raises ValueError: for a module that has no place in the drawing.
    """
    graph = grimp.build_graph(*LAYERS, cache_dir=None)
    found: dict[str, set[str]] = {}
    for module in sorted(graph.modules):
        name = _package(module)
        if module not in LAYERS and name not in OMITTED:
            below = {_package(each) for each in graph.find_modules_directly_imported_by(module)}
            found.setdefault(name, set()).update(each for each in below if _layer(each) != _layer(name))
    placed = {name for _, boxes in COLUMNS.values() for names in boxes for name in names}
    if missing := {name for name in found if name.partition(".")[2] not in placed}:
        raise ValueError(f"Give these a column in scripts/house.py: {', '.join(sorted(missing))}")
    return found


def _package(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _layer(module: str) -> str:
    return module.partition(".")[0]


def layout(found: Mapping[str, set[str]]) -> tuple[list[Box], dict[str, int], int]:
    """Return the boxes, the height at which each layer begins, and the height at which the last one ends."""
    boxes: list[Box] = []
    tops: dict[str, int] = {}
    top = _HEAD
    for layer in LAYERS:
        tops[layer], bottom = top, top
        x = _LEFT
        for column, (_, groups) in COLUMNS.items():
            width, y = (_SHARED if column == "shared" else _COLUMN), top + _TITLE
            for group in groups:
                if names := tuple(name for name in group if f"{layer}.{name}" in found):
                    boxes.append(Box(layer, names, x, y, width))
                    y += boxes[-1].height + _GAP
            bottom, x = max(bottom, y), x + width + _GAP
        top = bottom + _BETWEEN
    return boxes, tops, top


def drawn() -> str:
    """Return the drawing as SVG."""
    found = packages()
    boxes, tops, bottom = layout(found)
    place = {f"{box.layer}.{name}": box for box in boxes for name in box.names}
    height = bottom + _STEP * ((len(SALE) + 2) // 2 + 1)
    points = _points(place, boxes)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'aria-label="The layers with their domains, and the path of a sale through them">'
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
    )
    parts = [
        head,
        *_columns(),
        *(part for name, top in tops.items() for part in _band(name, top)),
        *_imports(found, place),
        _path(points),
        *(_drawn_box(box) for box in boxes),
        *(_circle(number, x, y) for number, (x, y) in points.items()),
        *_legend(bottom),
    ]
    return "\n".join([*parts, "</svg>", ""])


def _columns() -> Iterator[str]:
    x = _LEFT
    for column, (about, _) in COLUMNS.items():
        yield f'<text class="column" x="{x}" y="24">{column}</text><text class="about" x="{x}" y="40">{about}</text>'
        x += (_SHARED if column == "shared" else _COLUMN) + _GAP


def _band(layer: str, top: int) -> Iterator[str]:
    about, colour = LAYERS[layer]
    yield f'<path d="M{_LEFT} {top - 4}H{_WIDTH - _LEFT}" stroke="{colour}"/>'
    yield f'<text class="title" x="{_LEFT}" y="{top + 15}" style="fill:{colour}">{layer}/</text>'
    yield f'<text class="about" x="{_LEFT + 110}" y="{top + 15}">{escape(about)}</text>'


def _imports(found: Mapping[str, set[str]], place: Mapping[str, Box]) -> Iterator[str]:
    lines = {(place[above], place[each]) for above, below in found.items() for each in below}
    for above, below in sorted(line for line in lines if all(box.width == _COLUMN for box in line)):
        start, bend = above.y + above.height, (below.y - above.y - above.height) // 2
        yield (
            f'<path class="import" d="M{above.middle} {start}C{above.middle} {start + bend} '
            f'{below.middle} {below.y - bend} {below.middle} {below.y}"/>'
        )


def _drawn_box(box: Box) -> str:
    colour = LAYERS[box.layer][1]
    names = "".join(
        f'<text x="{box.x + 9}" y="{box.y + 18 + line * _LINE}">{name}</text>' for line, name in enumerate(box.names)
    )
    return (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="5" fill="#fff" '
        f'stroke="{colour}"/>{names}'
    )


def _points(place: Mapping[str, Box], boxes: list[Box]) -> dict[int, tuple[int, int]]:
    """Return the position of each step. The steps in one box stand side by side on its lower edge."""
    steps: dict[Box, list[int]] = {box: [] for box in boxes}
    for number, (module, _) in enumerate(SALE, 1):
        steps[place[_package(module)]].append(number)
    points = {
        number: (box.x + box.width - 12 - 22 * (len(numbers) - 1 - index), box.y + box.height)
        for box, numbers in steps.items()
        for index, number in enumerate(numbers)
    }
    return dict(sorted(points.items()))


def _path(points: Mapping[int, tuple[int, int]]) -> str:
    return f'<path class="sale" d="M{"L".join(f"{x} {y}" for x, y in points.values())}"/>'


def _circle(number: int, x: int, y: int) -> str:
    text = f'<text class="number" x="{x}" y="{y + 4}">{number}</text>'
    return f'<circle cx="{x}" cy="{y}" r="{_RADIUS}" fill="#dc2626"/>{text}'


def _legend(top: int) -> Iterator[str]:
    yield f'<text class="title" x="{_LEFT}" y="{top + 4}">The path of a sale</text>'
    half = (len(SALE) + 1) // 2
    for index, (module, about) in enumerate(SALE):
        x, y = _LEFT + index // half * (_WIDTH // 2), top + _STEP * (index % half + 1) + 8
        text = f'<text x="{x + 26}" y="{y}">{path(module)}: {about}</text>'
        yield _circle(index + 1, x + _RADIUS, y - 4) + text


def path(module: str) -> str:
    return module.replace(".", "/") + ".py"


if __name__ == "__main__":
    PAGE.write_text(drawn())
