"""PDFs of documents: each is rendered once, however many clients request it, and cached for a while."""

import logging
from collections import Counter
from dataclasses import replace
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

from cachetools import LRUCache

from repositories.concurrency.single_flight import SingleFlight
from schemas.core.documents import Document
from schemas.core.errors import InvalidBody
from schemas.printing.letterhead import A4, Letterhead
from schemas.printing.sheet import Sheet, build_sheet
from services.printing.worker_pool import SHORT, PdfFailed, PdfUnavailable, RenderPool, job_length
from services.printing.worker_protocol import Job

logger = logging.getLogger("pos")

#: Bytes of PDFs in the cache of a process.
MAX_CACHE_BYTES: Final = 16 * 2**20
#: Jobs that one client may have in progress or waiting.
SHORT_PER_CLIENT: Final = 32
LONG_PER_CLIENT: Final = 2

#: Everything that determines the layout of a PDF.
_EDITION: Final = (
    *(files("services.printing").joinpath(name).read_bytes() for name in ("sheet.typ", "worker.py")),
    *(version(name).encode() for name in ("typst", "segno")),
)


class PdfRenderer:
    """Renders PDFs in a pool of workers.

    :param zone: the time zone of the shop.
    :param currency: ISO 4217.
    """

    def __init__(self, workers: RenderPool, zone: ZoneInfo, currency: str) -> None:
        self._workers = workers
        self._zone = zone
        self._currency = currency
        self._cache: LRUCache[str, bytes] = LRUCache(MAX_CACHE_BYTES, len)
        self._rendering: SingleFlight[str, bytes] = SingleFlight()
        # Jobs in progress by client, short and long ones separately.
        self._shares: Counter[tuple[str, bool]] = Counter()
        self._edition = blake2b(repr((_EDITION, workers.fonts_edition)).encode()).digest()

    def job(self, document: Document, head: Letterhead, paper: str | None = None) -> Job:
        """Return the job of a stored estimate or order.

        :param paper: one of `PAPERS`; None for that of the shop.
        """
        return Job(self.build_sheet(document, head), paper or head.paper, int(document["updated_at"].timestamp()))

    def digest(self, job: Job) -> str:
        """Return the digest of everything that determines the PDF."""
        head = job.sheet.head
        content = repr((_without_logo(job), head.lines)).encode()
        return blake2b(b"".join((self._edition, content, head.logo or b"")), digest_size=12).hexdigest()

    async def render(self, job: Job, requester: str = "") -> bytes:
        """Return the PDF of a job.

        :param requester: identifies the client, whose number of jobs is limited.
        :raises PdfUnavailable: the client has too many jobs, or see `RenderPool.render`.
        :raises PdfFailed: it cannot be rendered.
        """
        name = self.digest(job)
        if (kept := self._cache.get(name)) is not None:
            return kept
        share = (requester, job_length(job) > SHORT)
        if name not in self._rendering:
            if self._shares[share] >= (LONG_PER_CLIENT if share[1] else SHORT_PER_CLIENT):
                raise PdfUnavailable("Several of your PDFs are still being rendered. Please try again in a moment.")
            self._shares[share] += 1
        return await self._rendering(name, lambda: self._make(name, job, share))

    def build_sheet(self, document: Document, head: Letterhead) -> Sheet:
        """Return the content of the PDF."""
        return build_sheet(document, head, self._zone, self._currency)

    async def check_logo(self, logo: bytes) -> None:
        """Render a PDF with this picture, since only typst knows which ones it can read.

        :raises InvalidBody: typst cannot read it.
        :raises PdfUnavailable: see `RenderPool.render`.
        """
        try:
            await self._workers.render(Job(_letterhead_only(Letterhead("", logo=logo)), A4, 0))
        except PdfFailed as error:
            detail = "must be a picture that can be printed; this one is damaged"
            raise InvalidBody(f"logo: {detail}.", [{"pointer": "/logo", "detail": detail}]) from error

    async def stop(self) -> None:
        await self._workers.stop()

    async def _make(self, name: str, job: Job, share: tuple[str, bool]) -> bytes:
        try:
            content = await self._typeset(job)
        finally:
            self._shares[share] -= 1
            if not self._shares[share]:
                del self._shares[share]
        if len(content) <= MAX_CACHE_BYTES:
            self._cache[name] = content
        return content

    async def _typeset(self, job: Job) -> bytes:
        try:
            return await self._workers.render(job)
        except PdfFailed:
            if job.sheet.head.logo is None:
                raise
            # It could be read when it was saved, perhaps by another version of typst.
            logger.warning("The logo of %s cannot be printed.", job.sheet.head.business_name)
            return await self._workers.render(_without_logo(job))


def _without_logo(job: Job) -> Job:
    return job._replace(sheet=job.sheet._replace(head=replace(job.sheet.head, logo=None)))


def _letterhead_only(head: Letterhead) -> Sheet:
    """Return a sheet that has only a letterhead."""
    return Sheet("", "", head, (), (), (), (), "", (), "", None, has_discounts=False)
