"""Filters for the `q` parameter of a list, served by the index over `terms`."""

from collections.abc import Callable

from repositories.database.client import Filter
from schemas.text.search_terms import query_variants


def prefix_filter(word: str) -> Filter:
    """Return a filter for documents with a term that begins with a word."""
    return {"terms": {"$elemMatch": {"$gte": word, "$lt": word + "\U0010ffff"}}}


def search_filter(query: str, word_filter: Callable[[str], Filter] = prefix_filter) -> Filter:
    """Return a filter for documents that contain all words of a query, in one of its `query_variants`.

    A query without words, such as `…`, matches nothing.

    :param word_filter: returns that of one word.
    """
    readings = [_all_of(words, word_filter) for words in query_variants(query)]
    return readings[0] if len(readings) == 1 else {"$or": readings}


def _all_of(words: list[str], word_filter: Callable[[str], Filter]) -> Filter:
    return {"$and": [word_filter(word) for word in words]} if words else {"terms": {"$in": []}}
