"""What the `q` filter of a list asks the database, through the index over `terms`."""

from collections.abc import Callable

from schemas.core.documents import Document
from schemas.text.search_terms import readings_of


def prefix_filter(word: str) -> Document:
    """Whoever or whatever has a word that begins so."""
    return {"terms": {"$elemMatch": {"$gte": word, "$lt": word + "\U0010ffff"}}}


def search_filter(query: str, find: Callable[[str], Document] = prefix_filter) -> Document:
    """What every word of a query finds, in one of its readings; nothing, where it has no word at all, as `…` has none.

    :param find: the filter for one word.
    """
    readings = [_all_of(words, find) for words in readings_of(query)]
    return readings[0] if len(readings) == 1 else {"$or": readings}


def _all_of(words: list[str], find: Callable[[str], Document]) -> Document:
    return {"$and": [find(word) for word in words]} if words else {"terms": {"$in": []}}
