"""The base of all changes of state, and what they have in common: pure functions over a unit of work.

A command refuses before it changes anything, so a refusal never touches the other commands of its group.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from repositories.database.errors import NotFound, StaleVersion
from repositories.journal.unit_of_work import UnitOfWork
from schemas.core.documents import Document
from schemas.core.principals import THE_SERVICE, Actor
from schemas.journal import events
from schemas.journal.idempotency import RequestKey

Reads = Sequence[tuple[str, str]]

#: What a document takes without its lines, roughly.
DOCUMENT_BYTES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(ABC):
    """Change the state of a store, or refuse to. Commands are pickled between processes.

    :param keys: the keys under which the answer is remembered; empty: it is not.
    :param actor: who does it: `UnitOfWork.actor` while the command is applied.
    """

    keys: tuple[RequestKey, ...] = ()
    actor: Actor = THE_SERVICE

    #: Whether a process may send it to the one that keeps the journal for all.
    is_forwardable: ClassVar[bool] = False
    #: Whether applying it a second time changes nothing, also without a key.
    is_repeatable: ClassVar[bool] = False
    #: How often the bytes of a document that it reads are moved: the document is read, and told of or rewritten.
    copies_of_reads: ClassVar[int] = 2

    @property
    def reads(self) -> Reads:
        """Return the (kind, id) of each document that the command must see."""
        return ()

    @property
    def bytes_written(self) -> int:
        """Return roughly how many bytes the command writes, without those of documents that it has yet to read."""
        return DOCUMENT_BYTES

    @abstractmethod
    def apply(self, work: UnitOfWork) -> Document:
        """Apply the command, and return a document or its digest.

        :raises ShopError: it cannot be done; nothing was changed.
        """


def find_live(work: UnitOfWork, kind: str, document_id: str) -> Document:
    """Return a document that is not voided.

    :raises NotFound: there is none, or it is voided.
    """
    document = work.find(kind, document_id)
    if document is None:
        raise NotFound(f"There is no such {events.TYPES[kind]}.")
    return document


def check_version(document: Document, versions: frozenset[int] | None) -> None:
    """Refuse to change a document of another version than those that If-Match accepts.

    :param versions: None accepts any.
    :raises StaleVersion: the document has none of these versions.
    """
    if versions is not None and document["version"] not in versions:
        raise StaleVersion(
            "Somebody else has changed this in the meantime. Please load it again.", version=document["version"]
        )
