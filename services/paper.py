"""Documents on paper: set once for each version, however many ask, and kept for a while."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import astuple, replace
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

from cachetools import LRUCache

from schemas.documents import Document
from schemas.errors import InvalidBody
from schemas.paper import Sheet, sheet
from schemas.scripts import scripts_of
from schemas.shop_head import A4, ShopHead
from services.fonts import Fonts
from services.protocol import Job
from services.workers import PaperFailed, Workers

logger = logging.getLogger("pos")

#: How many bytes of PDFs a process keeps.
MOST_KEPT: Final = 16 * 2**20

#: What a sheet looks like, beside what it says.
_EDITION: Final = files("services").joinpath("sheet.typ").read_bytes() + version("typst").encode()


class Paper:
    """:param zone: of the shop, for the times on paper. currency: ISO 4217."""

    def __init__(self, workers: Workers, fonts: Fonts, zone: ZoneInfo, currency: str) -> None:
        self._workers = workers
        self._fonts = fonts
        self._zone = zone
        self._currency = currency
        self._kept: LRUCache[str, bytes] = LRUCache(MOST_KEPT, len)
        self._under_way: dict[str, asyncio.Task[bytes]] = {}
        self._edition = _EDITION + fonts.edition.encode() + currency.encode()

    async def render(self, document: Document, head: ShopHead, paper: str | None = None) -> bytes:
        """A stored estimate or order as a PDF.

        :param paper: one of `PAPERS`; None for the shop's own.
        :raises FontsMissing, PaperUnavailable:
        """
        name = self.name(document, head, paper)
        if (kept := self._kept.get(name)) is not None:
            return kept
        task = self._under_way.get(name)
        if task is None:
            task = self._under_way[name] = asyncio.create_task(self._make(document, head, paper or head.paper))
            task.add_done_callback(lambda done: self._keep(name, done))
        # Shielded: whoever goes away leaves the sheet to the others.
        return await asyncio.shield(task)

    def name(self, document: Document, head: ShopHead, paper: str | None = None) -> str:
        """Of this very sheet: another version of the document, of the settings or of the service has another."""
        parts = (
            document["store"],
            document["_id"],
            document["version"],
            head.version,
            head.business_name,
            paper or head.paper,
        )
        return blake2b(repr(parts).encode() + self._edition, digest_size=12).hexdigest()

    def sheet(self, document: Document, head: ShopHead) -> Sheet:
        """What the paper says."""
        return sheet(document, head, self._zone, self._currency)

    async def check_logo(self, logo: bytes) -> None:
        """Sets a sheet with this picture on it, since only the typesetter knows which ones it can read.

        :raises InvalidBody: it cannot.
        :raises PaperUnavailable:
        """
        try:
            await self._workers.pdf(Job(_bare(ShopHead("", logo=logo)), A4, 0))
        except PaperFailed as error:
            detail = "must be a picture that can be printed; this one is damaged"
            raise InvalidBody(f"logo: {detail}.", [{"pointer": "/logo", "detail": detail}]) from error

    async def stop(self) -> None:
        await self._workers.stop()

    async def _make(self, document: Document, head: ShopHead, paper: str) -> bytes:
        said = self.sheet(document, head)
        self._fonts.check(scripts_of("".join(_texts(said))))
        job = Job(said, paper, int(document["updated_at"].timestamp()))
        try:
            return await self._workers.pdf(job)
        except PaperFailed:
            if head.logo is None:
                raise
            # It could be read when it was set, by a typesetter of another version perhaps.
            logger.warning("The logo of store %s cannot be printed.", document["store"])
            return await self._workers.pdf(job._replace(sheet=said._replace(head=replace(head, logo=None))))

    def _keep(self, name: str, done: asyncio.Task[bytes]) -> None:
        del self._under_way[name]
        if not done.cancelled() and done.exception() is None and len(done.result()) <= MOST_KEPT:
            self._kept[name] = done.result()


def _bare(head: ShopHead) -> Sheet:
    """A sheet with a head alone."""
    return Sheet("", "", head, (), (), (), (), "", (), "", None, has_discounts=False)


def _texts(value: Any) -> Iterator[str]:
    """All the texts of a sheet."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, ShopHead):
        yield from _texts(astuple(value))
    elif isinstance(value, tuple):
        for each in value:
            yield from _texts(each)
