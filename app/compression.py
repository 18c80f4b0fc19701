"""Large answers to reads, packed for clients that take gzip. Writes are answered briefly, and are not touched."""

from collections.abc import Awaitable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoints.encoding import ENCODING, MIN_SIZE, Packer, takes_gzip

_TYPES: Final = ("application/", "text/", "image/svg+xml")
#: Each of its events must arrive at once; and what is packed already.
_NEVER: Final = ("text/event-stream", "application/zip", "application/gzip", "application/pdf", "application/vnd.")
_READS: Final = ("GET", "HEAD")


class Compression:
    """Packs what is worth it: text of 1,400 bytes and more, or of unknown length, that is not packed yet."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and scope["method"] in _READS:
            accepted = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding")
            send = _Answer(send, takes_gzip=takes_gzip(accepted.decode("latin-1")))
        return self.app(scope, receive, send)


class _Answer:
    """The way out for one answer."""

    __slots__ = ("_packer", "_send", "_start", "_takes_gzip")

    def __init__(self, send: Send, *, takes_gzip: bool) -> None:
        self._send = send
        self._takes_gzip = takes_gzip
        # While there is a packer, the start waits for the first piece, which says whether the length is known.
        self._packer: Packer | None = None
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_worth_it(MutableHeaders(raw=message["headers"])):
            headers = MutableHeaders(raw=list(message["headers"]))
            if "accept-encoding" not in headers.get("vary", "").lower():
                headers.add_vary_header("Accept-Encoding")
            message = {**message, "headers": headers.raw}
            if self._takes_gzip:
                self._packer, self._start = Packer(), message
                return
        elif self._packer is not None and message["type"] == "http.response.body":
            await self._pack(self._packer, message)
            return
        await self._send(message)

    async def _pack(self, packer: Packer, message: Message) -> None:
        is_more = message.get("more_body", False)
        body = await packer.pack(message.get("body", b""), is_last=not is_more)
        if self._start is not None:
            start, self._start = self._start, None
            await self._send({**start, "headers": _packed(start["headers"], None if is_more else len(body))})
        if body or not is_more:
            await self._send({"type": "http.response.body", "body": body, "more_body": is_more})


def _is_worth_it(headers: MutableHeaders) -> bool:
    media_type = headers.get("content-type", "")
    if not media_type.startswith(_TYPES) or media_type.startswith(_NEVER) or "content-encoding" in headers:
        return False
    return int(headers.get("content-length", MIN_SIZE)) >= MIN_SIZE


def _packed(raw: list[tuple[bytes, bytes]], length: int | None) -> list[tuple[bytes, bytes]]:
    headers = MutableHeaders(raw=list(raw))
    headers["content-encoding"] = ENCODING
    del headers["content-length"]
    if length is not None:
        headers["content-length"] = str(length)
    if headers.get("etag", "W/").startswith('"'):
        # The bytes are others now, the meaning is the same: that is what a weak tag says.
        headers["etag"] = "W/" + headers["etag"]
    return headers.raw
