"""The chain of the event log: each event names the one before by its hash, so that none can be altered, taken out or
put in unnoticed.

The last two fields of a stored event are `prev`, the hash of the event before (zeros where none has one), and `hash`,
the SHA-256 of its own bytes as BSON from `seq` to `prev`. What names the place where it lies, `_id` and `store`, is not
in it: an event stays the same in the archive and in another store. The newest hash stands in the store's counters.
"""

import struct
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, NamedTuple

from bson import encode
from bson.raw_bson import RawBSONDocument

from schemas.documents import Document

#: What the first event names.
GENESIS: Final = bytes(32)
#: What `Links` looks at: the stored bytes of an event without the place where it lies.
UNPLACED: Final = {"_id": 0, "store": 0}

_SIZE: Final = struct.Struct("<i")
_STORE: Final = b"\x02store\x00"
# A field of 32 bytes: its type, its name, their number, and that they are of no particular kind.
_PREV: Final = b"\x05prev\x00" + _SIZE.pack(32) + b"\x00"
_HASH: Final = b"\x05hash\x00" + _SIZE.pack(32) + b"\x00"
_END: Final = b"\x00"
_FIELD: Final = len(_HASH) + 32


def sealed(events: Iterable[Document], previous: bytes | None) -> tuple[list[RawBSONDocument], bytes]:
    """New events as they are to be stored, and the hash of the last.

    :param events: each with its store as the first field.
    :param previous: the hash of the event before, None where there is none that has one.
    """
    newest = previous or GENESIS
    rows = []
    for event in events:
        raw = encode({**event, "prev": newest})
        newest = sha256(raw[_after_store(raw) : -1]).digest()
        # Put together rather than encoded anew, which would take as long again.
        rows.append(RawBSONDocument(b"".join((_SIZE.pack(len(raw) + _FIELD), raw[4:-1], _HASH, newest, _END))))
    return rows, newest


def _after_store(raw: bytes) -> int:
    """Where the field that follows `store` begins."""
    length_at = _SIZE.size + len(_STORE)
    length: int = _SIZE.unpack_from(raw, length_at)[0]
    return length_at + _SIZE.size + length


class Link(NamedTuple):
    """An event's place in the chain. is_right: whether its hash is that of its bytes."""

    prev: bytes
    hash: bytes
    is_right: bool


def link_of(raw: bytes) -> Link | None:
    """The link of a stored event (`UNPLACED`), or None where its last fields are not those of one."""
    prev_at, hash_at = len(raw) - 1 - 2 * _FIELD, len(raw) - 1 - _FIELD
    if raw[prev_at : prev_at + len(_PREV)] != _PREV or raw[hash_at : hash_at + len(_HASH)] != _HASH:
        return None
    own = raw[hash_at + len(_HASH) : -1]
    return Link(raw[prev_at + len(_PREV) : hash_at], own, sha256(raw[_SIZE.size : hash_at]).digest() == own)


class Chain:
    """Walks along the log, the oldest event first, and says what is wrong with it.

    What retention has taken away is missing at the beginning only. Events that are older than the chain have no hash.
    """

    def __init__(self) -> None:
        self._seq: int | None = None
        self._link: Link | None = None

    def differences(self, seq: int, raw: bytes, *, has_hash: bool) -> list[str]:
        """What is wrong with the next event, one sentence each. raw: as it is stored, `UNPLACED`."""
        before, self._seq = self._seq, seq
        link, known = link_of(raw), self._link
        self._link = link
        if before is not None and seq != before + 1:
            missing = f"Events {before + 1} to {seq - 1} are missing."
            return [missing, *_own(seq, link, has_hash=has_hash or known is not None)]
        own = _own(seq, link, has_hash=has_hash or known is not None)
        if own or link is None:
            return own
        expected = known.hash if known is not None else GENESIS
        is_oldest = before is None and seq != 1
        if is_oldest or link.prev == expected:
            return []
        return [f"Event {seq} does not follow event {seq - 1}: that one was altered, or others stood between them."]

    def end(self, head: int, newest: bytes | None) -> list[str]:
        """What is wrong with the end of the log, which the counters name."""
        if self._seq is None:
            return []
        if self._seq != head:
            return [f"The newest event is {self._seq}, but the head of the log says {head}."]
        if (self._link.hash if self._link is not None else None) != newest:
            return [f"Event {self._seq} is not the one that the head of the log knows: it was altered."]
        return []


def _own(seq: int, link: Link | None, *, has_hash: bool) -> list[str]:
    """What is wrong with an event by itself. has_hash: whether it ought to have one."""
    if link is None:
        return [f"Event {seq} was altered, or put in: it has no hash."] if has_hash else []
    return [] if link.is_right else [f"Event {seq} was altered: its hash is not that of what stands in it."]
