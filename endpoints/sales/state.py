"""The typed state of requests that show estimates and orders."""

from starlette.requests import Request

from endpoints.transfer.state import TransferState
from repositories.sales.render_cache import RenderCaches


class SalesState(TransferState):
    render_caches: RenderCaches


SalesRequest = Request[SalesState]
