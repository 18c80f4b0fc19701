"""Filters for the `q` parameter of a list, served by the index over `terms`."""

from collections.abc import Callable

from repositories.database.client import Filter
from schemas.text.search_terms import query_variants


def prefix_filter(word: str) -> Filter:
    """Return a filter for documents with a term that begins with a word."""
    return {"terms": {"$elemMatch": {"$gte": word, "$lt": word + "\U0010ffff"}}}


def search_filter(query: str, find: Callable[[str], Filter] = prefix_filter) -> Filter:
    """Return a filter for documents that match all words of a query, in one of its readings.

    A query without words, such as `…`, matches nothing.

    :param find: returns the filter for one word.
    """
    readings = [_all_of(words, find) for words in query_variants(query)]
    return readings[0] if len(readings) == 1 else {"$or": readings}


def _all_of(words: list[str], find: Callable[[str], Filter]) -> Filter:
    return {"$and": [find(word) for word in words]} if words else {"terms": {"$in": []}}
