"""A client of the subprotocol that checks each received frame against the AsyncAPI document."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import websockets
from jsonschema import Draft202012Validator, FormatChecker

from schemas.live.asyncapi import build_asyncapi
from tests.support.shop import Shop

Json = dict[str, Any]

DOCUMENT = build_asyncapi("1.0.0", "http://127.0.0.1:8000")


def validator_of(name: str) -> Draft202012Validator:
    """Return the validator of a message of the document, by its name."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema, format_checker=FormatChecker())


SERVER_FRAMES = {
    schema["properties"]["type"]["const"]: validator_of(name)
    for name, schema in DOCUMENT["components"]["schemas"].items()
    if "const" in schema["properties"]["type"]
}
PLAIN = validator_of("event")


class Live:
    """An open socket of the subprotocol."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket

    async def send(self, kind: str, **members: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **members}))

    async def next(self) -> Json:
        """Return the next frame."""
        frame: Json = json.loads(await asyncio.wait_for(self.socket.recv(), 30))
        SERVER_FRAMES[frame["type"]].validate(frame)
        return frame

    async def until(self, kind: str) -> list[Json]:
        """Return the frames up to and including the next one of a kind."""
        frames = [await self.next()]
        while frames[-1]["type"] != kind:
            frames.append(await self.next())
        return frames

    async def seqs(self, count: int) -> list[int]:
        """Return the sequence numbers of the next `count` events, in any packing; skip frames of other kinds."""
        seqs: list[int] = []
        while len(seqs) < count:
            seqs += seqs_of([await self.next()])
        return seqs


def seqs_of(frames: list[Json]) -> list[int]:
    """Return the sequence numbers of the events in frames."""
    packed = [[frame["event"]] if frame["type"] == "event" else frame.get("events", []) for frame in frames]
    return [event["seq"] for events in packed for event in events]


@asynccontextmanager
async def live(shop: Shop, query: str = "", **options: Any) -> AsyncIterator[Live]:
    """Open a socket with the subprotocol, without reading."""
    async with websockets.connect(shop.ws_url + query, subprotocols=["pos.v1"], **options) as socket:  # type: ignore[list-item]
        yield Live(socket)


async def closed_with(socket: websockets.ClientConnection) -> int:
    """Return the code with which the server closes a socket; skip all frames before."""
    with suppress(websockets.ConnectionClosed):
        async with asyncio.timeout(20):
            async for _ in socket:
                pass
    assert socket.close_code not in (None, 1006), "the connection broke without a close frame"
    return int(socket.close_code or 0)
