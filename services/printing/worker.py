"""A process that sets paper: jobs in, PDFs out, one after another, until its parent goes.

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
    """Fonts are looked for once. What is set twice comes out byte for byte the same, in any process.

    :param font_dir: the operator's own fonts, in place of those that are installed with the service.
    """

    def __init__(self, font_dir: str | None = None) -> None:
        fonts = typst.Fonts(include_system_fonts=False, font_paths=list(font_folders(font_dir)))
        self._families = [family for family in FAMILIES if family in fonts.families()]
        self._compiler = typst.Compiler(font_paths=fonts, ignore_system_fonts=True)

    def pdf(self, job: Job) -> bytes:
        """:raises RuntimeError: it cannot be set, as with a picture that is none."""
        shown = {**_shown(job.sheet), "fonts": self._families, "paper": job.paper}
        content = self._compiler.compile(
            TEMPLATE,
            format="pdf",
            sys_inputs={"sheet": orjson.dumps(shown).decode()},
            timestamp=job.instant,
            pdf_tags=False,
        )
        assert isinstance(content, bytes)  # noqa: S101  (for the type checker: lists are of pictures)
        return content


def qr_code(text: str) -> str:
    """A QR code as SVG, with the quiet zone that readers need."""
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
    """Sets each job that comes, until none can come any more."""
    while header := jobs.read(LENGTH.size):
        job: Job = pickle.loads(jobs.read(*LENGTH.unpack(header)))  # noqa: S301  (from the parent alone)
        try:
            answer = DONE + worker.pdf(job)
        except RuntimeError as error:
            answer = FAILED + str(error).encode()
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def lower_priority() -> None:
    """Those who sell go first: whatever this process does is done with what they leave."""
    os.nice(_NICE)
    # Where Linux schedules sessions as groups, niceness counts inside of one only; this is that of the whole group.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICE))


def main(max_memory: int, font_dir: str | None = None) -> None:
    # Ctrl-C is the server's to act on, which ends this in its turn.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (max_memory, max_memory))
    lower_priority()
    serve(PdfWorker(font_dir), sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
