"""The event log over HTTP: a page of it, and a stream of Server-Sent Events."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Final

import orjson
from marshmallow import EXCLUDE, Schema, fields
from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response, StreamingResponse

from endpoints.accounts.permissions import FOLLOWERS
from endpoints.http.operations import Operation, ResponseSpec, operation
from endpoints.http.requests import read_query
from endpoints.http.responses import JSON
from endpoints.live.frames import first_of, wanted_of
from endpoints.live.hub import Hub
from endpoints.live.state import LiveRequest
from endpoints.live.subscriptions import Subscription
from endpoints.live.websocket import wanted_by
from endpoints.transfer.cached_responses import page_turn
from endpoints.transfer.disconnect import cut_of
from repositories.database.errors import Unavailable
from schemas.core.errors import InvalidQuery, ShopError
from schemas.fields.inputs import WholeNumber
from schemas.fields.shapes import ref
from schemas.live.asyncapi import RESET_REASONS
from schemas.live.protocol import (
    MAX_TOPICS,
    SINCE,
    TOPIC,
    InvalidSubscription,
    LogPosition,
    SubscribeRequest,
    read_since,
    read_topics,
)

MAX_LIMIT: Final = 1_000
_DEFAULT_LIMIT: Final = 100
_TOPIC: Final = rf" *({TOPIC.pattern}|\*) *"
_AT_ONCE: Final = 100
_CHUNK_BYTES: Final = 60_000
# A thousand usual events take less.
_PAGE_BYTES: Final = 4 * 2**20
# Routers cut connections that are idle for 55 s.
_COMMENT_SECONDS: Final = 15.0
# How soon a stream notices that the server stops.
_WAKE_SECONDS: Final = 0.5
_RETRY_MS: Final = 2_000
# How long a stream that was ended may take to say so before it is cut.
_GOODBYE_SECONDS: Final = 1.0


class EventsGone(ShopError):
    """The events that were asked for cannot be had whole; load anew, and go on from `head`."""

    status, code, title = 410, "events_gone", "These events are gone"
    extra: ClassVar[Mapping[str, Any]] = {
        "reason": RESET_REASONS,
        "epoch": {"type": "string"},
        "head": {"type": "integer", "minimum": 0},
        "low": {"type": "integer", "minimum": 0},
    }


class PlaceQuery(Schema):
    """Where in the log to begin, and what to hear of. What they say is read by `schemas.live.protocol`, as on a
    WebSocket."""

    class Meta:
        unknown = EXCLUDE

    since = fields.String(metadata={"pattern": f"^{SINCE.pattern}$", "description": "A `seq`, or `<epoch>.<seq>`."})
    topics = fields.String(
        metadata={
            "pattern": f"^{_TOPIC}(,{_TOPIC}){{0,{MAX_TOPICS - 1}}}$",
            "description": "Separated by commas; without, everything.",
        }
    )


class EventsQuery(PlaceQuery):
    limit = WholeNumber(1, MAX_LIMIT, load_default=_DEFAULT_LIMIT)


PLACE: Final = PlaceQuery()
QUERY: Final = EventsQuery()
EVENT_STREAM: Final = "text/event-stream"
STREAM: Final = {"type": "string", "description": "The `data` of each event is an Event, as JSON."}


class Events(HTTPEndpoint):
    """`GET /api/events`: up to `limit` events after `since`, those of `topics`; `next` is where to go on."""

    @operation(
        Operation(
            summary="The event log, page by page",
            description="Up to `limit` events after `since`; go on with `since` as `next` says.",
            query=QUERY,
            answers={200: ResponseSpec(content=ref("EventPage"), description="A page.")},
            refuses=(InvalidQuery, InvalidSubscription, EventsGone, Unavailable),
        )
    )
    async def get(self, request: LiveRequest) -> Response:
        query: dict[str, Any] = read_query(request, QUERY)
        hub = request.state.hub
        topics = read_topics(query.get("topics"))
        place = read_since(query.get("since")) or LogPosition(hub.status.low - 1)
        reason = await hub.confirmed_replay_error(place)
        # A page is read from wherever it is, so it may lie far back.
        if reason not in (None, "too_far"):
            raise gone(hub, str(reason))
        async with page_turn(request):
            entries = first_of(await hub.since(place, query["limit"]), query["limit"], _PAGE_BYTES)
        if entries and entries[0].seq != place.seq + 1:
            raise gone(hub, "expired")
        passed = entries[-1].seq if entries else place.seq
        shown = [entry.text.json for entry in wanted_of(entries, topics)]
        status = hub.status
        head = {"epoch": status.epoch, "head": max(status.head, passed), "low": status.low, "next": passed}
        content = b'%s,"events":[%s]}' % (orjson.dumps(head)[:-1], b",".join(shown))
        return Response(content, media_type=JSON)


class EventStream(HTTPEndpoint):
    """`GET /api/events/stream`: Server-Sent Events, from now on or from `Last-Event-ID` (or `?since=`)."""

    @operation(
        Operation(
            summary="The event log as Server-Sent Events",
            description="It goes on until the client leaves, from now on, or from `Last-Event-ID` (or `since`).",
            query=PLACE,
            headers=("Last-Event-ID",),
            answers={
                200: ResponseSpec(
                    content=STREAM,
                    description="Events, each with its place as `id`; `event: reset` where some cannot be replayed.",
                    media=EVENT_STREAM,
                )
            },
            refuses=(InvalidSubscription, Unavailable),
        )
    )
    async def get(self, request: LiveRequest) -> Response:
        wanted = wanted_by(request.query_params) or SubscribeRequest()
        place = read_since(request.headers.get("last-event-id") or None) or wanted.since
        if request.state.stores.is_full:
            raise Unavailable("Too many screens are connected. Please try again later.")
        if place is not None:
            # Before the answer begins, so that a database that is away is still a 503.
            await request.state.hub.confirmed_replay_error(place)
        # Nothing follows on this connection, which may be cut.
        headers = {"X-Accel-Buffering": "no", "Connection": "close"}
        if request.method == "HEAD":
            # Its answer has no body, and so no end that a stream would come to.
            return Response(headers=headers, media_type=EVENT_STREAM)
        frames = _stream(request, wanted.topics, place)
        return StreamingResponse(frames, headers=headers, media_type=EVENT_STREAM)


async def _stream(
    request: LiveRequest, topics: frozenset[str] | None, place: LogPosition | None
) -> AsyncIterator[bytes]:
    hub = request.state.hub
    connections = request.state.connections
    bell, is_over = asyncio.Event(), asyncio.Event()

    def end(_: int) -> None:
        is_over.set()
        bell.set()
        # A client that does not read would never come to the end.
        cut = cut_of(request.scope)
        if cut is not None:
            asyncio.get_running_loop().call_later(_GOODBYE_SECONDS, cut)

    feed = hub.subscribe(bell.set, topics)
    connection = connections.begin(request.state.principal, request.state.store, FOLLOWERS, end)
    try:
        yield b"retry: %d\n\n" % _RETRY_MS
        if place is not None:
            feed.lost = hub.replay_error(place)
            feed.cursor = hub.head if feed.lost else place.seq
        # Without the database the stream ends, and nothing is lost: the client comes back with its `Last-Event-ID`.
        with suppress(Unavailable):
            async for chunk in _chunks(request, hub, feed, bell, is_over):
                yield chunk
    finally:
        connections.leave(connection)
        hub.unsubscribe(feed)


async def _chunks(
    request: LiveRequest, hub: Hub, feed: Subscription, bell: asyncio.Event, is_over: asyncio.Event
) -> AsyncIterator[bytes]:
    told = feed.cursor
    silent_since = asyncio.get_running_loop().time()
    while not request.state.shutdown.has_begun and not is_over.is_set():
        bell.clear()
        chunk = b""
        if feed.lost is not None:
            reason, feed.lost = feed.lost, None
            chunk = _event(hub, hub.head, orjson.dumps({"reason": reason, "head": hub.head}), b"reset")
            feed.cursor = told = hub.head
        elif feed.cursor < hub.head:
            entries = hub.take(feed, _AT_ONCE, _CHUNK_BYTES)
            if entries is None:
                entries = await hub.fetch(feed, _AT_ONCE, _CHUNK_BYTES)
            chunk = b"".join([_event(hub, entry.seq, entry.text.json) for entry in entries])
            told = entries[-1].seq if entries else told
            hub.delivered += len(entries)
        else:
            try:
                async with asyncio.timeout(_WAKE_SECONDS):
                    await bell.wait()
            except TimeoutError:
                # What passed unseen moves the place to resume from, so that it does not grow too old.
                if asyncio.get_running_loop().time() - silent_since > _COMMENT_SECONDS:
                    chunk = b": still here\n\n" if told == feed.cursor else _event(hub, feed.cursor, None)
                    told = feed.cursor
        if chunk:
            silent_since = asyncio.get_running_loop().time()
            yield chunk


def _event(hub: Hub, seq: int, data: bytes | None, name: bytes = b"") -> bytes:
    """One event of the stream; without data it only moves the client's `Last-Event-ID`."""
    lines = [b"id: %s" % str(LogPosition(seq, hub.here.epoch)).encode()]
    if name:
        lines.append(b"event: " + name)
    if data is not None:
        lines.append(b"data: " + data)
    return b"\n".join(lines) + b"\n\n"


def gone(hub: Hub, reason: str) -> EventsGone:
    status = hub.status
    return EventsGone(
        "The events since then cannot be replayed whole. Please load again, and go on from the head.",
        reason=reason,
        epoch=status.epoch,
        head=status.head,
        low=status.low,
    )
