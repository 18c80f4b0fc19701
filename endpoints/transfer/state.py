"""The typed state of requests for lists, pages and reports."""

from typing import TypeVar

from starlette.requests import Request

from endpoints.http.state import ShopState
from endpoints.transfer.concurrency_limits import ConcurrencyLimit
from endpoints.transfer.response_cache import ResponseCache


class TransferState(ShopState):
    response_cache: ResponseCache
    list_concurrency: ConcurrencyLimit
    page_concurrency: ConcurrencyLimit


TransferRequest = Request[TransferState]
#: For functions that take the requests of several rooms.
AnyTransferState = TypeVar("AnyTransferState", bound=TransferState)
