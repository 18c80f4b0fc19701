"""Documents and letterheads to print, and functions to read PDFs."""

import io
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pypdfium2
from PIL import Image

from schemas.core.documents import Document
from schemas.printing.letterhead import A4, Letterhead
from schemas.printing.sheet import build_sheet
from services.printing.worker import PdfWorker
from services.printing.worker_protocol import Job

ZONE = ZoneInfo("Asia/Kolkata")
HEAD = Letterhead(
    "Lakshmi Textiles",
    address=("12 Commercial Street", "Bengaluru 560001"),
    phone="+91 98765 43210",
    email="shop@example.com",
    gst_number="29ABCDE1234F1Z5",
    state="Karnataka",
    footer="Thank you, come again!",
    upi_id="lakshmi@okbank",
    number_prefix="LT-",
)
#: Item names with conjuncts, vowel signs before their letter, and an eyelash ra.
NAMES = {
    "English": "Cotton shirt, blue",
    "Hindi": "क्षत्रिय साड़ी श्रृंगार हिन्दी",
    "Marathi": "मराठी लुगडं दर्‍याखोर्‍यात",
    "Gujarati": "ગુજરાતી સાડી ક્ષત્રિય",
    "Tamil": "தமிழ் புடவை கொழும்பு",
    "Telugu": "తెలుగు చీర స్త్రీ",
    "Kannada": "ಕನ್ನಡ ಸೀರೆ ಸ್ತ್ರೀ",
    "Bengali": "বাংলা শাড়ি ক্ষত্রিয়",
    "Urdu": "سوتی قمیض نیلی",
    "Punjabi": "ਪੰਜਾਬੀ ਸਾੜ੍ਹੀ ਪ੍ਰੀਤ",
    "Odia": "ଓଡ଼ିଆ ଶାଢ଼ୀ କ୍ଷତ୍ରିୟ",
    "Malayalam": "മലയാളം സാരി സ്ത്രീ",
}


def item(
    name: str = "Cotton shirt, blue", *, price: int = 10_000, quantity: int = 1_000, discount: int = 0
) -> Document:
    total = price * quantity // 1_000 * (100_000_000 - discount) // 100_000_000
    return {"id": 1, "name": name, "price": price, "quantity": quantity, "discount": discount, "total": total}


def order(*items: Document, paid: int = 0, **changes: Any) -> Any:
    """Return a stored order."""
    return {**estimate(*items), "amount_paid": paid, "payment_mode": "Cash", "status": "Completed", **changes}


def estimate(*items: Document, **changes: Any) -> Any:
    """Return a stored estimate."""
    lines = list(items) or [item()]
    subtotal = sum(line["total"] for line in lines)
    at = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
    return {
        "_id": "EST-1",
        "store": "main",
        "number": 7,
        "version": 1,
        "created_at": at,
        "updated_at": at,
        "customer_name": "Asha",
        "customer_phone": "98450 12345",
        "customer_address": "4 Lake Road\nMysuru",
        "sale_by": "Ravi",
        "items": lines,
        "subtotal": subtotal,
        "discount": 0,
        "discount_percentage": None,
        "round_off": 0,
        "total": subtotal,
        **changes,
    }


def job(document: Any, paper: str = A4, head: Letterhead = HEAD) -> Job:
    return Job(build_sheet(document, head, ZONE, "INR"), paper, int(document["updated_at"].timestamp()))


def pdf(document: Any, paper: str = A4, head: Letterhead = HEAD) -> bytes:
    return PdfWorker().render(job(document, paper, head))


def texts(content: bytes) -> list[str]:
    """Return the text of each page, as copied from a viewer."""
    document = pypdfium2.PdfDocument(content)
    try:
        return [page.get_textpage().get_text_range().replace("\r\n", "\n") for page in document]
    finally:
        document.close()


def sizes(content: bytes) -> list[tuple[float, float]]:
    """Return width and height of each page, in points."""
    document = pypdfium2.PdfDocument(content)
    try:
        return [page.get_size() for page in document]
    finally:
        document.close()


def pictures(content: bytes, scale: float = 2.0) -> list[Image.Image]:
    """Return each page as a greyscale image."""
    document = pypdfium2.PdfDocument(content)
    try:
        return [page.render(scale=scale).to_pil().convert("L") for page in document]
    finally:
        document.close()


def logo() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (300, 200), (0, 0, 0)).save(out, "PNG")
    return out.getvalue()
