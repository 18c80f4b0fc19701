"""The chain of the event log: each event names the one before by its hash, so that none can be altered, taken out or
put in unnoticed.

The last fields of a stored event are `prev_at`, when the event before was made (None where that is not known), `prev`,
the hash of that one (zeros where it has none), and `hash`, the SHA-256 of its own bytes as BSON from `seq` to `prev`.
What names the place where it lies, `_id` and `store`, is not in it: an event stays the same in the archive and in
another store. The newest hash and the newest moment stand in the store's counters.
"""

import struct
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from bson import encode
from bson.raw_bson import RawBSONDocument

from schemas.core.documents import Document

#: What the first event names.
GENESIS: Final = bytes(32)
#: What `Links` looks at: the stored bytes of an event without the place where it lies.
WITHOUT_LOCATION: Final = {"_id": 0, "store": 0}

_SIZE: Final = struct.Struct("<i")
_STORE: Final = b"\x02store\x00"
# A field of 32 bytes: its type, its name, their number, and that they are of no particular kind.
_PREV: Final = b"\x05prev\x00" + _SIZE.pack(32) + b"\x00"
_HASH: Final = b"\x05hash\x00" + _SIZE.pack(32) + b"\x00"
_END: Final = b"\x00"
_FIELD: Final = len(_HASH) + 32


class ChainHead(NamedTuple):
    """The newest event: its hash and its moment, None where there is none, or none that has one."""

    hash: bytes | None
    at: datetime | None


def append_hashes(events: Iterable[Document], head: ChainHead) -> tuple[list[RawBSONDocument], ChainHead]:
    """New events as they are to be stored, and the last of them.

    :param events: each with its store as the first field.
    :param tip: the event before.
    """
    newest, at = head.hash or GENESIS, head.at
    rows = []
    for event in events:
        raw = encode({**event, "prev_at": at, "prev": newest})
        at = event["at"]
        newest = sha256(raw[_after_store(raw) : -1]).digest()
        # Put together rather than encoded anew, which would take as long again.
        rows.append(RawBSONDocument(b"".join((_SIZE.pack(len(raw) + _FIELD), raw[4:-1], _HASH, newest, _END))))
    return rows, ChainHead(newest, at)


def _after_store(raw: bytes) -> int:
    """Where the field that follows `store` begins."""
    length_at = _SIZE.size + len(_STORE)
    length: int = _SIZE.unpack_from(raw, length_at)[0]
    return length_at + _SIZE.size + length


class Link(NamedTuple):
    """An event's place in the chain. is_right: whether its hash is that of its bytes."""

    prev: bytes
    hash: bytes
    is_valid: bool


def parse_link(raw: bytes) -> Link | None:
    """The link of a stored event (`WITHOUT_LOCATION`), or None where its last fields are not those of one."""
    prev_at, hash_at = len(raw) - 1 - 2 * _FIELD, len(raw) - 1 - _FIELD
    if raw[prev_at : prev_at + len(_PREV)] != _PREV or raw[hash_at : hash_at + len(_HASH)] != _HASH:
        return None
    own = raw[hash_at + len(_HASH) : -1]
    return Link(raw[prev_at + len(_PREV) : hash_at], own, sha256(raw[_SIZE.size : hash_at]).digest() == own)


class ChainVerifier:
    """Walks along the log, the oldest event first, and says what is wrong with it.

    Events that are older than the chain have no hash, and neither `by`, which came with it.

    :param expired: what was made before may have been taken away by retention; nothing else may be missing.
    """

    def __init__(self, expired: datetime) -> None:
        self._expired = expired
        self._seq: int | None = None
        self._link: Link | None = None
        #: Whether no event is missing, up to here.
        self.is_whole = True
        #: The newest event that has no hash, 0 where each has one.
        self.newest_unhashed = 0

    def check(self, event: Document, raw: bytes) -> list[str]:
        """What is wrong with the next event, one sentence each. raw: as it is stored, `WITHOUT_LOCATION`."""
        seq = event["seq"]
        before, self._seq = self._seq, seq
        known, link = self._link, parse_link(raw)
        self._link = link
        if link is None:
            self.newest_unhashed = seq
        own = _own(seq, link, has_hash="hash" in event or "by" in event or known is not None)
        if seq != (before or 0) + 1:
            self.is_whole = False
            return [*self._missing(before or 0, seq, event.get("prev_at")), *own]
        expected = known.hash if known is not None else GENESIS
        if own or link is None or link.prev == expected:
            return own
        return [f"Event {seq} does not follow event {seq - 1}: that one was altered, or others stood between them."]

    def _missing(self, before: int, seq: int, prev_at: datetime | None) -> list[str]:
        """What retention takes away is the oldest; where a clock was wrong, that may lie in the middle, too."""
        if prev_at is None and not before:
            # From before events knew when the one before was made.
            return []
        if prev_at is not None and prev_at <= self._expired:
            return []
        when = "" if prev_at is None else f", the last of them of {prev_at:%Y-%m-%d %H:%M} UTC"
        return [f"Events {before + 1} to {seq - 1} are missing{when}: too young for retention."]

    def check_end(self, head: int, newest: ChainHead) -> list[str]:
        """What is wrong with the end of the log. head, newest: as the counters name them."""
        if self._seq != (head or None):
            self.is_whole = False
            if newest.at is not None and newest.at <= self._expired:
                return []
            if self._seq is not None:
                return [f"The newest event is {self._seq}, but the head of the log says {head}."]
            # Of a head from before there were moments, only the documents tell how old it is.
            return [] if newest.at is None else [f"Events 1 to {head} are missing: too young for retention."]
        if (self._link.hash if self._link is not None else None) != newest.hash:
            return [f"Event {self._seq} is not the one that the head of the log knows: it was altered."]
        if newest.hash is None and newest.at is not None:
            return ["The head of the log has no hash, and had one: it was altered."]
        return []


def _own(seq: int, link: Link | None, *, has_hash: bool) -> list[str]:
    """What is wrong with an event by itself. has_hash: whether it ought to have one."""
    if link is None:
        return [f"Event {seq} was altered, or put in: it has no hash."] if has_hash else []
    return [] if link.is_valid else [f"Event {seq} was altered: its hash is not that of what stands in it."]
