"""What all stored documents have in common. `documents.py` of each domain says what its collections store.

A field of a type `X | None` is always there; one that is `NotRequired` is absent from some documents. Times are UTC, in
whole milliseconds. Money is in minor units, see `schemas.core.money`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NotRequired, TypedDict

#: A document of any collection.
Document = dict[str, Any]


class Signature(TypedDict):
    """The actor of a change, as documents store it."""

    id: str
    name: str


class ActorFields(Signature):
    """The actor of a change, as events store it."""

    role: str
    device: str | None  # the id of the device that the request came from
    address: str | None
    request_id: str | None


class Versioned(TypedDict):
    """The fields that the journal writes into every document, besides signatures."""

    _id: str
    store: str
    created_at: datetime
    updated_at: datetime
    version: int  # from 1, with each change one more
    voided_at: datetime | None  # set: the document is deleted


class Signed(Versioned):
    """The fields that the journal writes into every document."""

    created_by: Signature
    changed_by: NotRequired[Signature]  # absent until the first change


def select(document: Mapping[str, Any], names: Iterable[str]) -> Document:
    """Return some fields of a document."""
    return {name: document[name] for name in names}


def differing(document: Mapping[str, Any], changes: Mapping[str, Any]) -> Document:
    """Return the changes that differ from a document."""
    return {name: value for name, value in changes.items() if document[name] != value}
