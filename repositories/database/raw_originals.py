"""What the earlier backend wrote, kept byte for byte in `adopted`: whatever is in it, nobody decodes it."""

from typing import Any, Final

from bson import CodecOptions
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from schemas.archive.format import ArchiveRefused
from schemas.core.documents import Document

RAW_CODEC: Final[CodecOptions[Any]] = CodecOptions(document_class=RawBSONDocument)
#: Dates beyond the calendar and broken text are read too, instead of being refused.
LENIENT_CODEC: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)


def to_archive(kept: Any) -> Document:
    """A kept original, read as `RAW_CODEC`, as an archive takes it."""
    original = kept["original"]
    return {
        **kept,
        "_id": dict(kept["_id"]),
        "defects": [dict(defect) for defect in kept["defects"]],
        "original": None if original is None else bytes(original.raw),
    }


def from_archive(kept: Document) -> Document:
    """A kept original, as the database takes it.

    :raises ArchiveRefused: it holds no document.
    """
    original = kept.get("original")
    try:
        return {**kept, "original": None if original is None else RawBSONDocument(original)}
    except (BSONError, TypeError) as error:
        raise ArchiveRefused(f"The original of {kept['_id']} is no document of the earlier backend.") from error
