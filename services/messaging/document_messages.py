"""Messages with a document: links and attachments."""

from typing import Final

from repositories.messaging.uploads import Uploads
from repositories.sharing.links import PublicLinks
from schemas.core.errors import ShopError
from schemas.messaging.composition import invalid_field
from schemas.messaging.messages import Attachment
from services.sharing import token_in

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
