"""The typed state of requests that show estimates and orders."""

from starlette.requests import Request

from endpoints.sales.render_cache import RenderCaches
from endpoints.transfer.state import TransferState


class SalesState(TransferState):
    render_caches: RenderCaches


SalesRequest = Request[SalesState]
