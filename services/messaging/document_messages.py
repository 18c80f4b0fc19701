"""Messages with a document: links and attachments."""

from typing import Final

from repositories.journal.transaction import Outcome
from repositories.messaging.messages import MessageRepository
from repositories.messaging.uploads import Uploads
from repositories.sharing.links import LinkRepository, PublicLinks
from schemas.core.documents import Document
from schemas.core.errors import ShopError
from schemas.core.principals import Actor
from schemas.journal.idempotency import RequestKey
from schemas.messaging.composition import document_message, invalid_field
from schemas.messaging.messages import Attachment
from schemas.printing.letterhead import Letterhead
from services.sharing import pdf_url_of, token_in

_NO_ADDRESS: Final = (
    "Documents are sent as links, and phones cannot reach this one: set PUBLIC_BASE_URL to the address by which the "
    "service is reached from outside."
)


class NoPublicAddress(ShopError):
    """A document cannot be sent, since phones could not open its link."""

    status, code, title = 409, "no_public_address", "No public address"


def require_public_address(base_url: str | None) -> str:
    """Return the public base URL.

    :raises NoPublicAddress: there is none.
    """
    if base_url is None:
        raise NoPublicAddress(_NO_ADDRESS)
    return base_url


async def find_attachment(
    public_links: PublicLinks, uploads: Uploads, base_url: str | None, store: str, url: str
) -> Attachment:
    """Return the attachment of a URL that this service created.

    :raises NoPublicAddress: the service has no public URL.
    :raises InvalidBody: the URL is not that of a PDF of the store.
    """
    token = token_in(require_public_address(base_url), url)
    if token is not None:
        link = await public_links.find(token)
        if link is not None and link["store"] == store:
            return Attachment(link["kind"], link["document_id"], link["_id"], link["expires_at"])
        until = await uploads.until(store, token)
        if until is not None:
            return Attachment(until=until)
    raise invalid_field("pdf_url", "must be the address of a PDF that this service gave out, and that still opens")


async def send_document(
    messages: MessageRepository,
    links: LinkRepository,
    base_url: str | None,
    document: Document,
    head: Letterhead,
    currency: str,
    *,
    kind: str,
    to: str,
    text: str | None,
    days: int,
    keys: tuple[RequestKey, ...],
    actor: Actor,
) -> Outcome:
    """Send an estimate or an order to a phone, with a new link.

    :raises NoPublicAddress: the service has no public URL.
    :raises NotFound: the document does not exist.
    """
    address = require_public_address(base_url)
    link, token = links.draft(kind, document["_id"], days=days, actor=actor)
    url = pdf_url_of(address, token)
    letter = document_message(document, head, currency, to=to, text=text, document_url=url)
    return await messages.send(letter, keys=keys, link=link, actor=actor)
