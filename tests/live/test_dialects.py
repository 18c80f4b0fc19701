"""Dialects: frames that several clients receive are rendered once."""

import json
from zoneinfo import ZoneInfo

from endpoints.live.dialects import V1
from endpoints.live.frames import EventRenderer
from tests.support.payloads import an_event

RENDERING = EventRenderer(ZoneInfo("Asia/Kolkata"))


def test_equal_frames_are_rendered_once_and_others_separately() -> None:
    v1 = V1()
    first, second, third = (RENDERING.render_committed(an_event(seq)) for seq in (1, 2, 3))
    (both,) = v1.frames_for([first, second])
    (again,) = v1.frames_for([first, second])
    assert again is both
    for entries in ([first, second, third], [first, third], [first], [third], [first, second]):
        (frame,) = v1.frames_for(entries)
        message = json.loads(frame.json)
        events = message["events"] if len(entries) > 1 else [message["event"]]
        assert events == [json.loads(entry.text.json) for entry in entries]
