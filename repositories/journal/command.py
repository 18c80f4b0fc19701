"""The base class of all commands, which change a unit of work and do no I/O.

A command raises its refusal before it changes anything, so a refusal never affects the other commands of its group.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from repositories.database.errors import NotFound, StaleVersion
from repositories.journal.unit_of_work import UnitOfWork
from schemas.core.documents import Document
from schemas.core.principals import SERVICE_ACTOR, Actor
from schemas.journal import events
from schemas.journal.idempotency import RequestKey

Reads = Sequence[tuple[str, str]]

#: Bytes of a document without its lines, roughly.
DOCUMENT_BYTES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(ABC):
    """A change of a store's state. Commands are pickled between processes.

    :param keys: the idempotency keys under which the answer is stored; may be empty.
    :param actor: who makes the change; `UnitOfWork.actor` while the command is applied.
    """

    keys: tuple[RequestKey, ...] = ()
    actor: Actor = SERVICE_ACTOR

    #: Whether a follower may send it to the leader.
    is_forwardable: ClassVar[bool] = False
    #: Whether applying it a second time changes nothing, even without a key.
    is_repeatable: ClassVar[bool] = False
    #: How often the bytes of a document that it reads are transferred: read, and written to an event or a document.
    copies_of_reads: ClassVar[int] = 2

    @property
    def reads(self) -> Reads:
        """Return the (kind, id) of each document that the command needs."""
        return ()

    @property
    def bytes_written(self) -> int:
        """Return roughly how many bytes the command writes, without those of documents that it reads."""
        return DOCUMENT_BYTES

    @abstractmethod
    def apply(self, work: UnitOfWork) -> Document:
        """Apply the command, and return a document or its summary.

        :raises ShopError: the command is refused; nothing was changed.
        """


@dataclass(frozen=True, slots=True)
class DocumentCommand(Command):
    """Change one document that exists.

    :cvar kind: its collection.
    :param versions: those that If-Match names; None for any.
    """

    document_id: str
    versions: frozenset[int] | None = field(default=None, kw_only=True)
    kind: ClassVar[str]

    @property
    def reads(self) -> Reads:
        return ((self.kind, self.document_id),)

    def find(self, work: UnitOfWork) -> Document:
        """Return the document.

        :raises NotFound: there is none, or it is voided.
        :raises StaleVersion: it has another version.
        """
        document = find_live(work, self.kind, self.document_id)
        check_version(document["version"], self.versions)
        return document


def find_live(work: UnitOfWork, kind: str, document_id: str) -> Document:
    """Return a document that is not voided.

    :raises NotFound: there is none, or it is voided.
    """
    document = work.find(kind, document_id)
    if document is None:
        raise NotFound(f"There is no such {events.TYPES[kind]}.")
    return document


def check_version(version: int, versions: frozenset[int] | None) -> None:
    """Check that a version is one of those that If-Match names; None for any.

    :raises StaleVersion: it is another one.
    """
    if versions is not None and version not in versions:
        raise StaleVersion("Another client has changed this in the meantime. Please load it again.", version=version)
