"""Gzip compression of large responses to GET requests. Responses to writes are small, and not compressed."""

from collections.abc import Awaitable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoints.transfer.gzip import ENCODING, MIN_SIZE, GzipEncoder, takes_gzip

_TYPES: Final = (b"application/", b"text/", b"image/svg+xml")
#: Events must arrive at once, and these formats are compressed already.
_NEVER: Final = (b"text/event-stream", b"application/zip", b"application/gzip", b"application/pdf", b"application/vnd.")
_READS: Final = ("GET", "HEAD")

RawHeaders = list[tuple[bytes, bytes]]


class Compression:
    """Compress text of 1,400 bytes and more, or of unknown length, for clients that accept gzip."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and scope["method"] in _READS:
            send = _Answer(scope, send)
        return self.app(scope, receive, send)


class _Answer:
    """The sending side of one response."""

    __slots__ = ("_packer", "_scope", "_send", "_start")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        # With an encoder, the start waits for the first piece, which shows whether the length is known.
        self._packer: GzipEncoder | None = None
        self._start: Message | None = None

    def __call__(self, message: Message) -> Awaitable[None]:
        if self._packer is not None and message["type"] == "http.response.body":
            return self._pack(self._packer, message)
        if message["type"] == "http.response.start" and _is_worth_it(message["headers"]):
            return self._begin(message)
        return self._send(message)

    async def _begin(self, start: Message) -> None:
        headers = MutableHeaders(raw=list(start["headers"]))
        if "accept-encoding" not in headers.get("vary", "").lower():
            headers.add_vary_header("Accept-Encoding")
        start = {**start, "headers": headers.raw}
        if _takes_gzip(self._scope):
            self._packer, self._start = GzipEncoder(), start
        else:
            await self._send(start)

    async def _pack(self, packer: GzipEncoder, message: Message) -> None:
        is_more = message.get("more_body", False)
        body = await packer.pack(message.get("body", b""), is_last=not is_more)
        if self._start is not None:
            start, self._start = self._start, None
            await self._send({**start, "headers": _packed(start["headers"], None if is_more else len(body))})
        if body or not is_more:
            await self._send({"type": "http.response.body", "body": body, "more_body": is_more})


def _is_worth_it(raw: RawHeaders) -> bool:
    headers = dict(raw)
    if int(headers.get(b"content-length", MIN_SIZE)) < MIN_SIZE or b"content-encoding" in headers:
        return False
    media_type = headers.get(b"content-type", b"")
    return media_type.startswith(_TYPES) and not media_type.startswith(_NEVER)


def _takes_gzip(scope: Scope) -> bool:
    accepted = [value for name, value in scope["headers"] if name == b"accept-encoding"]
    return takes_gzip(b",".join(accepted).decode("latin-1"))


def _packed(raw: RawHeaders, length: int | None) -> RawHeaders:
    headers = MutableHeaders(raw=list(raw))
    headers["content-encoding"] = ENCODING
    del headers["content-length"]
    if length is not None:
        headers["content-length"] = str(length)
    if headers.get("etag", "W/").startswith('"'):
        # A weak tag: the content is the same, but the bytes differ.
        headers["etag"] = "W/" + headers["etag"]
    return headers.raw
