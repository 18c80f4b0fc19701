"""Public links: each shows one document without sign-in."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from repositories.sharing.links import LinkRepository
from schemas.core.principals import Actor
from schemas.journal.events import Event

_PDF_PATH: Final = re.compile(r"/(?:static/estimates|d)/([A-Za-z0-9_-]{1,64})\.pdf(?:\?[!-~]*)?")


class PublicLink(NamedTuple):
    """A new link.

    :ivar url: the URL of the page.
    :ivar pdf_url: the URL of the PDF, with the path of the earlier backend.
    :ivar events: for the hub.
    """

    id: str
    url: str
    pdf_url: str
    expires_at: datetime
    events: Sequence[Event]


async def make_public_link(
    links: LinkRepository, base_url: str, kind: str, document_id: str, *, days: int, actor: Actor
) -> PublicLink:
    """Create a link to an estimate or an order.

    :param base_url: the setting PUBLIC_BASE_URL.
    :param days: lifetime of the link.
    :raises NotFound: the document does not exist.
    """
    link, token, outcome = await links.create(kind, document_id, days=days, actor=actor)
    urls = f"{base_url}/d/{token}", pdf_url_of(base_url, token)
    return PublicLink(link["_id"], *urls, link["expires_at"], outcome.events)


def pdf_url_of(base_url: str, token: str) -> str:
    return f"{base_url}/static/estimates/{token}.pdf"


def token_in(base_url: str, url: str) -> str | None:
    """Return the token of the public URL of a PDF; None if the URL is not one of this service."""
    found = _PDF_PATH.fullmatch(url.removeprefix(base_url)) if url.startswith(base_url) else None
    return None if found is None else found[1]
