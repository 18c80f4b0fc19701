"""Constant response bodies, compressed once."""

import asyncio
import gzip
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from endpoints.transfer.gzip import ENCODING, MIN_SIZE, takes_gzip

# The best compression, since it is done once.
_LEVEL: Final = 9


class CompressibleBody:
    """A response body that never changes."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._packing: asyncio.Future[bytes] | None = None

    async def response(self, request: Request[Any], headers: Mapping[str, str], media_type: str) -> Response:
        """Return a response with the body, compressed if it is large enough and the client accepts it."""
        accepted = ",".join(request.headers.getlist("accept-encoding"))
        if len(self.body) < MIN_SIZE or not takes_gzip(accepted):
            return Response(self.body, headers=headers, media_type=media_type)
        # The bytes differ, so only a weak ETag is valid.
        tag = "W/" + headers["ETag"].removeprefix("W/")
        named = {**headers, "ETag": tag, "Content-Encoding": ENCODING}
        return Response(await self.packed(), headers=named, media_type=media_type)

    async def packed(self) -> bytes:
        if self._packing is None or self._packing.cancelled():
            # In a thread, since a large file takes a fifth of a second.
            self._packing = asyncio.ensure_future(asyncio.to_thread(gzip.compress, self.body, _LEVEL, mtime=0))
        # Shielded: when a client disconnects, others still wait for it.
        return await asyncio.shield(self._packing)
