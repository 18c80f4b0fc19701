"""The ring buffer of recent events: which events it keeps, and its memory."""

import gc
import tracemalloc
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import bson
import pytest

from endpoints.live.frames import EventRenderer, RenderedEvent
from endpoints.live.ring_buffer import RingBuffer
from repositories.event_log.event_log import stored_events
from tests.support.payloads import an_event

COUNT = 2_000
RENDERING = EventRenderer(ZoneInfo("Asia/Kolkata"))


def entry(seq: int, size: int = 10) -> RenderedEvent:
    return RenderedEvent(seq, an_event(seq), size, lambda _: b"")


def test_the_newest_events_are_kept_up_to_both_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endpoints.live.ring_buffer.OVERHEAD", 0)
    ring = RingBuffer(capacity=5, max_bytes=100)
    for seq in range(1, 9):
        ring.append(entry(seq))
    assert (ring.first, ring.last) == (4, 8)
    assert (ring.reaches(3), ring.reaches(2)) == (True, False)
    assert [each.seq for each in ring.after(5, 100, 1_000)] == [6, 7, 8]
    assert [each.seq for each in ring.after(3, 2, 1_000)] == [4, 5]
    assert [each.seq for each in ring.after(3, 100, 25)] == [4, 5]
    assert [each.seq for each in ring.after(3, 100, 1)] == [4]
    assert [ring.bytes_after(seq) for seq in (3, 6, 8, 9)] == [50, 20, 0, 0]
    ring.append(entry(9, 75))
    assert (ring.first, ring.last) == (7, 9)
    ring.append(entry(10, 500))
    assert (ring.first, ring.last, ring.bytes_after(9)) == (10, 10, 500)


def test_the_overhead_of_an_event_counts_for_the_limit() -> None:
    ring = RingBuffer(max_bytes=100_000)
    for seq in range(1, 1_001):
        ring.append(entry(seq))
    assert ring.memory <= 100_000
    assert ring.last - ring.first < 200


def a_sale(seq: int, name: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    data = {"_id": f"ORDER-01M84XTT68HTG3928{seq:09}", "number": seq, "total": 175_005 + seq, "amount_paid": 175_005}
    data |= {"created_at": now, "version": 1, "estimate_id": None, "estimate_number": None, "status": "Completed"}
    data |= {"customer_name": f"{name} {seq}", "sale_by": f"Ravi {seq % 7}", "payment_mode": f"UPI: {seq % 5}"}
    event = {"type": "order", "action": "create", "id": data["_id"], "data": data, "seq": seq, "at": now}
    return {"store": "main", **event}


def as_published(seq: int, name: str) -> RenderedEvent:
    return RENDERING.render_committed(a_sale(seq, name))


def as_read(seq: int, name: str) -> RenderedEvent:
    raw = bson.encode(a_sale(seq, name))
    # The driver returns a large document as a view into everything that it received.
    (entry,) = RENDERING.render_stored(stored_events([memoryview(raw + bytes(5_000))[: len(raw)]]))
    return entry


@pytest.mark.parametrize("name", ["Asha", "आशा पाटील " * 30], ids=["short", "long"])
@pytest.mark.parametrize("create", [as_published, as_read])
@pytest.mark.parametrize("is_rendered", [False, True])
def test_the_reported_memory_is_the_memory_used(create: Any, name: str, is_rendered: bool) -> None:
    """Check published events and those read from the log, before and after they are rendered."""
    ring = RingBuffer(COUNT)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for seq in range(1, 2 * COUNT + 1):
            ring.append(create(seq, name))
        if is_rendered:
            for each in ring.after(COUNT, COUNT, 1 << 30):
                assert each.text.json
                assert each.topics
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.6 * ring.memory < used < 1.05 * ring.memory


@pytest.mark.parametrize(("length", "header"), [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_a_frame_contains_its_message_for_any_length(length: int, header: int) -> None:
    json = b"x" * length
    text = RenderedEvent(1, an_event(1), length, lambda _: json).text
    assert text.json == json
    assert text.wire.endswith(json)
    assert text.wire[:1] == b"\x81"
    assert len(text.wire) == header + length
