"""The letterhead of a shop's PDFs, and the paper sizes."""

from dataclasses import dataclass
from typing import Final

A4, A5, ROLL = "A4", "A5", "80mm"
PAPERS: Final = (A4, A5, ROLL)


@dataclass(frozen=True, slots=True)
class Letterhead:
    """The letterhead, from the shop's settings.

    :ivar logo: a PNG or a JPEG.
    :ivar upi_id: such as `shop@bank`.
    :ivar number_prefix: precedes document numbers.
    """

    business_name: str
    address: tuple[str, ...] = ()
    phone: str = ""
    email: str = ""
    gst_number: str = ""
    state: str = ""
    logo: bytes | None = None
    footer: str = ""
    upi_id: str = ""
    paper: str = A4
    number_prefix: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the lines below the name."""
        reached = " · ".join(text for text in (self.phone, self.email) if text)
        taxed = f"GSTIN {self.gst_number}" if self.gst_number else ""
        return tuple(line for line in (*self.address, self.state, reached, taxed) if line)
