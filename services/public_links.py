"""Links by which whoever has one sees a document, without signing in."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from repositories.links import LinkRepository
from schemas.events import Event
from schemas.principals import Actor


class PublicLink(NamedTuple):
    """url: of the page. pdf_url: of the PDF, under the name that the earlier backend gave it. events: for the hub."""

    id: str
    url: str
    pdf_url: str
    expires_at: datetime
    events: Sequence[Event]


async def make_public_link(
    links: LinkRepository, base_url: str, kind: str, document_id: str, *, days: int, by: Actor
) -> PublicLink:
    """A new link to an estimate or an order, for so many days. base_url: the setting PUBLIC_BASE_URL.

    :raises NotFound: there is no such document.
    """
    link, token, outcome = await links.create(kind, document_id, days=days, by=by)
    urls = f"{base_url}/d/{token}", pdf_url_of(base_url, token)
    return PublicLink(link["_id"], *urls, link["expires_at"], outcome.events)


def pdf_url_of(base_url: str, token: str) -> str:
    return f"{base_url}/static/estimates/{token}.pdf"
