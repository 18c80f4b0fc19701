"""How screens speak: each gets what is meant for it, however many are told the same."""

import json
from zoneinfo import ZoneInfo

from endpoints.live.dialects import V1
from endpoints.live.frames import EventRenderer
from tests.support.payloads import an_event

RENDERING = EventRenderer(ZoneInfo("Asia/Kolkata"))


def test_the_same_is_put_into_words_once_and_other_things_anew() -> None:
    v1 = V1()
    first, second, third = (RENDERING.render_committed(an_event(seq)) for seq in (1, 2, 3))
    (both,) = v1.frames_for([first, second])
    (again,) = v1.frames_for([first, second])
    assert again is both
    for entries in ([first, second, third], [first, third], [first], [third], [first, second]):
        (said,) = v1.frames_for(entries)
        message = json.loads(said.json)
        events = message["events"] if len(entries) > 1 else [message["event"]]
        assert events == [json.loads(entry.text.json) for entry in entries]
