"""Documents on paper: each sheet is set once, however many ask, and kept for a while."""

import asyncio
import logging
from collections import Counter
from dataclasses import replace
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

from cachetools import LRUCache

from schemas.core.documents import Document
from schemas.core.errors import InvalidBody
from schemas.printing.letterhead import A4, Letterhead
from schemas.printing.sheet import Sheet, build_sheet
from services.printing.worker_pool import SHORT, PdfFailed, PdfUnavailable, RenderPool, job_length
from services.printing.worker_protocol import Job

logger = logging.getLogger("pos")

#: How many bytes of PDFs a process keeps.
MAX_CACHE_BYTES: Final = 16 * 2**20
#: How many sheets one who asks may have under way, waiting ones included.
SHORT_PER_CLIENT: Final = 32
LONG_PER_CLIENT: Final = 2

#: What a sheet looks like, beside what it says.
_EDITION: Final = (
    *(files("services.printing").joinpath(name).read_bytes() for name in ("sheet.typ", "worker.py")),
    *(version(name).encode() for name in ("typst", "segno")),
)


class PdfRenderer:
    """:param zone: of the shop, for the times on paper. currency: ISO 4217."""

    def __init__(self, workers: RenderPool, zone: ZoneInfo, currency: str) -> None:
        self._workers = workers
        self._zone = zone
        self._currency = currency
        self._kept: LRUCache[str, bytes] = LRUCache(MAX_CACHE_BYTES, len)
        self._under_way: dict[str, asyncio.Task[bytes]] = {}
        # How many of them each has asked for, short and long ones apart.
        self._shares: Counter[tuple[str, bool]] = Counter()
        self._edition = blake2b(repr((_EDITION, workers.fonts_edition)).encode()).digest()

    def job(self, document: Document, head: Letterhead, paper: str | None = None) -> Job:
        """What `render` sets: a stored estimate or order.

        :param paper: one of `PAPERS`; None for the shop's own.
        """
        return Job(self.build_sheet(document, head), paper or head.paper, int(document["updated_at"].timestamp()))

    def name(self, job: Job) -> str:
        """Of this very sheet: one that says anything else, or looks otherwise, has another."""
        head = job.sheet.head
        said = repr((_without_logo(job), head.lines)).encode()
        return blake2b(b"".join((self._edition, said, head.logo or b"")), digest_size=12).hexdigest()

    async def render(self, job: Job, requester: str = "") -> bytes:
        """The sheet as a PDF.

        :param requester: who asks; one has only so many under way.
        :raises PdfUnavailable:
        """
        name = self.name(job)
        if (kept := self._kept.get(name)) is not None:
            return kept
        task = self._under_way.get(name)
        if task is None:
            share = (requester, job_length(job) > SHORT)
            if self._shares[share] >= (LONG_PER_CLIENT if share[1] else SHORT_PER_CLIENT):
                raise PdfUnavailable("Several documents of yours are being put on paper. Please try again in a moment.")
            self._shares[share] += 1
            task = self._under_way[name] = asyncio.create_task(self._make(job))
            task.add_done_callback(lambda done: self._keep(name, share, done))
        # Shielded: whoever goes away leaves the sheet to the others.
        return await asyncio.shield(task)

    def build_sheet(self, document: Document, head: Letterhead) -> Sheet:
        """What the paper says."""
        return build_sheet(document, head, self._zone, self._currency)

    async def check_logo(self, logo: bytes) -> None:
        """Sets a sheet with this picture on it, since only the typesetter knows which ones it can read.

        :raises InvalidBody: it cannot.
        :raises PdfUnavailable:
        """
        try:
            await self._workers.pdf(Job(_letterhead_only(Letterhead("", logo=logo)), A4, 0))
        except PdfFailed as error:
            detail = "must be a picture that can be printed; this one is damaged"
            raise InvalidBody(f"logo: {detail}.", [{"pointer": "/logo", "detail": detail}]) from error

    async def stop(self) -> None:
        await self._workers.stop()

    async def _make(self, job: Job) -> bytes:
        try:
            return await self._workers.pdf(job)
        except PdfFailed:
            if job.sheet.head.logo is None:
                raise
            # It could be read when it was set, by a typesetter of another version perhaps.
            logger.warning("The logo of %s cannot be printed.", job.sheet.head.business_name)
            return await self._workers.pdf(_without_logo(job))

    def _keep(self, name: str, share: tuple[str, bool], done: asyncio.Task[bytes]) -> None:
        del self._under_way[name]
        self._shares[share] -= 1
        if not self._shares[share]:
            del self._shares[share]
        if not done.cancelled() and done.exception() is None and len(done.result()) <= MAX_CACHE_BYTES:
            self._kept[name] = done.result()


def _without_logo(job: Job) -> Job:
    return job._replace(sheet=job.sheet._replace(head=replace(job.sheet.head, logo=None)))


def _letterhead_only(head: Letterhead) -> Sheet:
    """A sheet with a head alone."""
    return Sheet("", "", head, (), (), (), (), "", (), "", None, has_discounts=False)
