"""What goes out: JSON, at once or streamed, with the headers that let a client ask again cheaply."""

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
from schemas.core.pagination import Encodable

JSON: Final = "application/json"

Headers = Mapping[str, str]


class _Streamed(StreamingResponse):
    """Lets go of what it streams, also where the client is gone before the end: a database keeps the rest ready."""

    body_iterator: AsyncGenerator[bytes]

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):
            await super().stream_response(send)


def answer(content: Any, status: int = 200, headers: Headers | None = None) -> Response:
    """JSON as a whole."""
    return Response(orjson.dumps(content), status, headers, JSON)


async def streamed(chunks: AsyncGenerator[bytes], headers: Headers) -> Response:
    """JSON as it comes. The first chunk is made before anything is sent, so a database that is away is still a 503;
    an answer of one chunk is sent whole, with its length."""
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
    """One document, with its version as the ETag that `If-Match` takes."""
    return answer(shown, headers={"ETag": f'"{shown["version"]}"'})


def replay_headers(replayed: bool) -> Headers:
    return {"Idempotent-Replayed": "true"} if replayed else {}


def page_headers(request: Request[Any], schema: Schema, last: Encodable | None) -> Headers:
    """Where the next page begins, for a page that is followed by another.

    :param schema: of the query. What it does not know is not repeated: others may be given the same answer.
    """
    if last is None:
        return {}
    cursor = last.encode()
    parameters = [(name, value) for name, value in known_parameters(request, schema) if name != "cursor"]
    target = f"{request.scope['path']}?{urlencode([*parameters, ('cursor', cursor)])}"
    return {"Link": f'<{target}>; rel="next"', "X-Next-Cursor": cursor}
