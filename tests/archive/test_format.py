"""The archive format: round trips, and refusals with the number of the line."""

import io
import json
import zlib
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive.format import VERSION, ArchiveReader, ArchiveRefused, ArchiveWriter, Manifest, assign_store
from schemas.core.collections import ARCHIVED, COUNTERS

Json = dict[str, Any]

MANIFEST = Manifest("main", "Asia/Kolkata", "INR", 3, "ab12", "2026-11-24T10:00:00+00:00", "POS backend 1.0.0", {})
NOW = datetime(2026, 1, 31, 18, 29, 59, 123_000, tzinfo=UTC)

_names = st.text(st.characters(codec="utf-8", exclude_characters="$"), min_size=1, max_size=8)
_first, _last = datetime(1970, 1, 1), datetime(2999, 12, 31)  # noqa: DTZ001
_instants = st.datetimes(_first, _last, timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | _instants
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3), max_leaves=8
)
_bodies = st.dictionaries(_names.filter(lambda name: name not in ("_id", "store")), _values, max_size=4)


def written(*documents: tuple[str, Json]) -> bytes:
    """Return an archive with some documents and counters."""
    writer = ArchiveWriter()
    lines = [writer.opening(replace(MANIFEST, counts=dict(Counter(collection for collection, _ in documents))))]
    for collection, document in (*documents, (COUNTERS, {"_id": "main", "orders": 1})):
        lines.append(writer.documents(collection, [document]))
    return b"".join([*lines, writer.closing()])


def read(content: bytes) -> list[tuple[str, Json]]:
    return list(ArchiveReader(io.BytesIO(content).readline).documents())


def orders(count: int) -> list[tuple[str, Json]]:
    return [
        ("orders", {"_id": f"ORDER-{number}", "store": "main", "number": number, "created_at": NOW, "total": 100})
        for number in range(1, count + 1)
    ]


@given(bodies=st.lists(st.tuples(st.sampled_from(ARCHIVED[:4]), _bodies), max_size=5))
def test_documents_are_read_as_they_were_written(bodies: list[tuple[str, Json]]) -> None:
    # The id of settings is the store's name.
    ids = {"settings": "main"}
    documents = [(name, {"_id": ids.get(name, "x"), "store": "main", **body}) for name, body in bodies]
    content = written(*((collection, dict(document)) for collection, document in documents))
    back = [(collection, assign_store(collection, document, "main", "main")) for collection, document in read(content)]
    assert back == [*documents, (COUNTERS, {"_id": "main", "orders": 1})]
    assert [list(document) for _, document in back[:-1]] == [list(document) for _, document in documents]


def test_documents_get_the_name_of_the_target_store() -> None:
    key = {"store": "main", "span": "day", "period": "2026-01-31", "staff": "Ravi", "mode": "cash"}
    (first, total, counters) = read(written(*orders(1), ("totals", {"_id": key, "orders": {}})))
    assert assign_store(*first, "branch", "main")["store"] == "branch"
    assert list(assign_store(*total, "branch", "main")["_id"].items()) == list({**key, "store": "branch"}.items())
    assert assign_store(*counters, "branch", "main") == {"_id": "branch", "orders": 1}


def test_the_manifest_is_the_first_line() -> None:
    content = written()
    assert ArchiveReader(io.BytesIO(content).readline).manifest == MANIFEST
    first = orjson.loads(content.split(b"\n", maxsplit=1)[0])
    assert (first["format"], first["version"], first["store"]) == ("pos-archive", 2, "main")


def test_a_truncated_file_is_refused_with_the_line() -> None:
    content = written(*orders(3))
    for end in range(len(content)):
        number = len(content[:end].split(b"\n"))
        with pytest.raises(ArchiveRefused, match=f"^Line {number}: "):
            read(content[:end])


def test_any_changed_byte_is_detected() -> None:
    content = written(*orders(2))
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises(ArchiveRefused, match=r"^Line \d"):
            read(bytes(changed))


