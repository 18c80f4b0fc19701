"""Document numbers: `#001`, `#002`, … `#1000`: what is printed on paper and said over the counter."""

import re

# Fifteen digits keep every number inside what BSON and JSON hold exactly.
_NUMBER = re.compile(r"#?([0-9]{1,15})", re.ASCII)


def format_number(number: int) -> str:
    """7 -> `#007`."""
    return f"#{number:03d}"


def parse_number(text: str) -> int | None:
    """`#007`, `007` and `7` -> 7; anything else -> None, since no document can have such a number."""
    match = _NUMBER.fullmatch(text.strip())
    return int(match[1]) if match else None
