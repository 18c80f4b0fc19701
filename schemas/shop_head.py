"""What stands at the head of a shop's paper, and how large the paper is."""

from dataclasses import dataclass
from typing import Final

A4, A5, ROLL = "A4", "A5", "80mm"
PAPERS: Final = (A4, A5, ROLL)


@dataclass(frozen=True, slots=True)
class ShopHead:
    """Of one version of the shop's settings.

    logo: a PNG or a JPEG. upi_id: as `shop@bank`. number_prefix: goes before a document's number. version: of the
    settings; another version may look different.
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
    version: int = 0
