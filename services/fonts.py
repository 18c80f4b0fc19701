"""The fonts of the shop's paper: Noto Sans, a family for each script, as Debian's `fonts-noto-core` has them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from schemas.errors import ShopError
from schemas.scripts import BLOCKS

DEBIANS: Final = "/usr/share/fonts/truetype/noto"
#: In the order of preference. The last is part of the typesetter, and has all that Latin text and amounts need.
FAMILIES: Final = ("Noto Sans", *(f"Noto Sans {script}" for script in BLOCKS), "Libertinus Serif")


class FontsMissing(ShopError):
    """The machine that the service runs on cannot write a script of the document."""

    status, code, title = 503, "fonts_missing", "Fonts are missing"


class Fonts:
    """Those of a folder, as it is when the service starts."""

    def __init__(self, folder: str) -> None:
        # All of them: what Noto Sans does not have is taken from any other font that is there.
        sizes = {path.name: path.stat().st_size for path in sorted(Path(folder).glob("*.[ot]t[fc]"))}
        self._there = frozenset(name for name in ("", *BLOCKS) if f"NotoSans{name}-Regular.ttf" in sizes)
        #: What paper looks like hangs on this.
        self.edition = str(sizes)

    @property
    def missing(self) -> tuple[str, ...]:
        """The scripts that cannot be written as they should be; without Noto Sans, `Latin` is one: it looks older."""
        return tuple(name or "Latin" for name in ("", *BLOCKS) if name not in self._there)

    def check(self, scripts: Iterable[str]) -> None:
        """:raises FontsMissing: there is none for one of these scripts."""
        absent = sorted(set(scripts) - self._there)
        if absent:
            raise FontsMissing(
                f"This server has no font for {', '.join(absent)}: install Noto Sans (Debian: fonts-noto-core), or set "
                "FONT_DIR to the folder where it is, and start the service again."
            )
