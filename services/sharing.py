"""Links by which whoever has one sees a document, without signing in."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from repositories.sharing.links import LinkRepository
from schemas.core.principals import Actor
from schemas.journal.events import Event

_PDF_PATH: Final = re.compile(r"/(?:static/estimates|d)/([A-Za-z0-9_-]{1,64})\.pdf(?:\?[!-~]*)?")


class PublicLink(NamedTuple):
    """url: of the page. pdf_url: of the PDF, under the name that the earlier backend gave it. events: for the hub."""

    id: str
    url: str
    pdf_url: str
    expires_at: datetime
    events: Sequence[Event]


async def make_public_link(
    links: LinkRepository, base_url: str, kind: str, document_id: str, *, days: int, actor: Actor
) -> PublicLink:
    """A new link to an estimate or an order, for so many days. base_url: the setting PUBLIC_BASE_URL.

    :raises NotFound: there is no such document.
    """
    link, token, outcome = await links.create(kind, document_id, days=days, actor=actor)
    urls = f"{base_url}/d/{token}", pdf_url_of(base_url, token)
    return PublicLink(link["_id"], *urls, link["expires_at"], outcome.events)


def pdf_url_of(base_url: str, token: str) -> str:
    return f"{base_url}/static/estimates/{token}.pdf"


def token_in(base_url: str, url: str) -> str | None:
    """The token of a PDF's public address; None where it is none of this service."""
    found = _PDF_PATH.fullmatch(url.removeprefix(base_url)) if url.startswith(base_url) else None
    return None if found is None else found[1]
