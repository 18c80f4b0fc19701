"""The content of PDFs, as text and as pictures."""

import re
import shutil
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
import zxingcpp
from PIL import ImageChops

from schemas.printing.letterhead import A4, A5, PAPERS, ROLL
from services.printing.fonts import INSTALLED, edition_of, font_folders
from services.printing.worker import PdfWorker
from tests.support.printed_documents import HEAD, NAMES, estimate, item, job, logo, order, pdf, pictures, sizes, texts

_AGAIN = """
import sys
from tests.support.printed_documents import *
sys.stdout.buffer.write(pdf(order(item(NAMES['Hindi']))))
"""


def without_spaces(text: str) -> str:
    """Return text without whitespace, which line breaks and extraction add."""
    return "".join(unicodedata.normalize("NFC", text).split())


@pytest.mark.parametrize("paper", PAPERS)
def test_all_parts_of_a_document_are_on_the_pdf(paper: str) -> None:
    document = order(item(discount=12_500_000, quantity=1_500), item("Silk", price=12_345_600), paid=10_000)
    text = without_spaces("".join(texts(pdf(document, paper))))
    for expected in (
        *("Lakshmi Textiles", "12 Commercial Street", "+91 98765 43210", "29ABCDE1234F1Z5", "Karnataka"),
        *("BILL", "LT-007", "31 Jan 2026, 15:30", "Asha", "98450 12345", "4 Lake Road", "Ravi", "Cash"),
        *("Cotton shirt, blue", "1.5", "12.5%", "131.25", "1,23,456.00", "₹1,23,587.25", "₹100.00", "₹1,23,487.25"),
        *("Rupees One Lakh Twenty-Three Thousand Five Hundred Eighty-Seven and Twenty-Five Paise Only",),
        *("lakshmi@okbank", "Thank you, come again!"),
    ):
        assert without_spaces(expected) in text


@pytest.mark.parametrize("language", NAMES)
def test_text_of_each_script_can_be_extracted(language: str) -> None:
    assert NAMES[language] in texts(pdf(estimate(item(NAMES[language]))))[0]


@pytest.mark.parametrize("conjunct", ["क्ष", "ક્ષ", "క్ష", "ಕ್ಷ", "ক্ষ", "ദ്ധ", "ਪ੍ਰ", "କ୍ଷ"])
def test_conjuncts_are_joined(conjunct: str) -> None:
    """Compare with the picture of the letters with a zero-width non-joiner."""
    apart = "\u200c".join((conjunct[:2], conjunct[2:]))
    joined, kept_apart = (pictures(pdf(estimate(item(name))))[0] for name in (conjunct, apart))
    assert ImageChops.difference(joined, kept_apart).getbbox() is not None


@pytest.mark.parametrize("paper", PAPERS)
def test_the_amount_due_has_a_qr_code(paper: str) -> None:
    document = order(item(price=39_780), paid=10_000)
    codes = [code.text for page in pictures(pdf(document, paper)) for code in zxingcpp.read_barcodes(page)]
    assert codes == [job(document).sheet.pay]


def test_pages_of_a_long_document_are_numbered_with_column_heads() -> None:
    pages = texts(pdf(order(*(item(f"Line {number}") for number in range(1, 301)))))
    assert len(pages) > 5
    for number, text in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in text
    assert all("Quantity" in text for text in pages[:-1])
    assert re.findall(r"\bLine (\d+)", " ".join(pages)) == [str(number) for number in range(1, 301)]


def test_a_roll_is_as_long_as_its_content() -> None:
    short, long = (pictures(pdf(order(*[item()] * count), ROLL)) for count in (1, 60))
    assert (len(short), len(long)) == (1, 1)
    assert short[0].width == long[0].width
    assert long[0].height > 2 * short[0].height


@pytest.mark.parametrize("name", ["Line", "Line " + "of silk " * 24], ids=["short", "long"])
def test_a_roll_is_split_at_the_page_limit_of_viewers(name: str) -> None:
    content = pdf(order(*(item(f"{name} {number}") for number in range(1_000))), ROLL)
    assert max(size[1] for size in sizes(content)) < 14_400
    assert re.findall(r"(\d+)\s+1 \S 100", " ".join(texts(content))) == [str(number) for number in range(1_000)]


