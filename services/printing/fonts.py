"""The fonts of PDFs: Noto Sans, with a family for each script of India."""

from pathlib import Path
from typing import Final

import manimgx_fonts

#: In order of preference. "Noto Sans Arabic Static" is a copy in the folder `noto`: with the variable font of the
#: package, Urdu text that is copied from a PDF has wrong letters.
FAMILIES: Final = (
    *("Noto Sans", "Noto Sans Arabic Static", "Noto Sans Arabic", "Noto Sans Devanagari", "Noto Sans Bengali"),
    *("Noto Sans Gurmukhi", "Noto Sans Gujarati", "Noto Sans Oriya", "Noto Sans Tamil", "Noto Sans Telugu"),
    *("Noto Sans Kannada", "Noto Sans Malayalam"),
)
#: Folders of the fonts that are installed with the service.
INSTALLED: Final = (str(Path(__file__).parent / "noto"), str(manimgx_fonts.__path__[0]))


def font_folders(font_dir: str | None) -> tuple[str, ...]:
    """Return the folders to load fonts from: that of the operator, if set, replaces the installed fonts."""
    return INSTALLED if font_dir is None else (font_dir,)


def edition_of(folders: tuple[str, ...]) -> str:
    """Return a text that changes when the fonts change: the names and sizes of their files."""
    found = (path for folder in folders for path in Path(folder).glob("*.[ot]t[fc]"))
    return str(sorted((path.name, path.stat().st_size) for path in found))
