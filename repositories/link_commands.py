"""Public links, as commands of the journal: each with its event, in one transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from repositories.account_commands import shown
from repositories.commands import Reads
from repositories.database import LINKS
from repositories.errors import NotFound
from repositories.unit_of_work import UnitOfWork
from schemas import events
from schemas.documents import Document
from schemas.events import TYPES
from schemas.idempotency import RequestKey
from schemas.principals import THE_SERVICE, Actor


@dataclass(frozen=True, slots=True)
class AddLink:
    """A link to a document. token: its hash. message_id, retry_keys: of the message that it is made with, and what the
    answer to that is remembered under."""

    link_id: str
    kind: str
    document_id: str
    token: str
    expires_at: datetime
    by: Actor = THE_SERVICE
    message_id: str | None = None
    retry_keys: tuple[str, ...] = ()
    keys: ClassVar[tuple[RequestKey, ...]] = ()

    @property
    def reads(self) -> Reads:
        return ((self.kind, self.document_id),)

    def apply(self, work: UnitOfWork) -> Document:
        if work.find(self.kind, self.document_id) is None:
            raise NotFound(f"There is no such {TYPES[self.kind]}.")
        fields = {"kind": self.kind, "document_id": self.document_id, "token": self.token}
        made_with = {"message_id": self.message_id, "retry_keys": list(self.retry_keys)}
        link = work.add(LINKS, self.link_id, {**fields, **made_with, "expires_at": self.expires_at})
        work.emit(LINKS, events.CREATE, link, _told(link))
        return link


@dataclass(frozen=True, slots=True)
class EndLink:
    """A link that leads nowhere any more."""

    link_id: str
    by: Actor = THE_SERVICE
    keys: tuple[RequestKey, ...] = ()

    @property
    def reads(self) -> Reads:
        return ((LINKS, self.link_id),)

    def apply(self, work: UnitOfWork) -> Document:
        link = work.find(LINKS, self.link_id)
        if link is None:
            raise NotFound("There is no such link.")
        if link.get("message_id"):
            # Who asks for the same message now means one with a link that opens.
            work.forget(link["retry_keys"], link["message_id"])
        link = work.update(LINKS, link, voided_at=work.now)
        work.emit(LINKS, events.DELETE, link, _told(link))
        return link


def _told(link: Document) -> Document:
    return {name: value for name, value in shown(link).items() if name != "retry_keys"}
