"""The live board: a page for the phone and for the wall, and today's figures for it."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final, Self

from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from endpoints.copies import Freshness, fresh
from endpoints.described import Answer, Operation, described, report
from endpoints.requests import holds
from endpoints.responses import answer
from schemas.board import LATEST, board
from schemas.calendar import business_date
from schemas.listing import Listing

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_GUARDS: Final = {
    "Cache-Control": "no-cache",
    # Nothing inline, nothing foreign; a signage player of the same house may frame it.
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page, as it is sent."""

    body: bytes
    media_type: str
    etag: str

    @classmethod
    def read(cls, name: str, edit: Callable[[bytes], bytes] = lambda body: body) -> Self:
        body = edit(files("endpoints").joinpath("board", name).read_bytes())
        return cls(body, _TYPES[name.rpartition(".")[2]], f'"{sha256(body).hexdigest()[:16]}"')

    def answer(self, request: Request) -> Response:
        headers = {**_GUARDS, "ETag": self.etag}
        if holds(request, self.etag):
            return Response(status_code=304, headers=headers)
        return Response(self.body, headers=headers, media_type=self.media_type)


_PAGE: Final = Asset.read("board.html")
#: So that it asks for nothing that it would be refused.
_PAGE_TO_SIGN_IN: Final = Asset.read(
    "board.html", lambda page: page.replace(b"<html ", b'<html data-sign-in="needed" ')
)
ASSETS: Final = {
    name: Asset.read(name)
    for name in ("board.css", "board.js", "chart.js", "figures.js", "form.js", "live.js", "sign-in.js", "icon.svg")
}


def _file(summary: str, media: str) -> Operation:
    headers = ("ETag",)
    return Operation(
        summary=summary,
        headers=("If-None-Match",),
        answers={
            200: Answer(content={}, description="The file.", headers=headers, media=media),
            304: Answer(content=None, description="Nothing has changed.", headers=headers),
        },
    )


class Page(HTTPEndpoint):
    @described(_file("The live board: today as it comes, for a phone and for a wall screen", "text/html"))
    async def get(self, request: Request) -> Response:
        page = _PAGE if request.state.authenticator.is_open else _PAGE_TO_SIGN_IN
        return page.answer(request)


class PageAsset(HTTPEndpoint):
    @described(_file("A file of that page", "*/*"))
    async def get(self, request: Request) -> Response:
        asset = ASSETS.get(request.path_params["file"])
        if asset is None:
            raise HTTPException(404)
        return asset.answer(request)


class Figures(HTTPEndpoint):
    @described(report("All that the board shows, in one answer, and the place in the log to follow it from", "Board"))
    async def get(self, request: Request) -> Response:
        async def make(_: None, freshness: Freshness) -> Response:
            hours = await request.state.hours.today()
            newest = await request.state.orders.newest(Listing(start=hours.day, end=hours.day), LATEST)
            figures = board(hours.day, hours.rows, [request.state.views.order(order) for order in newest])
            return answer({**_heading(request, freshness), **figures}, headers=freshness.headers)

        today = business_date(request.state.clock(), request.state.zone)
        return await fresh(request, lambda: None, make, extra=f"{today}.{request.state.currency}")


def _heading(request: Request, freshness: Freshness) -> dict[str, Any]:
    """How the page is to write money and time, and `position`: what it subscribes from, as `<epoch>.<seq>`."""
    return {
        "version": request.state.about.version,
        "currency": request.state.currency,
        "timezone": request.state.zone.key,
        "position": str(freshness.place),
    }
