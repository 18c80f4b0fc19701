"""Documents as they are stored, in BSON: what was made of them once need not be made again while they are the same."""

from struct import Struct
from typing import Any, Final

from bson import CodecOptions, decode

from repositories.database import Collection
from schemas.documents import Document

_SIZE: Final = Struct("<i")
_CODEC: Final[CodecOptions[Document]] = CodecOptions(tz_aware=True)


async def find_stored(collection: Collection, criteria: Document, at_once: int, **options: Any) -> list[bytes]:
    """What is found, each document by itself.

    :param at_once: how many come in a round trip.
    :raises PyMongoError: callers translate.
    """
    found: Any = collection.find_raw_batches(criteria, batch_size=at_once, **options)
    return [document async for batch in found for document in apart(batch)]


def apart(batch: bytes) -> list[bytes]:
    """The documents of a batch, which are sent one after the other."""
    # The driver's own way to their bytes, `RawBSONDocument`, takes eight times as long.
    documents, start = [], 0
    while start < len(batch):
        (size,) = _SIZE.unpack_from(batch, start)
        documents.append(batch[start : start + size])
        start += size
    return documents


def decoded(stored: bytes) -> Document:
    return decode(stored, _CODEC)
