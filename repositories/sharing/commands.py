"""Commands that change public links: each with its event, in one transaction."""

from dataclasses import dataclass
from datetime import datetime

from repositories.database.errors import NotFound
from repositories.journal.command import Command, Reads
from repositories.journal.unit_of_work import UnitOfWork
from schemas.core.collections import LINKS
from schemas.core.documents import Document
from schemas.core.principals import public_fields
from schemas.journal import events
from schemas.journal.events import TYPES


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
        if work.find(self.kind, self.document_id) is None:
            raise NotFound(f"There is no such {TYPES[self.kind]}.")
        fields = {"kind": self.kind, "document_id": self.document_id, "token": self.token}
        made_with = {"message_id": self.message_id, "retry_keys": list(self.retry_keys)}
        link = work.add(LINKS, self.link_id, {**fields, **made_with, "expires_at": self.expires_at})
        work.emit(LINKS, events.CREATE, link, _event_data(link))
        return link


@dataclass(frozen=True, slots=True)
class EndLink(Command):
    """Revoke a link: it does not open any more."""

    link_id: str

    @property
    def reads(self) -> Reads:
        return ((LINKS, self.link_id),)

    def apply(self, work: UnitOfWork) -> Document:
        link = work.find(LINKS, self.link_id)
        if link is None:
            raise NotFound("There is no such link.")
        if link.get("message_id"):
            # A repeated request for that message must create one with a valid link.
            work.release_keys(link["retry_keys"], link["message_id"])
        link = work.update(LINKS, link, voided_at=work.now)
        work.emit(LINKS, events.DELETE, link, _event_data(link))
        return link


def _event_data(link: Document) -> Document:
    return {name: value for name, value in public_fields(link).items() if name != "retry_keys"}
