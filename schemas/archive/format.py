"""The archive format: all data of a store as lines of JSON, with a header and checksums.

    {"format": "pos-archive", "version": 2, "store": …, "timezone": …, "currency": …, "head": …, "counts": {…}, …}
    {"collection": "orders", "crc32": 305419896, "document": {…}}            a line for each document
    {"end": true, "documents": 1204, "counts": {…}, "sha256": "…"}           over every byte before this line

A document is as it is stored, without the store's name, so that it can be restored into another store. Instants are
`{"$date": "2026-01-31T18:29:59.123Z"}`, as in MongoDB's Extended JSON; bytes (BSON of the earlier backend) are
`{"$binary": "…"}` in base64. The checksum of a line shows that the line was changed; that of the file, that a line was
removed, inserted or moved.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Final, cast

import orjson
from marshmallow import Schema, ValidationError, fields

from schemas.archive.extended_json import decode, encode
from schemas.core.collections import ACCOUNT_KINDS, ARCHIVED, COUNTERS, EARLIER, LOG, REGISTRY
from schemas.core.documents import Document

FORMAT: Final = "pos-archive"
VERSION: Final = 2
#: Collections whose number of documents stays the same while an archive is written: nothing in them expires.
COUNTED: Final = tuple(name for name in ARCHIVED if name != COUNTERS and not REGISTRY[name].is_log)
#: The collections of each version that can be read. In version 1, events and idempotency keys have a line each.
_COLLECTIONS_OF: Final = {1: {*ARCHIVED, *EARLIER} - {LOG}, VERSION: {*ARCHIVED}}
_KNOWN: Final = REGISTRY | EARLIER
#: No stored document is larger than 16 MB.
MAX_LINE_BYTES: Final = 64 * 2**20

_LINE: Final = b'{"collection":"%s","crc32":%d,"document":'


class ArchiveRefused(RuntimeError):
    """The file is no archive, or an incomplete one; the message names the line."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The header of an archive.

    :ivar head: the newest sequence number of the event log.
    :ivar epoch: identifies the event log.
    :ivar counts: documents by collection.
    """

    store: str
    timezone: str
    currency: str
    head: int
    epoch: str
    exported_at: str
    service: str
    counts: Mapping[str, int] = field(default_factory=dict)


class _Header(Schema):
    """The first line, without format and version."""

    store = timezone = currency = epoch = exported_at = service = fields.String(required=True)
    head = fields.Integer(required=True, strict=True)
    counts = fields.Dict(fields.String(), fields.Integer(strict=True), required=True)


_HEADER: Final = _Header()


class ArchiveWriter:
    """Writes the lines of one archive: `opening` first, `closing` last."""

    def __init__(self) -> None:
        self._digest = sha256()
        self.counts: Counter[str] = Counter()

    def opening(self, manifest: Manifest) -> bytes:
        return self._counted(orjson.dumps({"format": FORMAT, "version": VERSION, **asdict(manifest)}) + b"\n")

    def documents(self, collection: str, documents: Sequence[Document]) -> bytes:
        """Return a line for each document, without its store; this changes the documents."""
        self.counts[collection] += len(documents)
        return self._counted(b"".join([_line(collection, document) for document in documents]))

    def closing(self) -> bytes:
        end = {"end": True, "documents": self.counts.total(), "counts": self.counts, "sha256": self._digest.hexdigest()}
        return orjson.dumps(end) + b"\n"

    def _counted(self, content: bytes) -> bytes:
        self._digest.update(content)
        return content


class ArchiveReader:
    """Reads one archive. An archive that was read to its end is complete.

    :param readline: returns the next line, at most so many bytes of it; nothing at the end of the file.
    :raises ArchiveRefused: also from `documents`.
    """

    def __init__(self, readline: Callable[[int], bytes]) -> None:
        self._readline = readline
        self._digest = sha256()
        self._number = 0
        self.counts: Counter[str] = Counter()
        #: The bytes that were read.
        self.bytes = 0
        self.manifest = self._opening()

    def documents(self) -> Iterator[tuple[str, Document]]:
        """Yield each document with its collection, without its store; see `assign_store`."""
        while True:
            line = self._next()
            try:
                content = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise self.refused(f"it is not JSON ({error})") from None
            if not isinstance(content, dict):
                raise self.refused("it is not an object")
            if "end" in content:
                self._check_end(content)
                return
            self._digest.update(line)
            collection = content.get("collection")
            if collection not in self._collections or not isinstance(content.get("document"), dict):
                raise self.refused("it holds no document of a known collection")
            if content.get("crc32") != zlib.crc32(_raw_document(line)):
                raise self.refused("its checksum is wrong: it was changed")
            self.counts[collection] += 1
            yield collection, self._document(collection, content["document"])

    def _document(self, collection: str, content: Document) -> Document:
        """Return the document of a line, without its store.

        :raises ArchiveRefused: it is of another store than the header's, has no id, or cannot be stored.
        """
        for name in _stores_of(collection, content):
            if name != self.manifest.store:
                raise self.refused(f"it is of the store {name!r}, and the header is of {self.manifest.store!r}")
        content = _without_store(collection, content)
        if not _has_id(collection, content):
            raise self.refused("the document in it has no id")
        try:
            document = decode(content)
        except ValueError as error:
            raise self.refused(str(error)) from None
        return cast("Document", document)

    def _opening(self) -> Manifest:
        line = self._next()
        self._digest.update(line)
        try:
            content = orjson.loads(line)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise self.refused(f"this is not a {FORMAT}")
        version = content.pop("version", None)
        if version not in _COLLECTIONS_OF:
            raise self.refused(f"this is version {version} of the format, and {VERSION} is known here")
        self._collections = _COLLECTIONS_OF[version]
        try:
            return Manifest(**_HEADER.load(content))
        except ValidationError as error:
            names = ", ".join(sorted(error.messages_dict))
            raise self.refused(f"the header lacks something, or has something unknown or wrong: {names}") from None

    def _next(self) -> bytes:
        line = self._read(MAX_LINE_BYTES)
        if not line:
            raise self.refused("the file ends here, without its closing line: it is cut off")
        self.bytes += len(line)
        if not line.endswith(b"\n"):
            raise self.refused("the line is cut off")
        return line

    def _read(self, most: int) -> bytes:
        self._number += 1
        try:
            return self._readline(most)
        except (EOFError, OSError, zlib.error) as error:
            raise self.refused(f"the file cannot be read on, it is cut off or damaged ({error})") from error

    def _check_end(self, end: Document) -> None:
        if end.get("counts") != self.counts or end.get("documents") != self.counts.total():
            raise self.refused(
                f"the closing line counts {end.get('documents')} documents, and {self.counts.total()} came before it"
            )
        if end.get("sha256") != self._digest.hexdigest():
            raise self.refused("the checksum of the file is wrong: lines were changed, moved or exchanged")
        for name in COUNTED:
            announced = self.manifest.counts.get(name, 0)
            if announced != self.counts[name]:
                raise self.refused(f"the header announces {announced} {name}, and {self.counts[name]} came")
        if self.counts[COUNTERS] != 1:
            raise self.refused("the archive holds no counters")
        if self._read(1):
            raise self.refused("there is something after the closing line")

    def refused(self, reason: str) -> ArchiveRefused:
        """Return an error that names the current line."""
        return ArchiveRefused(f"Line {self._number:,}: {reason}.")


def assign_store(collection: str, document: Document, store: str, before: str) -> Document:
    """Return a document as a store has it.

    :param before: the archive's store; its users, devices and outbox become those of the new store.
    """
    places, owner = _KNOWN[collection].store_in, _KNOWN[collection].owner
    if "_id" in places:
        document["_id"] = store
    if "_id.store" in places:
        document["_id"] = {"store": store, **document["_id"]}
    if owner is not None and document.get(owner) == before:
        document[owner] = store
    first = {"_id": document.pop("_id")} if "_id" in document else {}
    return {**first, **({"store": store} if "store" in places else {}), **document}


def _stores_of(collection: str, document: Document) -> Iterator[Any]:
    """Yield each name of a store in a document's line; an account may belong to all stores."""
    key, places = document.get("_id"), _KNOWN[collection].store_in
    if "_id" in places and "_id" in document:
        yield key
    if "store" in document:
        yield document["store"]
    if "_id.store" in places and isinstance(key, dict) and "store" in key:
        yield key["store"]
    if collection in ACCOUNT_KINDS and document.get("belongs_to") is not None:
        yield document["belongs_to"]


def _has_id(collection: str, document: Document) -> bool:
    """Return whether a document, without its store, has an id of the form of its collection."""
    key, known = document.get("_id"), _KNOWN[collection]
    if known.id_members:
        return isinstance(key, dict) and {name: type(value) for name, value in key.items()} == known.id_members
    return known.is_log or "_id" in known.store_in or (isinstance(key, str) and bool(key))


def _without_store(collection: str, document: Document) -> Document:
    places = _KNOWN[collection].store_in
    if "_id" in places:
        document.pop("_id", None)
    if "_id.store" in places and isinstance(document.get("_id"), dict):
        document["_id"] = {name: value for name, value in document["_id"].items() if name != "store"}
    document.pop("store", None)
    return document


def _line(collection: str, document: Document) -> bytes:
    content = orjson.dumps(_without_store(collection, document), encode, orjson.OPT_PASSTHROUGH_DATETIME)
    return _LINE % (collection.encode(), zlib.crc32(content)) + content + b"}\n"


def _raw_document(line: bytes) -> bytes:
    """Return the bytes of the document in a line."""
    return line[line.find(b'"document":') + len(b'"document":') : -2]
