"""Documents of the log: any events come back, each key is beside its answer, and the chain of hashes holds."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from bson import CodecOptions, decode, encode
from hypothesis import given
from hypothesis import strategies as st

from repositories.event_log import log_documents as module
from repositories.event_log.log_documents import (
    ChainHead,
    ChainVerifier,
    is_well_formed,
    known_requests,
    log_documents,
    parse_link,
)
from schemas.journal.events import ACTIONS, CONVERT, event_data, stored_event

Json = dict[str, Any]

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
EMPTY = ChainHead(None, None)

_instants = st.datetimes(datetime(1970, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
_texts = st.text(st.characters(codec="utf-8"), max_size=20)
_names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
_scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _texts | _instants | st.binary(max_size=40)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3), max_leaves=6
)
#: The first members of an event.
PLAIN: Json = {"type": "message", "action": "update", "id": "MSG-1", "at": NOW}
EVENT: Json = {"seq": 1, **PLAIN, "data": {}}
_RESERVED = {"seq", *PLAIN, "data", "by", "before", "after"}
#: An event, and how its command is answered: by no key, by the event, or otherwise.
_commands = st.tuples(
    st.dictionaries(_names.filter(lambda name: name not in _RESERVED), _values, max_size=4),
    st.sampled_from("nea"),
)
_groups = st.lists(st.lists(_commands, min_size=1, max_size=6), max_size=5)


def written(groups: Sequence[Sequence[tuple[Json, str]]]) -> tuple[list[Json], list[bytes], ChainHead]:
    """Return the documents that groups of commands write one after another, decoded and as stored, and the head."""
    head, seq, rows = EMPTY, 0, []
    for number, group in enumerate(groups):
        events, requests = [], []
        for event, answered in group:
            seq += 1
            events.append({"seq": seq, **PLAIN, "data": {"n": seq}, **event})
            if answered != "n":
                answer = {"event": seq} if answered == "e" else {"answer": {"n": -seq}}
                requests.append({"key": f"key {seq}", "fingerprint": str(seq), **answer})
        documents, head = log_documents("main", events, requests, NOW + timedelta(minutes=number), head)
        rows += [bytes(document.raw) for document in documents]
    return [decode(raw, CodecOptions[Json](tz_aware=True)) for raw in rows], rows, head


def without_keys(document: Json) -> bytes:
    return encode({name: value for name, value in document.items() if name != "requests"})


def defects(documents: Sequence[Json], head: ChainHead) -> list[str]:
    """Return what `pos verify` finds wrong with a log."""
    chain = ChainVerifier(LONG_AGO)
    found = [line for document in documents for line in chain.check(document, without_keys(document))]
    return [*found, *chain.check_end(documents[-1]["_id"]["last"] if documents else 0, head)]


@given(groups=_groups, most_bytes=st.integers(1, 2_000))
def test_events_come_back_in_any_groups(groups: list[list[tuple[Json, str]]], most_bytes: int) -> None:
    with patch.object(module, "_MOST_BYTES", most_bytes):
        documents, rows, head = written(groups)
    sent = [event for group in groups for event, _ in group]
    events = [event for document in documents for event in document["events"]]
    assert events == [{"seq": seq, **PLAIN, "data": {"n": seq}, **event} for seq, event in enumerate(sent, 1)]
    assert [list(event)[:6] for event in events] == [["seq", *PLAIN, "data"]] * len(events)
    for document, raw in zip(documents, rows, strict=True):
        assert (document["first"], document["_id"]) == (
            document["events"][0]["seq"],
            {"store": "main", "last": document["events"][-1]["seq"]},
        )
        assert len(document["events"]) == 1 or sum(len(encode(each)) for each in document["events"]) <= most_bytes
        assert raw == encode(document), "the bytes are those of an ordinary document"
    assert defects(documents, head) == []


@given(
    kind=st.sampled_from(["order", "estimate", "message"]),
    action=st.sampled_from(ACTIONS),
    data=st.fixed_dictionaries(
        {
            "_id": st.sampled_from(["ORDER-1", "EST-1"]),
            "number": st.integers(1, 2),
            "created_at": st.sampled_from([NOW, LONG_AGO]),
            "version": st.integers(1, 2),
            "estimate_id": st.sampled_from([None, "EST-1", "EST-2"]),
            "estimate_number": st.sampled_from([None, 1]),
        }
    ),
)
def test_data_are_read_as_they_were_before_their_implied_members_were_left_out(
    kind: str, action: str, data: Json
) -> None:
    place = {"id": "EST-1", "order_id": "ORDER-1", "order_number": 1, "at": NOW}
    event = {"seq": 1, "type": kind, "action": action, **place, "data": data}
    stored = stored_event(event)
    assert stored | {"data": data} == event
    assert event_data(stored) == event_data(event) == data
    if kind != "message":
        assert "_id" not in stored["data"] or data["_id"] != (event["order_id"] if action == CONVERT else event["id"])


@given(groups=_groups, most_bytes=st.integers(1, 2_000))
def test_each_key_finds_its_answer(groups: list[list[tuple[Json, str]]], most_bytes: int) -> None:
    groups = [[({}, answered) for _, answered in group] for group in groups]
    with patch.object(module, "_MOST_BYTES", most_bytes):
        documents, _, _ = written(groups)
    known = known_requests({"requests": [], **document} for document in documents)
    expected = {
        f"key {seq}": {"n": seq if answered == "e" else -seq}
        for seq, (_, answered) in enumerate((each for group in groups for each in group), 1)
        if answered != "n"
    }
    assert {key: request["answer"] for key, request in known.items()} == expected
    stored = [request["key"] for document in documents for request in document.get("requests", ())]
    assert sorted(stored) == sorted(expected), "each key is there once"


@given(groups=_groups.filter(bool), data=st.data())
def test_a_change_of_any_byte_that_is_hashed_is_found(
    groups: list[list[tuple[Json, str]]], data: st.DataObject
) -> None:
    _, rows, _ = written(groups)
    row = data.draw(st.sampled_from(rows))
    start = row.index(b"\x10first\x00")
    link = parse_link(row, start)
    assert link is not None
    assert link.is_valid
    changed = bytearray(row)
    changed[data.draw(st.integers(start, len(row) - 2))] ^= data.draw(st.integers(1, 255))
    altered = parse_link(bytes(changed), start)
    assert altered is None or not altered.is_valid


def three() -> tuple[list[Json], ChainHead]:
    documents, _, head = written([[({}, "e")], [({}, "e"), ({}, "n"), ({}, "a")], [({}, "e")]])
    assert [document["_id"]["last"] for document in documents] == [1, 4, 5]
    return documents, head


def test_expired_documents_are_not_missed() -> None:
    documents, head = three()
    for left in (documents[1:], documents[2:], []):
        chain = ChainVerifier(NOW + timedelta(minutes=2))
        assert [line for each in left for line in chain.check(each, without_keys(each))] == []
        assert list(chain.check_end(5, head)) == []
        assert not chain.is_whole
        assert defects(left, head) != [] or not left


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        (0, "Events 1 to 1 are missing, the last of them of 2026-03-14 09:30 UTC: too young for retention."),
        (1, "Events 2 to 4 are missing, the last of them of 2026-03-14 09:31 UTC: too young for retention."),
        (2, "Event 4 is not the one that the head of the log knows: it was altered."),
    ],
)
def test_missing_documents_are_named_with_the_time_of_the_last(missing: int, sentence: str) -> None:
    documents, head = three()
    del documents[missing]
    assert defects(documents, head)[0] == sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"first": None},
        {"first": "1"},
        {"events": "x"},
        {"events": []},
        {"events": [1]},
        *({"events": [{name: value for name, value in EVENT.items() if name != absent}]} for absent in EVENT),
        {"events": [{**EVENT, "type": "bill"}]},
        {"events": [{**EVENT, "action": "convert_to_order"}]},
        {"events": [{**EVENT, "by": {"name": "Asha"}}]},
        {"events": [{**EVENT, "after": []}]},
    ],
)
def test_a_group_without_the_form_of_events_is_named(changes: Json) -> None:
    documents, head = three()
    assert is_well_formed({**documents[0], "events": [EVENT]})
    documents[0] = {**documents[0], **changes}
    assert defects(documents, head)[0] == "Events 1 to 1 were altered: they have not the form of events."


def test_another_time_of_the_head_is_named() -> None:
    documents, head = three()
    assert defects(documents, head._replace(at=LONG_AGO)) == [
        "Event 5 is not the one that the head of the log knows: it was altered."
    ]


def test_a_group_without_keys_has_no_field_for_them() -> None:
    """So it is not in their index."""
    documents, _ = three()
    hashed = ["first", "at", "events", "prev_at", "prev", "hash"]
    assert list(documents[1]) == ["_id", "requests", *hashed]
    bare, _, _ = written([[({}, "n")]])
    assert list(bare[0]) == ["_id", *hashed]
