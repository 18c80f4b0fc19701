"""Static files of pages, with an ETag, so that a client downloads each version once."""

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
# Browsers cache it and revalidate it each time.
_REVALIDATED: Final = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file in memory.

    :ivar headers: headers of each response, with the ETag.
    """

    file: CompressibleBody
    media_type: str
    headers: Mapping[str, str]

    @classmethod
    def of(cls, body: bytes, ending: str, headers: Mapping[str, str]) -> Self:
        """Return an asset, whose media type follows from the ending of the file's name."""
        tag = f'"{sha256(body).hexdigest()[:16]}"'
        return cls(CompressibleBody(body), _TYPES[ending], {**_REVALIDATED, **headers, "ETag": tag})

    @classmethod
    def read(cls, folder: Traversable, name: str, headers: Mapping[str, str]) -> Self:
        return cls.of(folder.joinpath(name).read_bytes(), name.rpartition(".")[2], headers)

    async def answer(self, request: Request[Any]) -> Response:
        # Not a FileResponse: it supports ranges, and responds to a malformed `Range` with plain text.
        if matches_etag(request, self.headers["ETag"]):
            return Response(status_code=304, headers=self.headers)
        return await self.file.response(request, self.headers, self.media_type)


class WithoutSlash(HTTPEndpoint):
    """Redirects the path of a page with a trailing slash to the page, since its files have relative URLs."""

    async def get(self, request: Request[Any]) -> Response:
        # Relative, since a proxy may add a prefix.
        address = f"../{request.url.path.strip('/')}"
        return RedirectResponse(f"{address}?{request.url.query}" if request.url.query else address, 308)


async def asset_answer(assets: Mapping[str, Asset], name: str, request: Request[Any]) -> Response:
    """Return one of the files of a page; raise HTTPException for an unknown name."""
    if name not in assets:
        raise HTTPException(404)
    return await assets[name].answer(request)


def asset(summary: str, media: str = "*/*") -> Operation:
    return Operation(
        summary=summary,
        headers=("If-None-Match",),
        responses={
            200: ResponseSpec(content={}, description="The file.", headers=_HEADERS, media=media),
            304: ResponseSpec(content=None, description="Nothing has changed.", headers=_HEADERS),
        },
    )
