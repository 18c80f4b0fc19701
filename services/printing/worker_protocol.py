"""What goes between the service and a worker that sets paper: its length, and so many bytes.

A job is a pickled `Job`; the answer is a byte that says whether it worked, and the PDF or a word of why not.
"""

import struct
from typing import Final, NamedTuple

from schemas.printing.sheet import Sheet

LENGTH: Final = struct.Struct("!I")
DONE, FAILED = b"\x01", b"\x00"


class Job(NamedTuple):
    """instant: seconds since 1970, which the PDF says that it was made at."""

    sheet: Sheet
    paper: str
    instant: int
