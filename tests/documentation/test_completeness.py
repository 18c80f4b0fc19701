"""The documentation is complete: every setting, route, error code, command and close code has an entry."""

import re
from pathlib import Path

import pytest
from starlette.routing import Route
from websockets.frames import CloseCode

from app.application import create_app
from app.cli import MODULES
from app.config.settings import Settings
from endpoints.routes import ROUTES
from schemas.core.errors import ShopError
from schemas.live.close_codes import REASONS
from scripts import house
from tests.config.test_settings import NAMES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
#: Folders whose files the documentation names by their path.
FOLDERS = {*house.LAYERS, "benchmarks", "scripts", "tests"}


def table_cells(text: str) -> str:
    """Return the first two cells of each table row. They hold the documented names."""
    return "\n".join("|".join(line.split("|")[1:3]) for line in text.splitlines() if line.startswith("|"))


NAMED = "\n".join(table_cells(page.read_text()) for page in PAGES)


def headings(page: Path) -> set[str]:
    """Return the anchors of a page, as GitHub derives them from its headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def refusals() -> list[type[ShopError]]:
    create_app(Settings())
    classes: list[type[ShopError]] = [ShopError]
    for each in classes:
        classes += each.__subclasses__()
    return classes[1:]


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in NAMED


@pytest.mark.parametrize("path", [route.path for route in ROUTES if isinstance(route, Route)])
def test_every_route_is_documented(path: str) -> None:
    assert re.search(rf"`(?:[A-Z, ]+ )?{re.escape(path)}(?:\?[^`]*)?`", NAMED)


def test_every_error_code_is_documented() -> None:
    codes = {each.code for each in refusals()}
    assert [code for code in sorted(codes) if f"`{code}`" not in NAMED] == []


@pytest.mark.parametrize("code", [*REASONS, CloseCode.MESSAGE_TOO_BIG])
def test_every_close_code_is_documented(code: int) -> None:
    assert re.search(rf"\b{int(code)}\b", NAMED)


def test_every_command_is_documented() -> None:
    assert [name for name in MODULES if f"`pos {name}" not in NAMED] == []


def test_every_make_target_in_the_documentation_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`?\bmake ([a-z-]+)`", page.read_text())}
    assert named - targets == set()


def test_every_source_file_in_the_documentation_exists() -> None:
    pages = [page for page in PAGES if page.name != "CHANGELOG.md"]
    named = {name for page in pages for name in re.findall(r"`((?:\w+/)+\w+\.\w+)`", page.read_text())}
    assert {name for name in named if name.partition("/")[0] in FOLDERS and not (ROOT / name).exists()} == set()


def test_every_test_file_in_the_documentation_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"`(test_\w+\.py)`", page.read_text())}
    assert named - {path.name for path in (ROOT / "tests").rglob("test_*.py")} == set()


def test_the_drawing_names_existing_files() -> None:
    assert [module for module, _ in house.SALE if not (ROOT / house.path(module)).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_and_headings_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text())
    targets = [(page.parent / file if file else page, heading) for file, heading in links]
    assert [file for file, heading in targets if not file.exists()] == []
    assert [(file, heading) for file, heading in targets if heading and heading not in headings(file)] == []


def test_the_drawing_of_the_layers_is_up_to_date() -> None:
    """Run `make docs` if this fails."""
    assert house.PAGE.read_text() == house.drawn()
