"""JSON responses, whole or streamed, and their headers for pages and conditional requests."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from marshmallow import Schema
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from endpoints.http.requests import known_parameters
from schemas.core.pagination import Cursor

JSON: Final = "application/json"

Headers = Mapping[str, str]


class _Streamed(StreamingResponse):
    """Closes its source also if the client disconnects early, so that the database cursor is closed."""

    body_iterator: AsyncGenerator[bytes]

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):
            await super().stream_response(send)


def answer(content: Any, status: int = 200, headers: Headers | None = None) -> Response:
    return Response(orjson.dumps(content), status, headers, JSON)


async def streamed(chunks: AsyncGenerator[bytes], headers: Headers) -> Response:
    """Stream a JSON response. The first chunk is made before anything is sent, so an unavailable database still gives a
    503. A response of one chunk is sent whole, with its length."""
    first = await anext(chunks)
    second = await anext(chunks, None)
    if second is None:
        return Response(first, 200, headers, JSON)

    async def resumed(second: bytes) -> AsyncGenerator[bytes]:
        async with aclosing(chunks):
            yield first
            yield second
            async for chunk in chunks:
                yield chunk

    return _Streamed(resumed(second), 200, headers, JSON)


def document_answer(shown: Mapping[str, Any]) -> Response:
    """Return a document, with its version as the ETag for `If-Match`."""
    return answer(shown, headers={"ETag": f'"{shown["version"]}"'})


def replay_headers(replayed: bool) -> Headers:
    return {"Idempotent-Replayed": "true"} if replayed else {}


def page_headers(request: Request[Any], schema: Schema, next_cursor: Cursor | None) -> Headers:
    """Return the headers that link to the next page.

    :param schema: of the query. Unknown parameters are not repeated, since the response may be cached for others.
    :param next_cursor: the cursor of the last item; None if no page follows.
    """
    if next_cursor is None:
        return {}
    cursor = next_cursor.encode()
    parameters = [(name, value) for name, value in known_parameters(request, schema) if name != "cursor"]
    target = f"{request.scope['path']}?{urlencode([*parameters, ('cursor', cursor)])}"
    return {"Link": f'<{target}>; rel="next"', "X-Next-Cursor": cursor}
