"""How many bytes commands read and write, roughly: what a group of them is bounded by."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from repositories.journal.command import Command
from schemas.core.collections import ESTIMATES, ORDERS

#: A command that moves no more than this is small, as nearly all are: a bill of some eighty lines.
LARGE_BYTES: Final = 16 * 1024
#: What a group of small commands moves at most, and one of large ones, but for a single one.
SMALL_GROUP_BYTES: Final = 4 * 1024 * 1024
LARGE_GROUP_BYTES: Final = 2 * 1024 * 1024

#: Documents that may be as large as the body of a request, and more.
_WEIGHTY: Final = frozenset({ESTIMATES, ORDERS})
#: So many commands that read such documents are not weighed first: each moves a megabyte or two.
_UNWEIGHED: Final = 4

Collections = Mapping[str, Any]


class TooLarge(Exception):
    """A group moves too many bytes, as what it reads has told. weights: of its commands, in their order."""

    def __init__(self, weights: Sequence[int]) -> None:
        super().__init__()
        self.weights = weights


def check_group_size(commands: Sequence[Command], collections: Collections) -> None:
    """Look how large the documents are that a group would read, before it reads them. Blocking.

    :param collections: PyMongo's, by name.
    :raises TooLarge: the group moves too much.
    :raises PyMongoError: callers translate.
    """
    wanted = defaultdict(set)
    for command in commands:
        for kind, document_id in command.reads:
            if kind in _WEIGHTY:
                wanted[kind].add(document_id)
    if sum(map(len, wanted.values())) <= _UNWEIGHED:
        return
    sizes: dict[str, int] = {}
    for kind, ids in wanted.items():
        found = collections[kind].find({"_id": {"$in": list(ids)}}, {"bytes": {"$bsonSize": "$$ROOT"}})
        sizes.update({document["_id"]: document["bytes"] for document in found})
    weights = [command.bytes_written + _read_by(command, sizes) for command in commands]
    if sum(weights) > SMALL_GROUP_BYTES:
        raise TooLarge(weights)


def _read_by(command: Command, sizes: Mapping[str, int]) -> int:
    read = sum(sizes.get(document_id, 0) for kind, document_id in command.reads if kind in _WEIGHTY)
    return read * command.copies_of_reads
