"""Scripts of writing: which a text is in, and so which fonts it needs."""

from typing import Final

#: Those that India's shops write in, beside the Latin one, by their block in Unicode. Fonts are named after them.
BLOCKS: Final = {
    "Arabic": range(0x0600, 0x0700),
    "Devanagari": range(0x0900, 0x0980),
    "Bengali": range(0x0980, 0x0A00),
    "Gurmukhi": range(0x0A00, 0x0A80),
    "Gujarati": range(0x0A80, 0x0B00),
    "Oriya": range(0x0B00, 0x0B80),
    "Tamil": range(0x0B80, 0x0C00),
    "Telugu": range(0x0C00, 0x0C80),
    "Kannada": range(0x0C80, 0x0D00),
    "Malayalam": range(0x0D00, 0x0D80),
}
# The danda and the double danda end sentences in several of them.
_SHARED: Final = ("\u0964", "\u0965")


def scripts_of(text: str) -> frozenset[str]:
    """The scripts of a text, out of `BLOCKS`."""
    codes = {ord(character) for character in text if character not in _SHARED and ord(character) in _ALL}
    return frozenset(name for name, block in BLOCKS.items() if any(code in block for code in codes))


_ALL: Final = range(min(block.start for block in BLOCKS.values()), max(block.stop for block in BLOCKS.values()))
