"""Document numbers, as they are printed and spoken: `#001`, `#002`, … `#1000`."""

import re

# Fifteen digits keep every number inside what BSON and JSON hold exactly.
_NUMBER = re.compile(r"#?([0-9]{1,15})", re.ASCII)


def format_number(number: int) -> str:
    """Return a number as text: 7 -> `#007`."""
    return f"#{number:03d}"


def parse_number(text: str) -> int | None:
    """Return the number of a text: `#007`, `007` and `7` -> 7; anything else -> None."""
    match = _NUMBER.fullmatch(text.strip())
    return int(match[1]) if match else None
