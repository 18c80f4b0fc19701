"""Documents on paper: set once for each version, however many ask, and kept for a while."""

import asyncio
from collections.abc import Iterator
from hashlib import blake2b
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

from cachetools import LRUCache

from schemas.documents import Document
from schemas.paper import Sheet, sheet
from schemas.scripts import scripts_of
from schemas.shop_head import ShopHead
from services.fonts import Fonts
from services.protocol import Job
from services.workers import Workers

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

    async def stop(self) -> None:
        await self._workers.stop()

    async def _make(self, document: Document, head: ShopHead, paper: str) -> bytes:
        said = self.sheet(document, head)
        self._fonts.check(scripts_of("".join(_texts(said))))
        return await self._workers.pdf(Job(said, paper, int(document["updated_at"].timestamp())))

    def _keep(self, name: str, done: asyncio.Task[bytes]) -> None:
        del self._under_way[name]
        if not done.cancelled() and done.exception() is None and len(done.result()) <= MOST_KEPT:
            self._kept[name] = done.result()


def _texts(value: Any) -> Iterator[str]:
    """All the texts of a sheet."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, ShopHead):
        yield from _texts((value.business_name, value.address, value.state, value.footer, value.number_prefix))
    elif isinstance(value, tuple):
        for each in value:
            yield from _texts(each)
