"""The PDF worker: a process that reads jobs and writes PDFs, one after another, until its parent ends.

python -m services.printing.worker MOST_MEMORY [FONT_DIR]
"""

import io
import os
import pickle
import resource
import signal
import sys
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson
import segno
import typst

from schemas.printing.sheet import Sheet
from services.printing.fonts import FAMILIES, font_folders
from services.printing.worker_protocol import DONE, FAILED, LENGTH, Job

TEMPLATE: Final = files("services.printing").joinpath("sheet.typ").read_bytes()
_NICE: Final = 15


class PdfWorker:
    """Renders PDFs with typst. The same job gives the same bytes in every process."""

    def __init__(self, font_dir: str | None = None) -> None:
        fonts = typst.Fonts(include_system_fonts=False, font_paths=list(font_folders(font_dir)))
        self._families = [family for family in FAMILIES if family in fonts.families()]
        self._compiler = typst.Compiler(font_paths=fonts, ignore_system_fonts=True)

    def render(self, job: Job) -> bytes:
        """Return the PDF of a job.

        :raises RuntimeError: it cannot be rendered, for example because the logo is no picture.
        """
        shown = {**_shown(job.sheet), "fonts": self._families, "paper": job.paper}
        content = self._compiler.compile(
            TEMPLATE,
            format="pdf",
            sys_inputs={"sheet": orjson.dumps(shown).decode()},
            timestamp=job.instant,
            pdf_tags=False,
        )
        assert isinstance(content, bytes)  # noqa: S101  (for the type checker: only images give lists)
        return content


def qr_code(text: str) -> str:
    """Return a QR code as SVG, with the quiet zone that readers need."""
    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", border=4, xmldecl=False)
    return out.getvalue().decode()


def _shown(sheet: Sheet) -> dict[str, Any]:
    head = sheet.head
    return {
        **sheet._asdict(),
        "rows": [row._asdict() for row in sheet.rows],
        "head": {
            "business_name": head.business_name,
            "lines": head.lines,
            "footer": head.footer.splitlines(),
            "upi_id": head.upi_id,
        },
        "logo": None if head.logo is None else list(head.logo),
        "qr": None if sheet.pay is None else qr_code(sheet.pay),
    }


def serve(worker: PdfWorker, jobs: BinaryIO, answers: BinaryIO) -> None:
    """Render each job until the input ends."""
    while header := jobs.read(LENGTH.size):
        job: Job = pickle.loads(jobs.read(*LENGTH.unpack(header)))  # noqa: S301  (only the parent writes it)
        try:
            answer = DONE + worker.render(job)
        except RuntimeError as error:
            answer = FAILED + str(error).encode()
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def lower_priority() -> None:
    """Lower the priority of this process, so that sales go first."""
    os.nice(_NICE)
    # If Linux schedules sessions as groups, niceness only counts within a group; this sets that of the group.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICE))


def main(max_memory: int, font_dir: str | None = None) -> None:
    # The server handles Ctrl-C and ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (max_memory, max_memory))
    lower_priority()
    serve(PdfWorker(font_dir), sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
