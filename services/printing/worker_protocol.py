"""The protocol between the service and a PDF worker: messages with a length prefix.

A request is a pickled `Job`. A response is one byte for success or failure, and the PDF or the error message.
"""

import struct
from typing import Final, NamedTuple

from schemas.printing.sheet import Sheet

LENGTH: Final = struct.Struct("!I")
DONE, FAILED = b"\x01", b"\x00"


class Job(NamedTuple):
    """A PDF to render.

    :ivar instant: creation time of the PDF, in seconds since 1970.
    """

    sheet: Sheet
    paper: str
    instant: int
