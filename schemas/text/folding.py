"""Folding of texts for comparison, so that texts which look equal to a reader are equal. Pure, in terms of Unicode.

`fold` is for the search, and aims at the primary strength of UTS #10: letters count; their case, width, accents and
points do not. `name_key` is for names of people and of ways to pay, and keeps accents. Collation keys of a library are
not used: they make no beginnings of words that an index can find, ICU needs a library of the system, and at that
strength the default table ignores candrabindu, anusvara and visarga too, which part words of India (हस, हंस).
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

#: Default_Ignorable_Code_Point, but for those of category Cf: fillers, variation selectors, the grapheme joiner.
_IGNORABLE: Final = re.compile(
    r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
#: Canonical_Combining_Class of the marks that only mark a letter: overlays and nuktas, Hebrew points, Arabic harakat,
#: those of Syriac, and all that stand above, below or beside. Not 9 (virama), not 84 and 91 (parts of Telugu vowels).
#: Vowel signs of Indian scripts (matras), anusvara and their like have class 0, and so are kept.
_MARKS: Final = frozenset((1, 7, *range(10, 37), *range(200, 241)))
#: One letter in two encodings, or two letters that readers take for one; the left side as NFKD has it.
_LETTERS: Final = {
    # Malayalam chillus are a consonant, a virama and, in older texts, a joiner; Bengali khanda ta likewise.
    "\u0d7a": "\u0d23\u0d4d",
    "\u0d7b": "\u0d28\u0d4d",
    "\u0d7c": "\u0d30\u0d4d",
    "\u0d7d": "\u0d32\u0d4d",
    "\u0d7e": "\u0d33\u0d4d",
    "\u0d7f": "\u0d15\u0d4d",
    "\u0d54": "\u0d2e\u0d4d",
    "\u0d55": "\u0d2f\u0d4d",
    "\u0d56": "\u0d34\u0d4d",
    "\u09ce": "\u09a4\u09cd",
    # The two forms of the Malayalam vowel sign au; Tamil sha, which looks as sa does in `sri`.
    "\u0d46\u0d57": "\u0d57",
    "\u0bb6": "\u0bb8",
    # A vowel that was typed as the letter a and the sign aa; three of Malayalam with its length mark.
    "\u0905\u093e": "\u0906",
    "\u0985\u09be": "\u0986",
    "\u0a05\u0a3e": "\u0a06",
    "\u0a85\u0abe": "\u0a86",
    "\u0b05\u0b3e": "\u0b06",
    "\u0d07\u0d57": "\u0d08",
    "\u0d09\u0d57": "\u0d0a",
    "\u0d12\u0d57": "\u0d14",
    # Arabic, Persian and Urdu: alef maksura and Farsi yeh, keheh and swash kaf, heh goal, alef wasla; tatweel is none.
    "\u0649": "\u064a",
    "\u06cc": "\u064a",
    "\u06a9": "\u0643",
    "\u06aa": "\u0643",
    "\u06c1": "\u0647",
    "\u06d5": "\u0647",
    "\u06c3": "\u0629",
    "\u0671": "\u0627",
    "\u0640": "",
    # Latin letters that the default table of UTS #10 takes apart, but Unicode's decompositions do not.
    "\u00e6": "ae",
    "\u0153": "oe",
    "\u00f8": "o",
    "\u0111": "d",
    "\u0127": "h",
    "\u0142": "l",
    "\u0167": "t",
}
_ENCODINGS: Final = re.compile("|".join(sorted(_LETTERS, key=len, reverse=True)))
#: A chillu before a virama is a consonant with two, which reads as one.
_VIRAMAS: Final = re.compile(r"([\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d])\1+")
_NO_WORD: Final = re.compile(r"[^a-z0-9]", re.ASCII)
#: Letters that stand for an apostrophe or a prime.
_APOSTROPHES: Final = re.compile(r"[\u02b9-\u02bf\u02c8\u02ca-\u02cc\u02ee]")


def fold(text: str) -> str:
    """Return a text as the search compares it: letters, marks that distinguish words, ASCII digits, and blanks in place
    of all else.

    The compatibility decomposition and full case folding of Unicode (D146), without Default_Ignorable_Code_Points and
    without the marks whose weight is not primary; letters of more than one encoding in one of them; composed again.
    """
    if text.isascii():
        return _NO_WORD.sub(" ", text.lower())
    apart = _decomposed(_decomposed(_APOSTROPHES.sub(" ", text)).casefold())
    plain = "".join(map(_searched, _IGNORABLE.sub("", apart)))
    letters = _ENCODINGS.sub(lambda match: _LETTERS[match[0]], plain)
    return unicodedata.normalize("NFC", _VIRAMAS.sub(r"\1", letters))


def name_key(text: str) -> str:
    """Return the key by which names are compared: without case, width, extra blanks and invisible characters."""
    if text.isascii():
        return " ".join(text.lower().split())
    visible = "".join(each for each in _IGNORABLE.sub("", text) if unicodedata.category(each) != "Cf")
    compared = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    return " ".join(compared.split())


def ascii_digits(text: str) -> str:
    """Return a text with all digits in ASCII, without blanks and invisible characters."""
    if text.isascii():
        return "".join(text.split())
    return "".join(_plain(each) for each in _IGNORABLE.sub("", text) if not each.isspace())


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    return "" if category == "Cf" else character


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFKD", text)


@lru_cache(maxsize=4_096)
def _searched(character: str) -> str:
    """Return what the search compares of a character: itself, its digit, nothing, or a blank."""
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Cf", "Me") or unicodedata.combining(character) in _MARKS:
        return ""
    return character if category[0] in "LMN" else " "
