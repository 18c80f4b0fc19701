"""Commands that change public links: each with its event, in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from repositories.journal.command import Command, DocumentCommand, Reads, find_live
from repositories.journal.unit_of_work import UnitOfWork
from schemas.core.collections import LINKS
from schemas.core.documents import Document
from schemas.core.principals import public_fields
from schemas.journal import events


@dataclass(frozen=True, slots=True)
class AddLink(Command):
    """Add a link to a document.

    :param token: the hash of the link's token.
    :param message_id: the message that the link is created with.
    :param retry_keys: the keys under which the answer to that message is stored.
    """

    link_id: str
    kind: str
    document_id: str
    token: str
    expires_at: datetime
    message_id: str | None = None
    retry_keys: tuple[str, ...] = ()

    @property
    def reads(self) -> Reads:
        return ((self.kind, self.document_id),)

    def apply(self, work: UnitOfWork) -> Document:
        find_live(work, self.kind, self.document_id)
        fields = {"kind": self.kind, "document_id": self.document_id, "token": self.token}
        made_with = {"message_id": self.message_id, "retry_keys": list(self.retry_keys)}
        link = work.add(LINKS, self.link_id, {**fields, **made_with, "expires_at": self.expires_at})
        work.emit(LINKS, events.CREATE, link, _event_data(link))
        return link


@dataclass(frozen=True, slots=True)
class EndLink(DocumentCommand):
    """Revoke a link: it does not open any more."""

    kind: ClassVar[str] = LINKS

    def apply(self, work: UnitOfWork) -> Document:
        link = self.find(work)
        if link.get("message_id"):
            # A repeated request for that message must create one with a valid link.
            work.release_keys(link["retry_keys"], link["message_id"])
        link = work.update(LINKS, link, voided_at=work.now)
        work.emit(LINKS, events.DELETE, link, _event_data(link))
        return link


def _event_data(link: Document) -> Document:
    return {name: value for name, value in public_fields(link).items() if name != "retry_keys"}
