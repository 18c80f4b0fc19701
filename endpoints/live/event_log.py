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
from endpoints.live.frames import filter_events, limit_events
from endpoints.live.hub import Hub
from endpoints.live.state import LiveRequest
from endpoints.live.subscriptions import Subscription
from endpoints.live.websocket import query_subscription
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
# A thousand typical events take less.
_PAGE_BYTES: Final = 4 * 2**20
# Routers close connections that are idle for 55 s.
_COMMENT_SECONDS: Final = 15.0
# How soon a stream notices a shutdown.
_WAKE_SECONDS: Final = 0.5
_RETRY_MS: Final = 2_000
# How long a stream may take to end before its connection is cut.
_GOODBYE_SECONDS: Final = 1.0


class EventsGone(ShopError):
    """Some of the requested events are unavailable; the client must reload and continue from `head`."""

    status, code, title = 410, "events_gone", "These events are gone"
    extra: ClassVar[Mapping[str, Any]] = {
        "reason": RESET_REASONS,
        "epoch": {"type": "string"},
        "head": {"type": "integer", "minimum": 0},
        "low": {"type": "integer", "minimum": 0},
    }


class PlaceQuery(Schema):
    """Where in the log to begin, and which topics to include. `schemas.live.protocol` parses both."""

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
    """`GET /api/events`: up to `limit` events after `since`, filtered by `topics`; `next` continues."""

    @operation(
        Operation(
            summary="The event log, page by page",
            description="Up to `limit` events after `since`; go on with `since` as `next` says.",
            query=QUERY,
            responses={200: ResponseSpec(content=ref("EventPage"), description="A page.")},
            errors=(InvalidQuery, InvalidSubscription, EventsGone, Unavailable),
        )
    )
    async def get(self, request: LiveRequest) -> Response:
        query: dict[str, Any] = read_query(request, QUERY)
        hub = request.state.hub
        topics = read_topics(query.get("topics"))
        place = read_since(query.get("since")) or LogPosition(hub.status.oldest_seq - 1)
        reason = await hub.confirmed_replay_error(place)
        # A page is read from the log, so it may lie far back.
        if reason not in (None, "too_far"):
            raise _events_gone(hub, str(reason))
        async with page_turn(request):
            events = limit_events(await hub.since(place, query["limit"]), query["limit"], _PAGE_BYTES)
        if events and events[0].seq != place.seq + 1:
            raise _events_gone(hub, "expired")
        passed = events[-1].seq if events else place.seq
        shown = [event.text.json for event in filter_events(events, topics)]
        status = hub.status
        head = {"epoch": status.epoch, "head": max(status.head, passed), "low": status.oldest_seq, "next": passed}
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
            responses={
                200: ResponseSpec(
                    content=STREAM,
                    description="Events, each with its place as `id`; `event: reset` where some cannot be replayed.",
                    media=EVENT_STREAM,
                )
            },
            errors=(InvalidSubscription, Unavailable),
        )
    )
    async def get(self, request: LiveRequest) -> Response:
        requested = query_subscription(request.query_params) or SubscribeRequest()
        place = read_since(request.headers.get("last-event-id") or None) or requested.since
        if request.state.stores.is_full:
            raise Unavailable("Too many clients are connected. Please try again later.")
        if place is not None:
            # Before the response begins, so that an unavailable database still gives a 503.
            await request.state.hub.confirmed_replay_error(place)
        # No other request follows on this connection, which may be cut.
        headers = {"X-Accel-Buffering": "no", "Connection": "close"}
        if request.method == "HEAD":
            # The response has no body, so the stream would never end.
            return Response(headers=headers, media_type=EVENT_STREAM)
        frames = _stream(request, requested.topics, place)
        return StreamingResponse(frames, headers=headers, media_type=EVENT_STREAM)


async def _stream(
    request: LiveRequest, topics: frozenset[str] | None, place: LogPosition | None
) -> AsyncIterator[bytes]:
    hub = request.state.hub
    connections = request.state.connections
    wakeup, is_over = asyncio.Event(), asyncio.Event()

    def end(_: int) -> None:
        is_over.set()
        wakeup.set()
        # A client that does not read would never reach the end of the stream.
        cut = cut_of(request.scope)
        if cut is not None:
            asyncio.get_running_loop().call_later(_GOODBYE_SECONDS, cut)

    subscription = hub.subscribe(wakeup.set, topics)
    connection = connections.add(request.state.principal, request.state.store, FOLLOWERS, end)
    try:
        yield b"retry: %d\n\n" % _RETRY_MS
        if place is not None:
            subscription.loss_reason = hub.replay_error(place)
            subscription.cursor = hub.head if subscription.loss_reason else place.seq
        # Without the database the stream ends and no event is lost: the client reconnects with its `Last-Event-ID`.
        with suppress(Unavailable):
            async for chunk in _chunks(request, hub, subscription, wakeup, is_over):
                yield chunk
    finally:
        connections.remove(connection)
        hub.unsubscribe(subscription)


async def _chunks(
    request: LiveRequest, hub: Hub, subscription: Subscription, wakeup: asyncio.Event, is_over: asyncio.Event
) -> AsyncIterator[bytes]:
    sent_seq = subscription.cursor
    idle_since = asyncio.get_running_loop().time()
    while not request.state.shutdown.has_begun and not is_over.is_set():
        wakeup.clear()
        chunk = b""
        if subscription.loss_reason is not None:
            reason, subscription.loss_reason = subscription.loss_reason, None
            chunk = _sse_event(hub, hub.head, orjson.dumps({"reason": reason, "head": hub.head}), b"reset")
            subscription.cursor = sent_seq = hub.head
        elif subscription.cursor < hub.head:
            events = hub.take(subscription, _AT_ONCE, _CHUNK_BYTES)
            if events is None:
                events = await hub.fetch(subscription, _AT_ONCE, _CHUNK_BYTES)
            chunk = b"".join([_sse_event(hub, event.seq, event.text.json) for event in events])
            sent_seq = events[-1].seq if events else sent_seq
            hub.delivered += len(events)
        else:
            try:
                async with asyncio.timeout(_WAKE_SECONDS):
                    await wakeup.wait()
            except TimeoutError:
                # Events that were filtered out advance the position to resume from, so that it does not expire.
                if asyncio.get_running_loop().time() - idle_since > _COMMENT_SECONDS:
                    chunk = (
                        b": still here\n\n"
                        if sent_seq == subscription.cursor
                        else _sse_event(hub, subscription.cursor, None)
                    )
                    sent_seq = subscription.cursor
        if chunk:
            idle_since = asyncio.get_running_loop().time()
            yield chunk


def _sse_event(hub: Hub, seq: int, data: bytes | None, name: bytes = b"") -> bytes:
    """Return one event of the stream; without data it only advances the client's `Last-Event-ID`."""
    lines = [b"id: %s" % str(LogPosition(seq, hub.position.epoch)).encode()]
    if name:
        lines.append(b"event: " + name)
    if data is not None:
        lines.append(b"data: " + data)
    return b"\n".join(lines) + b"\n\n"


def _events_gone(hub: Hub, reason: str) -> EventsGone:
    status = hub.status
    return EventsGone(
        "The events since then cannot be replayed whole. Please load again, and go on from the head.",
        reason=reason,
        epoch=status.epoch,
        head=status.head,
        low=status.oldest_seq,
    )
