"""The limits of what a client sends: texts, bills, amounts and days."""

from typing import Final

from schemas.core import money

MAX_LINK_DAYS: Final = 365
MAX_TEXT: Final = 500
#: Bytes of a file.
MAX_UPLOAD: Final = 2 * 1024 * 1024
MAX_LINE_ID: Final = 100
MAX_LINES: Final = 1_000
MAX_PRICE: Final = 10_000_000
MAX_QUANTITY: Final = 1_000_000
YEARS: Final = range(1970, 3000)
MAX_CLAIM: Final = money.MAX_MONEY // money.MINOR_PER_UNIT
MAX_TOTAL: Final = money.MAX_TOTAL // money.MINOR_PER_UNIT
MAX_INTEGER_ID: Final = 2**53
