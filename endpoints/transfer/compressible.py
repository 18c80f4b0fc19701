"""Bytes that stay the same as long as the process lives: packed once, however many take them so."""

import asyncio
import gzip
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from endpoints.transfer.gzip import ENCODING, MIN_SIZE, takes_gzip

# The smallest, since it is done once.
_LEVEL: Final = 9


class CompressibleBody:
    """The body of an answer that never changes."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._packing: asyncio.Future[bytes] | None = None

    async def response(self, request: Request[Any], headers: Mapping[str, str], media_type: str) -> Response:
        """Return an answer with the body, packed where it is worth it and the client takes it."""
        accepted = ",".join(request.headers.getlist("accept-encoding"))
        if len(self.body) < MIN_SIZE or not takes_gzip(accepted):
            return Response(self.body, headers=headers, media_type=media_type)
        # The bytes are others than those of a strong tag, the meaning is the same.
        tag = "W/" + headers["ETag"].removeprefix("W/")
        named = {**headers, "ETag": tag, "Content-Encoding": ENCODING}
        return Response(await self.packed(), headers=named, media_type=media_type)

    async def packed(self) -> bytes:
        """Return the body, packed."""
        if self._packing is None or self._packing.cancelled():
            # In a thread, since a large file takes a fifth of a second.
            self._packing = asyncio.ensure_future(asyncio.to_thread(gzip.compress, self.body, _LEVEL, mtime=0))
        # Shielded: a client that goes away leaves the others theirs.
        return await asyncio.shield(self._packing)
