"""The bytes that commands read and write, roughly, which limit the size of a group."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from repositories.journal.command import Command
from schemas.core.collections import DOCUMENT_KINDS

#: A command that transfers at most this is small. Nearly all are: it is a bill of about 80 lines.
LARGE_BYTES: Final = 16 * 1024
#: The most that a group of small commands transfers, and one of large commands, unless a single command is larger.
SMALL_GROUP_BYTES: Final = 4 * 1024 * 1024
LARGE_GROUP_BYTES: Final = 2 * 1024 * 1024

#: Up to this many estimates and orders are read without a check of their sizes: each is a megabyte or two at most.
_UNCHECKED_READS: Final = 4

Collections = Mapping[str, Any]


class TooLarge(Exception):
    """The documents that a group reads make it too large.

    :param sizes: the sizes of its commands, in their order.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.sizes = sizes


def check_group_size(commands: Sequence[Command], collections: Collections) -> None:
    """Check the sizes of the documents that a group would read, before it reads them. Blocking.

    :param collections: PyMongo's collections, by name.
    :raises TooLarge: the group transfers too many bytes.
    :raises PyMongoError: callers translate.
    """
    wanted = defaultdict(set)
    for command in commands:
        for kind, document_id in command.reads:
            if kind in DOCUMENT_KINDS:
                wanted[kind].add(document_id)
    if sum(map(len, wanted.values())) <= _UNCHECKED_READS:
        return
    sizes: dict[str, int] = {}
    for kind, ids in wanted.items():
        found = collections[kind].find({"_id": {"$in": list(ids)}}, {"bytes": {"$bsonSize": "$$ROOT"}})
        sizes.update({document["_id"]: document["bytes"] for document in found})
    totals = [command.bytes_written + _bytes_read(command, sizes) for command in commands]
    if sum(totals) > SMALL_GROUP_BYTES:
        raise TooLarge(totals)


def _bytes_read(command: Command, sizes: Mapping[str, int]) -> int:
    size = sum(sizes.get(document_id, 0) for kind, document_id in command.reads if kind in DOCUMENT_KINDS)
    return size * command.copies_of_reads
