"""The live board: a page for the phone and for the wall, and today's figures for it."""

from importlib.resources import files
from typing import Any, Final

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.operations import operation, report_op
from endpoints.http.responses import answer
from endpoints.sales.state import SalesRequest
from endpoints.transfer.assets import Asset, asset, asset_answer
from endpoints.transfer.cached_responses import cached_response
from endpoints.transfer.response_cache import CacheVersion
from repositories.concurrency.threads import offload
from schemas.core.calendar import business_date
from schemas.core.collections import ORDERS
from schemas.reporting.board import LATEST_COUNT, build_board
from schemas.sales.listing import Listing

_GUARDS: Final = {
    # Nothing inline, nothing from other hosts; a signage player of the same origin may frame it.
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
}
_FOLDER: Final = files("endpoints.reporting").joinpath("board_assets")
_PAGE: Final = Asset.read(_FOLDER, "board.html", _GUARDS)
#: The page for a service with sign-in: it sends no request that would be rejected.
_PAGE_TO_SIGN_IN: Final = Asset.of(_PAGE.file.body.replace(b"<html ", b'<html data-sign-in="needed" '), "html", _GUARDS)
ASSETS: Final = {
    name: Asset.read(_FOLDER, name, _GUARDS)
    for name in (
        "board.css",
        "board.js",
        "chart.js",
        "figures.js",
        "form.js",
        "keep.js",
        "live.js",
        "sign-in.js",
        "icon.svg",
    )
}


class Page(HTTPEndpoint):
    @operation(asset("The live board: today as it comes, for a phone and for a wall screen", "text/html"))
    async def get(self, request: SalesRequest) -> Response:
        page = _PAGE if request.state.is_open else _PAGE_TO_SIGN_IN
        return await page.answer(request)


class PageAsset(HTTPEndpoint):
    @operation(asset("A file of that page"))
    async def get(self, request: SalesRequest) -> Response:
        return await asset_answer(ASSETS, request.path_params["file"], request)


class Figures(HTTPEndpoint):
    @operation(
        report_op("All that the board shows, in one answer, and the place in the log to follow it from", "Board")
    )
    async def get(self, request: SalesRequest) -> Response:
        async def make(_: None, cache_version: CacheVersion) -> Response:
            hours = await request.state.hours.today()
            of_today = Listing(start=hours.day, end=hours.day)
            page = await request.state.orders.page(of_today, LATEST_COUNT)
            render_cache = request.state.render_caches.of_kind[ORDERS]
            latest = [render_cache(order).parsed() for order in page.items]
            figures = await offload(len(hours.rows), build_board, hours.day, hours.rows, latest)
            return answer({**_heading(request, cache_version), **figures}, headers=cache_version.headers)

        today = business_date(request.state.clock(), request.state.zone)
        return await cached_response(request, lambda: None, make, extra=f"{today}.{request.state.currency}")


def _heading(request: SalesRequest, cache_version: CacheVersion) -> dict[str, Any]:
    """Return the currency and the time zone for the page, and the position to subscribe from, as `<epoch>.<seq>`."""
    return {
        "version": request.state.about.version,
        "currency": request.state.currency,
        "timezone": request.state.zone.key,
        "position": str(cache_version.place),
    }