def test_a_changed_amount_is_refused_with_its_line() -> None:
    content = written(*orders(5)).replace(b'"number":3', b'"number":8')
    with pytest.raises(ArchiveRefused, match="Line 4: its checksum is wrong: it was changed"):
        read(content)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda lines: [*lines[:2], *lines[3:]], "closing line counts 4 documents, and 3 came before it"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "closing line counts 4 documents, and 5"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "lines were changed, moved or exchanged"),
        (lambda lines: [*lines, b"{}\n"], "after the closing line"),
        (lambda lines: [lines[0].replace(b'version":2', b'version":3'), *lines[1:]], "version 3 of the format"),
        (lambda lines: [lines[0].replace(b"INR", b"USD"), *lines[1:]], "lines were changed"),
        (lambda lines: [lines[0].replace(b'"head"', b'"heat"'), *lines[1:]], "the header lacks something"),
        (lambda lines: [lines[0], b"[1]\n", *lines[1:]], "Line 2: it is not an object"),
        (lambda lines: [lines[0], b"hello\n", *lines[1:]], "Line 2: it is not JSON"),
        (lambda lines: [lines[0], lines[1].replace(b"orders", b"system", 1), *lines[2:]], "Line 2: it holds no"),
        (lambda lines: lines[1:], "Line 1: this is not a pos-archive"),
        (lambda _: [], "Line 1: the file ends here"),
    ],
)
def test_altered_lines_are_refused(edit: Any, sentence: str) -> None:
    lines = written(*orders(3)).splitlines(keepends=True)
    with pytest.raises(ArchiveRefused, match=sentence):
        read(b"".join(edit(lines)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("counts", value) for value in (None, "abc", ["orders"], {"orders": "x"}, {"orders": None})),
        *(("store", value) for value in (None, 5, {"a": 1})),
        *(("head", value) for value in (None, "3", 1.5)),
        *((name, ...) for name in ("counts", "store", "timezone", "epoch", "exported_at")),
        ("more", 1),
    ],
)
def test_a_header_of_other_types_is_refused_by_name(name: str, value: Any) -> None:
    first, *lines = written(*orders(1)).splitlines(keepends=True)
    header = {**orjson.loads(first), name: value}
    if value is ...:
        del header[name]
    with pytest.raises(ArchiveRefused, match=f"^Line 1: the header lacks .*: {name}\\.$"):
        read(b"".join([orjson.dumps(header), b"\n", *lines]))


def test_counts_that_differ_from_the_header_are_refused() -> None:
    writer = ArchiveWriter()
    content = writer.opening(replace(MANIFEST, counts={"orders": 2, "estimates": 0}))
    content += writer.documents("orders", [orders(1)[0][1]]) + writer.documents("counters", [{"_id": "main"}])
    with pytest.raises(ArchiveRefused, match="Line 4: the header announces 2 orders, and 1 came"):
        read(content + writer.closing())


@pytest.mark.parametrize("collection", ["totals", "adopted", "log"])
def test_a_document_without_its_id_is_refused(collection: str) -> None:
    lines = written((collection, {"_id": {"store": "main"}})).splitlines(keepends=True)
    document = b'{"orders":{}}'
    lines[1] = b'{"collection":"%s","crc32":%d,"document":%s}\n' % (collection.encode(), zlib.crc32(document), document)
    with pytest.raises(ArchiveRefused, match="Line 2: the document in it has no id"):
        read(b"".join(lines))


def test_an_archive_without_counters_is_refused() -> None:
    writer = ArchiveWriter()
    manifest = replace(MANIFEST, counts={"orders": 1})
    content = writer.opening(manifest) + writer.documents("orders", [orders(1)[0][1]])
    with pytest.raises(ArchiveRefused, match="holds no counters"):
        read(content + writer.closing())


def test_an_invalid_instant_is_refused() -> None:
    content = written(("orders", {"_id": "x", "store": "main", "at": {"$date": "yesterday"}}))
    with pytest.raises(ArchiveRefused, match="Line 2: an instant"):
        read(content)


def lines_with(collection: str, document: Json, version: int = VERSION) -> bytes:
    """Return a forged archive: one extra line, with valid checksums."""
    content = json.dumps(document).encode()
    header = {"format": "pos-archive", "version": version, **asdict(MANIFEST), "counts": {collection: 1}}
    rows = [(collection, content), (COUNTERS, b'{"orders":1}')] if collection != COUNTERS else [(COUNTERS, content)]
    counts = dict(Counter(name for name, _ in rows))
    lines = [orjson.dumps({**header, "counts": counts}) + b"\n"]
    for name, row in rows:
        lines.append(b'{"collection":"%s","crc32":%d,"document":%s}\n' % (name.encode(), zlib.crc32(row), row))
    end = {"end": True, "documents": len(rows), "counts": counts, "sha256": sha256(b"".join(lines)).hexdigest()}
    return b"".join([*lines, orjson.dumps(end) + b"\n"])


