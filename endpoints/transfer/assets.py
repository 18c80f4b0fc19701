"""Files of a page, as they are sent: whole, and once: whoever has one already is only told that it has not changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources.abc import Traversable
from typing import Any, Final, Self

from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from endpoints.http.operations import Operation, ResponseSpec
from endpoints.http.requests import matches_etag
from endpoints.transfer.compressible import CompressibleBody

_TYPES: Final = {
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
}
_HEADERS: Final = ("ETag",)
# Held by browsers, and asked for again each time.
_HELD: Final = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file in memory. headers: those of each answer, its tag among them."""

    file: CompressibleBody
    media_type: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, body: bytes, ending: str, headers: Mapping[str, str]) -> Self:
        """:param ending: of its name, which says what it is."""
        tag = f'"{sha256(body).hexdigest()[:16]}"'
        return cls(CompressibleBody(body), _TYPES[ending], {**_HELD, **headers, "ETag": tag})

    @classmethod
    def read(cls, folder: Traversable, name: str, headers: Mapping[str, str]) -> Self:
        return cls.of(folder.joinpath(name).read_bytes(), name.rpartition(".")[2], headers)

    async def answer(self, request: Request[Any]) -> Response:
        # Not a FileResponse: it answers parts of files, and a malformed `Range` with plain text.
        if matches_etag(request, self.headers["ETag"]):
            return Response(status_code=304, headers=self.headers)
        return await self.file.response(request, self.headers, self.media_type)


class WithoutSlash(HTTPEndpoint):
    """A page's address as some type it, with a slash at its end. It leads to the page, whose files are beside it."""

    async def get(self, request: Request[Any]) -> Response:
        # Relative, since the service may stand behind a prefix that it does not know of.
        address = f"../{request.url.path.strip('/')}"
        return RedirectResponse(f"{address}?{request.url.query}" if request.url.query else address, 308)


async def asset_answer(assets: Mapping[str, Asset], name: str, request: Request[Any]) -> Response:
    """One of the files of a page.

    :raises HTTPException: it has none of that name.
    """
    if name not in assets:
        raise HTTPException(404)
    return await assets[name].answer(request)


def asset(summary: str, media: str = "*/*") -> Operation:
    """An answer that is a file."""
    return Operation(
        summary=summary,
        headers=("If-None-Match",),
        answers={
            200: ResponseSpec(content={}, description="The file.", headers=_HEADERS, media=media),
            304: ResponseSpec(content=None, description="Nothing has changed.", headers=_HEADERS),
        },
    )
