"""The fonts that documents are set in: Noto Sans, a family for each script that India's shops write in."""

from pathlib import Path
from typing import Final

import manimgx_fonts

#: In the order of preference. "Noto Sans Arabic Static" is the service's own copy, in the folder `noto`: Urdu that is
#: set in the variable font of the package is copied out of a PDF with wrong letters.
FAMILIES: Final = (
    *("Noto Sans", "Noto Sans Arabic Static", "Noto Sans Arabic", "Noto Sans Devanagari", "Noto Sans Bengali"),
    *("Noto Sans Gurmukhi", "Noto Sans Gujarati", "Noto Sans Oriya", "Noto Sans Tamil", "Noto Sans Telugu"),
    *("Noto Sans Kannada", "Noto Sans Malayalam"),
)
#: The folders of the fonts that are installed with the service.
INSTALLED: Final = (str(Path(__file__).parent / "noto"), str(manimgx_fonts.__path__[0]))


def font_folders(font_dir: str | None) -> tuple[str, ...]:
    """Return the folders to load fonts from.

    :param font_dir: the operator's own, in place of those that are installed with the service.
    """
    return INSTALLED if font_dir is None else (font_dir,)


def edition_of(folders: tuple[str, ...]) -> str:
    """Return what differs where the fonts differ: the names and sizes of their files."""
    found = (path for folder in folders for path in Path(folder).glob("*.[ot]t[fc]"))
    return str(sorted((path.name, path.stat().st_size) for path in found))