#: One line for each field in which a document can name a store, here another store.
OF_ANOTHER_STORE = [
    *(
        (name, {"_id": "x", "store": "victim", "number": 1})
        for name in ARCHIVED
        if name not in ("counters", "settings")
    ),
    ("settings", {"_id": "victim"}),
    ("settings", {"store": "victim"}),
    ("counters", {"_id": "victim", "orders": 1}),
    ("totals", {"_id": {"store": "victim", "span": "day", "period": "2026-01-31", "staff": "", "mode": ""}}),
    ("adopted", {"_id": {"store": "victim", "kind": "orders", "id": "x"}}),
    ("log", {"_id": {"store": "victim", "last": 1}}),
    ("users", {"_id": "x", "belongs_to": "victim"}),
    ("devices", {"_id": "x", "belongs_to": "victim"}),
    *(
        ("orders", {"_id": "x", "store": value, "number": 1})
        for value in (None, 5, {"$gt": ""}, ["main"], "Main", "main ")
    ),
]


@pytest.mark.parametrize(("collection", "document"), OF_ANOTHER_STORE)
def test_a_line_of_another_store_is_refused(collection: str, document: Json) -> None:
    with pytest.raises(ArchiveRefused, match=r"Line 2: it is of the store .*, and the header is of 'main'"):
        read(lines_with(collection, document))


@pytest.mark.parametrize("collection", ["events", "requests"])
def test_events_and_keys_have_lines_in_version_1_only(collection: str) -> None:
    with pytest.raises(ArchiveRefused, match=r"Line 2: it is of the store 'victim'"):
        read(lines_with(collection, {"store": "victim", "seq": 1, "key": "a"}, version=1))
    ((name, document), _) = read(lines_with(collection, {"store": "main", "seq": 1}, version=1))
    assert assign_store(name, document, "branch", "main") == {"store": "branch", "seq": 1}
    for forged in (lines_with(collection, {"seq": 1}), lines_with("log", {"_id": {"last": 1}}, version=1)):
        with pytest.raises(ArchiveRefused, match="Line 2: it holds no document of a known collection"):
            read(forged)


@pytest.mark.parametrize("last", [None, "1", True, 1.5, {"$date": "2026-01-31T18:29:59.123Z"}])
def test_a_document_of_the_log_has_a_whole_number_as_its_id(last: Any) -> None:
    with pytest.raises(ArchiveRefused, match="Line 2: the document in it has no id"):
        read(lines_with("log", {"_id": {"last": last}}))


def test_a_line_of_the_headers_store_goes_to_the_target_store() -> None:
    ((_, order), _) = read(lines_with("orders", {"_id": "x", "store": "main", "number": 1}))
    assert assign_store("orders", order, "branch", "main") == {"_id": "x", "store": "branch", "number": 1}


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [{"a": value}]
    return value


_NO_YEARS = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1969-12-31T23:59:59Z")
_NO_INSTANTS: tuple[Any, ...] = ("99999-01-01", 5, None, {})
_NO_BYTES: tuple[Any, ...] = ("é", "a", 5, None)
_NO_IDS: tuple[Any, ...] = (None, 5, "", ["x"], {"$oid": "x"})
UNSTORABLE: list[tuple[Json, str]] = [
    ({"_id": "x", "deep": nested(250)}, "nested more than 100 levels deep"),
    ({"_id": "x", "deep": nested(51)}, "nested more than 100 levels deep"),
    *(({"_id": "x", "at": {"$date": written}}, "not of the years 1970 to 2999") for written in _NO_YEARS),
    *(({"_id": "x", "at": {"$date": written}}, "is not ISO 8601") for written in _NO_INSTANTS),
    *(({"_id": "x", "b": {"$binary": written}}, "bytes in it are not base64") for written in _NO_BYTES),
    *(({"_id": value}, "has no id") for value in _NO_IDS),
    ({}, "has no id"),
]


@pytest.mark.parametrize(("document", "sentence"), UNSTORABLE)
def test_an_unstorable_line_is_refused_with_its_number(document: Json, sentence: str) -> None:
    with pytest.raises(ArchiveRefused, match=f"^Line 2: .*{sentence}"):
        read(lines_with("customers", document))
