"""Take the picture of a PDF for the documentation: `python -m scripts.pdf_screenshot`."""

from pathlib import Path
from typing import Final

from PIL import Image

from schemas.printing.letterhead import PAPERS
from tests.support.printed_documents import NAMES, item, order, pdf, pictures

PAGE: Final = Path(__file__).parents[1] / "docs" / "pdf.png"
_GAP, _GREY = 24, 210


def main() -> None:
    lines = [item(name, price=24_900, quantity=1_000 * (1 + place % 3)) for place, name in enumerate(NAMES.values())]
    lines[0] = item(discount=12_500_000, price=123_456_00)
    sheets = [pictures(pdf(order(*lines, paid=500_000), paper), scale=1.1)[0] for paper in PAPERS]
    width = sum(sheet.width + _GAP for sheet in sheets) + _GAP
    whole = Image.new("L", (width, max(sheet.height for sheet in sheets) + 2 * _GAP), _GREY)
    left = _GAP
    for sheet in sheets:
        whole.paste(sheet, (left, _GAP))
        left += sheet.width + _GAP
    whole.save(PAGE, optimize=True)


if __name__ == "__main__":
    main()
