"""The PDF files of the earlier backend, `static/estimates/estimate_<32 hex>.pdf`."""

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
#: The folder of the PDF files in the folder that the earlier backend served.
_WITHIN: Final = "estimates"


class OldPdf(NamedTuple):
    """One file. `token` is its name without the ending, as in the address; `defect` is why it cannot be imported."""

    token: str
    content: bytes = b""
    defect: str | None = None


def old_pdfs(folder: Path) -> Iterator[OldPdf]:
    """Yield the PDF files of a folder, or of the folder `estimates` in it.

    Each file is read when it is needed, up to the maximum size of an upload. Files with other names are skipped.

    :raises FileRefused: the folder cannot be read.
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
    """Read a plain file. Another kind of file is not opened, so that a pipe does not block."""
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
