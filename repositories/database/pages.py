"""Pages of lists. A query reads one item more than a page needs, which tells whether others follow."""

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Page(NamedTuple, Generic[T]):
    """The first items of a list.

    :ivar is_last: whether no other items follow.
    """

    items: list[T]
    is_last: bool


def first_page(found: list[T], limit: int) -> Page[T]:
    """Return the page of a list that was read up to `limit + 1` items."""
    return Page(found[:limit], is_last=len(found) <= limit)


def first_page_of_bytes(found: list[bytes], limit: int, max_bytes: int) -> Page[bytes]:
    """Return the page of a list that was read up to `limit + 1` items: at most `max_bytes`, but always one item."""
    size = 0
    for count, item in enumerate(found[:limit]):
        size += len(item)
        if count and size > max_bytes:
            return Page(found[:count], is_last=False)
    return first_page(found, limit)
