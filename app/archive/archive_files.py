"""Archives: written from a store, checked, and restored."""

import gzip
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from app import SERVICE, __version__
from app.config.settings import Settings
from app.console.output import STDOUT, FileRefused
from app.console.progress import Advance
from repositories.archive.restore import refuse_unstorable, restoring
from repositories.archive.snapshot import StoreSnapshot
from repositories.database.client import Database
from schemas.archive.format import ArchiveReader, ArchiveWriter, Manifest, assign_store
from schemas.core.collections import ARCHIVED, COUNTERS, DOCUMENT_KINDS, MESSAGES
from schemas.core.documents import Document
from schemas.messaging.documents import Message
from schemas.messaging.messages import restored_message

_GZIP: Final = b"\x1f\x8b"
#: Level 3 takes half the time of the default 6, and the file is a tenth larger.
_LEVEL: Final = 3
_BUFFER: Final = 2**20
# Documents, or bytes of documents, in one transaction.
_BATCH: Final = 1_000
_BATCH_BYTES: Final = 4 * 2**20
_READ_TWICE: Final = "no ordinary file, and an archive is read more than once: save it first."


@contextmanager
def compressed(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Yield a stream that writes gzip to `stream`, without a name or a time in it."""
    with gzip.GzipFile("", "wb", _LEVEL, stream, mtime=0) as file, io.BufferedWriter(cast("io.RawIOBase", file)) as out:
        yield cast("BinaryIO", out)


async def manifest_of(view: StoreSnapshot, settings: Settings, now: datetime) -> Manifest:
    return Manifest(
        store=settings.store_id,
        timezone=view.counters["timezone"],
        currency=settings.currency,
        head=view.counters["head"],
        epoch=view.counters["epoch"],
        exported_at=now.isoformat(timespec="seconds"),
        service=f"{SERVICE} {__version__}",
        counts=await view.counts(),
    )


async def write_archive(view: StoreSnapshot, manifest: Manifest, stream: BinaryIO, advance: Advance) -> None:
    writer = ArchiveWriter()
    stream.write(writer.opening(manifest))
    for collection in ARCHIVED:
        async for batch in view.all_documents(collection):
            stream.write(writer.documents(collection, batch))
            advance(len(batch))
    stream.write(writer.closing())


@contextmanager
def archive(path: Path) -> Iterator[ArchiveReader]:
    """Open an archive, compressed or not.

    :raises FileRefused: it cannot be opened.
    :raises ArchiveRefused: it is not an archive.
    """
    if path == STDOUT:
        raise FileRefused(f"The standard input is {_READ_TWICE}")
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("rb", _BUFFER))
            if not file.seekable():
                raise FileRefused(f"{path} is {_READ_TWICE}")
            is_compressed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
        except OSError as error:
            raise FileRefused(f"{path} cannot be read: {error.strerror or error}.") from error
        if is_compressed:
            file = io.BufferedReader(stack.enter_context(gzip.GzipFile(fileobj=file)), _BUFFER)
        # From here on, the reader reports errors of the file.
        yield ArchiveReader(file.readline)


def check_archive(path: Path, advance: Advance) -> Manifest:
    """Read an archive to its end.

    :raises ArchiveRefused: it is incomplete or damaged; the message names the line.
    """
    with archive(path) as reader:
        for collection, document in reader.documents():
            refuse_unstorable(_brought(reader, collection, document, reader.manifest.store), reader.refused)
            advance(1)
        return reader.manifest


async def read_archive(path: Path, database: Database, settings: Settings, now: datetime, advance: Advance) -> Manifest:
    """Fills an empty store from an archive.

    :raises FileRefused: it cannot be opened; nothing was done.
    :raises ArchiveRefused: it is not whole; the store is empty again.
    :raises DatabaseRefused: the store cannot be filled; it is as it was, unless another restoration has taken it over.
    :raises Unavailable: the database went away; what was written stays, and the store marked as being restored. So it
        does whatever else breaks off the work.
    """
    store = settings.store_id
    with archive(path) as reader:
        async with restoring(database, store, now, settings.event_retention_days) as restoration:
            counters: Document = {}
            for collection, batch in _batches(reader):
                whole = [_brought(reader, collection, document, store) for document in batch]
                if collection == COUNTERS:
                    (counters,) = whole
                else:
                    await restoration.add(collection, whole)
                advance(len(batch))
            await restoration.finish(counters, reader.counts)
        return reader.manifest


def _brought(reader: ArchiveReader, collection: str, document: Document, store: str) -> Document:
    """Return a document as a store has it that was restored: nothing is sent because of that.

    :raises ArchiveRefused: it lacks what this service writes into each of its kind.
    """
    number = document.get("number")
    if collection in DOCUMENT_KINDS and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
        raise reader.refused("the document in it has no number of 1 or more")
    try:
        whole: Any = restored_message(cast("Message", document)) if collection == MESSAGES else document
    except (LookupError, TypeError):
        raise reader.refused("the message in it is not complete") from None
    return assign_store(collection, whole, store, reader.manifest.store)


def _batches(reader: ArchiveReader) -> Iterator[tuple[str, list[Document]]]:
    batch: list[Document] = []
    of, began = "", 0
    for collection, document in reader.documents():
        if batch and (collection != of or len(batch) == _BATCH or reader.bytes - began > _BATCH_BYTES):
            yield of, batch
            batch, began = [], reader.bytes
        of = collection
        batch.append(document)
    if batch:
        yield of, batch
