"""Documents as they are stored, in BSON: what was made of them once need not be made again while they are the same."""

from struct import Struct
from typing import Any, Final

from bson import CodecOptions, decode

from repositories.database.client import Collection
from schemas.core.documents import Document

_SIZE: Final = Struct("<i")
_CODEC: Final[CodecOptions[Document]] = CodecOptions(tz_aware=True)


async def find_raw(
    collection: Collection, criteria: Document, at_once: int, *, most_bytes: int | None = None, **options: Any
) -> list[bytes]:
    """What is found, each document by itself.

    :param at_once: how many come in a round trip.
    :param most_bytes: nothing is read on once there are more than these.
    :raises PyMongoError: callers translate.
    """
    found: Any = collection.find_raw_batches(criteria, batch_size=at_once, **options)
    documents, size = [], 0
    async for batch in found:
        documents += split_batch(batch)
        size += len(batch)
        if most_bytes is not None and size > most_bytes:
            await found.close()
            break
    return documents


def fit_page(documents: list[bytes], most: int, most_bytes: int) -> list[bytes]:
    """Return the first of the documents: up to `most` of them and, beyond the first, `most_bytes`."""
    size = 0
    for count, document in enumerate(documents[:most]):
        size += len(document)
        if count and size > most_bytes:
            return documents[:count]
    return documents[:most]


def split_batch(batch: bytes) -> list[bytes]:
    """The documents of a batch, which are sent one after the other."""
    # The driver's own way to their bytes, `RawBSONDocument`, takes eight times as long.
    documents, start = [], 0
    while start < len(batch):
        (size,) = _SIZE.unpack_from(batch, start)
        documents.append(batch[start : start + size])
        start += size
    return documents


def decode_document(stored: bytes) -> Document:
    return decode(stored, _CODEC)
