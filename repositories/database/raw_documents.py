"""Documents as stored BSON bytes, which serve as a cache key for derived values."""

from struct import Struct
from typing import Any, Final

from bson import CodecOptions, decode

from repositories.database.client import Collection
from schemas.core.documents import Document

_SIZE: Final = Struct("<i")
_CODEC: Final[CodecOptions[Document]] = CodecOptions(tz_aware=True)


async def find_raw(
    collection: Collection[Any], criteria: Document, batch_size: int, *, max_bytes: int | None = None, **options: Any
) -> list[bytes]:
    """Return the BSON of each document that matches.

    :param batch_size: documents of one round trip.
    :param max_bytes: stop reading once the batches exceed this size.
    :raises PyMongoError: callers translate.
    """
    return await _read_raw(collection.find_raw_batches(criteria, batch_size=batch_size, **options), max_bytes)


async def aggregate_raw(
    collection: Collection[Any], pipeline: list[Document], batch_size: int, *, max_bytes: int
) -> list[bytes]:
    """Return the BSON of each document that an aggregation yields; see `find_raw`.

    :raises PyMongoError: callers translate.
    """
    return await _read_raw(collection.aggregate_raw_batches(pipeline, batchSize=batch_size), max_bytes)


async def _read_raw(cursor: Any, max_bytes: int | None) -> list[bytes]:
    documents, size = [], 0
    async for batch in cursor:
        documents += split_batch(batch)
        size += len(batch)
        if max_bytes is not None and size > max_bytes:
            await cursor.close()
            break
    return documents


def split_batch(batch: bytes) -> list[bytes]:
    """Return the documents of a batch, in which they are concatenated."""
    # The driver's own `RawBSONDocument` takes eight times as long.
    documents, start = [], 0
    while start < len(batch):
        (size,) = _SIZE.unpack_from(batch, start)
        documents.append(batch[start : start + size])
        start += size
    return documents


def decode_document(stored: bytes) -> Any:
    """Return a document of any type."""
    return decode(stored, _CODEC)
