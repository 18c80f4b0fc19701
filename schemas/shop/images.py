"""The type and size of images, from their first bytes."""

import re
import struct
from typing import Final, NamedTuple

PNG, JPEG = "image/png", "image/jpeg"

_PNG_HEAD: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_JPEG_HEAD: Final = b"\xff\xd8\xff"
#: Segments before the start of a frame: each has a marker and its length. A marker may have fill bytes before it.
_JPEG_FRAME: Final = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]..." + b"(..)(..)", re.DOTALL)
_JPEG_SEGMENT: Final = re.compile(rb"\xff+[\xc4\xc8\xcc\xdb-\xfe](..)", re.DOTALL)
_HALF: Final = struct.Struct(">H")


class Image(NamedTuple):
    """An image: its media type (`PNG` or `JPEG`), and its size in pixels."""

    media: str
    width: int
    height: int


def identify_image(content: bytes) -> Image | None:
    """Return the type and size of an image; None where it is neither PNG nor JPEG (ISO/IEC 15948, ISO/IEC 10918-1)."""
    if content.startswith(_PNG_HEAD) and len(content) >= len(_PNG_HEAD) + 8:
        return Image(PNG, *struct.unpack_from(">II", content, len(_PNG_HEAD)))
    return _jpeg(content) if content.startswith(_JPEG_HEAD) else None


def _jpeg(content: bytes) -> Image | None:
    place = 2
    while segment := _JPEG_SEGMENT.match(content, place):
        place = segment.end(1) - _HALF.size + _HALF.unpack(segment[1])[0]
    frame = _JPEG_FRAME.match(content, place)
    if frame is None:
        return None
    height, width = (_HALF.unpack(side)[0] for side in frame.groups())
    return Image(JPEG, width, height)
