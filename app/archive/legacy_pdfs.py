"""The PDF files of the earlier backend, `static/estimates/estimate_<32 hex>.pdf`, read from its folder."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from app.console.output import FileRefused
from schemas.core.limits import MAX_UPLOAD
from schemas.messaging.requests import PDF_MAGIC

_NAME: Final = re.compile(r"(estimate_[0-9A-Fa-f]{32})\.pdf", re.ASCII)
#: Where the earlier backend kept them, within the folder that it served.
_WITHIN: Final = "estimates"


class OldPdf(NamedTuple):
    """A file. token: its name without the ending, as the address has it. defect: why it cannot be brought."""

    token: str
    content: bytes = b""
    defect: str | None = None


def old_pdfs(folder: Path) -> Iterator[OldPdf]:
    """Yield the files of a folder that the earlier backend named, or of the folder `estimates` in it.

    Each is read when its turn comes, up to the largest size of an upload. Other names are passed over.

    :raises FileRefused: it is no folder that can be read.
    """
    try:
        within = folder / _WITHIN
        paths = sorted((within if within.is_dir() else folder).iterdir())
    except OSError as error:
        raise FileRefused(f"{folder} is no folder that can be read: {error.strerror}.") from error
    for path in paths:
        match = _NAME.fullmatch(path.name)
        if match:
            yield _read(match[1], path)


def _read(token: str, path: Path) -> OldPdf:
    """What is no plain file is not opened, and not waited for where it takes a file's place meanwhile."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return OldPdf(token, defect="is no file")
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            content = file.read(MAX_UPLOAD + 1)
    except OSError as error:
        return OldPdf(token, defect=f"cannot be read: {error.strerror}")
    if len(content) > MAX_UPLOAD:
        return OldPdf(token, defect=f"has more than {MAX_UPLOAD >> 20} MiB")
    if not content.startswith(PDF_MAGIC):
        return OldPdf(token, defect="is no PDF")
    return OldPdf(token, content)
