"""Public links: each shows one document without sign-in."""

import re
from typing import Final

_PDF_PATH: Final = re.compile(r"/(?:static/estimates|d)/([A-Za-z0-9_-]{1,64})\.pdf(?:\?[!-~]*)?")


def pdf_url_of(base_url: str, token: str) -> str:
    return f"{base_url}/static/estimates/{token}.pdf"


def token_in(base_url: str, url: str) -> str | None:
    """Return the token of the public URL of a PDF; None if the URL is not one of this service."""
    found = _PDF_PATH.fullmatch(url.removeprefix(base_url)) if url.startswith(base_url) else None
    return None if found is None else found[1]
