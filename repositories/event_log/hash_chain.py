"""The hash chain of the event log: each event contains the hash of the event before, so that changed, removed and
inserted events are detected.

The last fields of a stored event are `prev_at`, the time of the event before (None if unknown), `prev`, its hash (zeros
if it has none), and `hash`, the SHA-256 of the event's own bytes as BSON from `seq` to `prev`. `_id` and `store` are
not hashed: an event stays the same in an archive and in another store. The store's counters hold the newest hash and
time.
"""

import struct
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from bson import encode
from bson.raw_bson import RawBSONDocument

from schemas.core.documents import Document

#: `prev` of the first event.
GENESIS: Final = bytes(32)
#: The projection for `parse_link` and `ChainVerifier`: an event without its location.
WITHOUT_LOCATION: Final = {"_id": 0, "store": 0}

_SIZE: Final = struct.Struct("<i")
_STORE: Final = b"\x02store\x00"
# The header of a binary field of 32 bytes: type, name, length, generic subtype.
_PREV: Final = b"\x05prev\x00" + _SIZE.pack(32) + b"\x00"
_HASH: Final = b"\x05hash\x00" + _SIZE.pack(32) + b"\x00"
_END: Final = b"\x00"
_FIELD: Final = len(_HASH) + 32


class ChainHead(NamedTuple):
    """The hash and the time of the newest event; None if there is no event, or if it has no hash or time."""

    hash: bytes | None
    at: datetime | None


def append_hashes(events: Iterable[Document], head: ChainHead) -> tuple[list[RawBSONDocument], ChainHead]:
    """Return new events in the form to store, and the new head of the chain.

    :param events: each with `store` as its first field.
    :param head: the event before.
    """
    newest, at = head.hash or GENESIS, head.at
    rows = []
    for event in events:
        raw = encode({**event, "prev_at": at, "prev": newest})
        at = event["at"]
        newest = sha256(raw[_after_store(raw) : -1]).digest()
        # Joined from bytes: encoding the event again would double the time.
        rows.append(RawBSONDocument(b"".join((_SIZE.pack(len(raw) + _FIELD), raw[4:-1], _HASH, newest, _END))))
    return rows, ChainHead(newest, at)


def _after_store(raw: bytes) -> int:
    """Return the offset of the field that follows `store`."""
    length_at = _SIZE.size + len(_STORE)
    length: int = _SIZE.unpack_from(raw, length_at)[0]
    return length_at + _SIZE.size + length


class Link(NamedTuple):
    """The hashes that a stored event contains."""

    prev: bytes
    hash: bytes
    #: Whether `hash` is the hash of the event's bytes.
    is_valid: bool


def parse_link(raw: bytes) -> Link | None:
    """Return the link of a stored event (read `WITHOUT_LOCATION`), or None if it has no hash fields."""
    prev_at, hash_at = len(raw) - 1 - 2 * _FIELD, len(raw) - 1 - _FIELD
    if raw[prev_at : prev_at + len(_PREV)] != _PREV or raw[hash_at : hash_at + len(_HASH)] != _HASH:
        return None
    own = raw[hash_at + len(_HASH) : -1]
    return Link(raw[prev_at + len(_PREV) : hash_at], own, sha256(raw[_SIZE.size : hash_at]).digest() == own)


class ChainVerifier:
    """Checks the log event by event, the oldest first.

    Events that are older than the hash chain have no hash, and no `by` either: both were introduced together.

    :param expired: only events from before this instant may be missing, by retention.
    """

    def __init__(self, expired: datetime) -> None:
        self._expired = expired
        self._seq: int | None = None
        self._link: Link | None = None
        #: Whether no event was missing so far.
        self.is_whole = True
        #: The sequence number of the newest event without a hash; 0 if each has one.
        self.newest_unhashed = 0

    def check(self, event: Document, raw: bytes) -> list[str]:
        """Return the errors of the next event, as sentences.

        :param raw: the event as stored, `WITHOUT_LOCATION`.
        """
        seq = event["seq"]
        before, self._seq = self._seq, seq
        known, link = self._link, parse_link(raw)
        self._link = link
        if link is None:
            self.newest_unhashed = seq
        own = _own_defects(seq, link, has_hash="hash" in event or "by" in event or known is not None)
        if seq != (before or 0) + 1:
            self.is_whole = False
            return [*self._missing(before or 0, seq, event.get("prev_at")), *own]
        expected = known.hash if known is not None else GENESIS
        if own or link is None or link.prev == expected:
            return own
        return [f"Event {seq} does not follow event {seq - 1}: that one was altered, or others between them removed."]

    def _missing(self, before: int, seq: int, prev_at: datetime | None) -> list[str]:
        """Return a sentence about missing events, unless retention removed them.

        Retention removes the oldest events; these may lie in the middle if a clock was wrong.
        """
        if prev_at is None and not before:
            # Early events did not record the time of the event before.
            return []
        if prev_at is not None and prev_at <= self._expired:
            return []
        when = "" if prev_at is None else f", the last of them of {prev_at:%Y-%m-%d %H:%M} UTC"
        return [f"Events {before + 1} to {seq - 1} are missing{when}: too young for retention."]

    def check_end(self, head: int, newest: ChainHead) -> list[str]:
        """Return the errors of the end of the log, as sentences. `head` and `newest` are those of the counters."""
        if self._seq != (head or None):
            self.is_whole = False
            if newest.at is not None and newest.at <= self._expired:
                return []
            if self._seq is not None:
                return [f"The newest event is {self._seq}, but the head of the log is {head}."]
            # A head without a time is older than the chain: only the documents tell its age.
            return [] if newest.at is None else [f"Events 1 to {head} are missing: too young for retention."]
        if (self._link.hash if self._link is not None else None) != newest.hash:
            return [f"Event {self._seq} is not the one that the head of the log knows: it was altered."]
        if newest.hash is None and newest.at is not None:
            return ["The head of the log has no hash, and had one: it was altered."]
        return []


def _own_defects(seq: int, link: Link | None, *, has_hash: bool) -> list[str]:
    """Return the errors of the event itself. `has_hash`: whether it must have a hash."""
    if link is None:
        return [f"Event {seq} was altered or inserted: it has no hash."] if has_hash else []
    return [] if link.is_valid else [f"Event {seq} was altered: its hash does not match its content."]