@pytest.mark.parametrize("paper", PAPERS)
def test_a_long_footer_stays_within_the_page(paper: str) -> None:
    content = pdf(order(), paper, replace(HEAD, footer="\n".join(f"Rule {number}" for number in range(200))))
    assert re.findall(r"Rule (\d+)", " ".join(texts(content))) == [str(number) for number in range(200)]
    for page in pictures(content):
        bottom = page.crop((0, page.height - int(4 * 2 * 72 / 25.4), *page.size))
        assert bottom.getextrema() == (255, 255)


@pytest.mark.parametrize(("paper", "margin"), [(A4, 15.0), (A5, 9.0), (ROLL, 3.0)])
@pytest.mark.parametrize(
    "name",
    ["W" * 200, "VENKATARAMANUJAMM", "क्ष" * 90, "shirt " * 33],
    ids=["one word", "capitals", "Hindi", "words"],
)
def test_long_names_stay_within_the_margins(paper: str, margin: float, name: str) -> None:
    """Print nothing in the margins.

    :param margin: of each side, in millimetres.
    """
    head = replace(HEAD, business_name=name, email="very.long.address.of.a.shop@" + "example" * 8 + ".com")
    document = order(item(name), customer_name=name, customer_address=name, sale_by=name, payment_mode=name)
    for page in pictures(pdf(document, paper, head), scale=2):
        side = int(margin * 2 * 72 / 25.4)
        for strip in (page.crop((0, 0, side, page.height)), page.crop((page.width - side, 0, *page.size))):
            assert strip.getextrema() == (255, 255)


def test_a_long_name_does_not_overlap_the_figures() -> None:
    """Check that the other columns have the same text as with a short name."""
    short, long = (texts(pdf(estimate(item(name))))[0] for name in ("Silk", "Silk" * 50))
    assert without_spaces("Silk" * 50) in without_spaces(long)
    assert without_spaces("100.00") in without_spaces(short)
    assert without_spaces("100.00") in without_spaces(long)


@pytest.mark.parametrize("paper", PAPERS)
def test_a_word_that_fits_its_column_is_not_broken(paper: str) -> None:
    head = replace(HEAD, email="accounts.of.lakshmi@example.com", upi_id="lakshmi.textiles.blr@okbank")
    sku = "SKU-ABCDEFGH-123456789"
    text = "".join(texts(pdf(order(item(f"A shirt of cotton, {sku}"), sale_by="ravi.kumar.lakshmi.1"), paper, head)))
    for expected in (head.email, head.upi_id, sku, "ravi.kumar.lakshmi.1"):
        assert expected in text


@pytest.mark.parametrize("syllable", ["ಸ್ತ್ರೀ", "ਪ੍ਰੀ", "స్త్రీ", "स्त्री", "സ്ത്രീ"])
def test_a_long_word_is_broken_between_syllables(syllable: str) -> None:
    (page,) = texts(pdf(estimate(item(syllable * 60)), A5))
    lines = [line for each in page.splitlines() if syllable in (line := each.removeprefix("1 "))]
    assert len(lines) > 1
    assert {line.strip().replace(syllable, "") for line in lines} <= {"", "1 100.00 100.00"}


def test_a_logo_is_printed() -> None:
    bare, with_logo = (
        sum(pictures(pdf(order(), A4, head), scale=1)[0].histogram()[:32])
        for head in (HEAD, replace(HEAD, logo=logo()))
    )
    assert with_logo > bare + 2_000


def test_an_invalid_logo_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="image"):
        pdf(order(), A4, replace(HEAD, logo=b"no picture"))


def test_names_are_printed_as_text_and_not_as_markup() -> None:
    name = '#image("/etc/passwd") *bold* $x$ <b> \\ _ @ref // "q"'
    assert without_spaces(name) in without_spaces(texts(pdf(estimate(item(name))))[0])


def test_a_document_gives_the_same_bytes_in_each_process() -> None:
    again = subprocess.run([sys.executable, "-c", _AGAIN], capture_output=True, check=True)
    document = order(item(NAMES["Hindi"]))
    worker = PdfWorker()
    worker.render(job(estimate()))
    assert worker.render(job(document)) == again.stdout


def test_configured_fonts_replace_the_installed_ones(tmp_path: Path) -> None:
    shutil.copy(f"{INSTALLED[1]}/NotoSansTamil[wght].ttf", tmp_path)
    document = estimate(item(NAMES["Tamil"]))
    content = PdfWorker(str(tmp_path)).render(job(document))
    assert b"NotoSansTamil" in content
    assert b"NotoSans-" not in content
    assert edition_of(font_folders(str(tmp_path))) != edition_of(font_folders(None))
