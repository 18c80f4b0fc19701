"""Documents of the earlier backend, stored byte for byte in `adopted` and never decoded."""

from typing import Any, Final

from bson import CodecOptions
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from schemas.archive.format import ArchiveRefused
from schemas.core.documents import Document

RAW_CODEC: Final[CodecOptions[Any]] = CodecOptions(document_class=RawBSONDocument)
#: Reads also dates outside the calendar and invalid text, which the driver rejects otherwise.
LENIENT_CODEC: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
)


def to_archive(stored: Any) -> Document:
    """Return a stored original, read with `RAW_CODEC`, in the form of an archive."""
    original = stored["original"]
    return {
        **stored,
        "_id": dict(stored["_id"]),
        "defects": [dict(defect) for defect in stored["defects"]],
        "original": None if original is None else bytes(original.raw),
    }


def from_archive(archived: Document) -> Document:
    """Return an archived original in the form that the database stores.

    :raises ArchiveRefused: it holds no document.
    """
    original = archived.get("original")
    try:
        return {**archived, "original": None if original is None else RawBSONDocument(original)}
    except (BSONError, TypeError) as error:
        raise ArchiveRefused(f"The original of {archived['_id']} is no document of the earlier backend.") from error
