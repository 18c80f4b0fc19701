"""What stands at the head of a shop's paper, and how large the paper is."""

from dataclasses import dataclass
from typing import Final

A4, A5, ROLL = "A4", "A5", "80mm"
PAPERS: Final = (A4, A5, ROLL)


@dataclass(frozen=True, slots=True)
class Letterhead:
    """As the shop's settings say.

    logo: a PNG or a JPEG. upi_id: as `shop@bank`. number_prefix: goes before a document's number.
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
        """What stands below the name."""
        reached = " · ".join(text for text in (self.phone, self.email) if text)
        taxed = f"GSTIN {self.gst_number}" if self.gst_number else ""
        return tuple(line for line in (*self.address, self.state, reached, taxed) if line)
