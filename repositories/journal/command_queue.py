"""The queue of commands that wait for a group: groups of small commands alternate with groups of large ones."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from repositories.journal.command import Command
from repositories.journal.command_sizes import LARGE_BYTES, LARGE_GROUP_BYTES, SMALL_GROUP_BYTES
from repositories.journal.transaction import Outcome


@dataclass(eq=False, slots=True)
class PendingCommand:
    """A command that has no outcome yet."""

    command: Command
    outcome: asyncio.Future[Outcome]
    #: When its deadline passes, on the clock of the event loop.
    due: float
    #: Bytes that it reads and writes, roughly (see `command_sizes`).
    size: int


class CommandQueue:
    """The waiting commands, the oldest first, small and large ones apart.

    A group has commands of one size only, and is limited in number and in bytes. If both sizes wait, their groups
    alternate: a small command waits for one group of large commands at most, and the other way round.
    """

    def __init__(self) -> None:
        self.small: deque[PendingCommand] = deque()
        self.large: deque[PendingCommand] = deque()
        self._is_large_next = False

    def __len__(self) -> int:
        return len(self.small) + len(self.large)

    def __contains__(self, entry: PendingCommand) -> bool:
        return entry in self._queue_of(entry)

    def append(self, entry: PendingCommand) -> None:
        """Add a command behind those of its size."""
        self._queue_of(entry).append(entry)

    def put_back(self, entries: Iterable[PendingCommand]) -> None:
        """Put back commands that are larger than estimated, before all others of their size."""
        for entry in reversed(list(entries)):
            self._queue_of(entry).appendleft(entry)

    def remove(self, entry: PendingCommand) -> None:
        self._queue_of(entry).remove(entry)

    def take(self, limit: int) -> list[PendingCommand]:
        """Remove and return the next group, of up to `limit` commands."""
        is_large = bool(self.large) and (self._is_large_next or not self.small)
        self._is_large_next = not is_large
        queue, bytes_left = (self.large, LARGE_GROUP_BYTES) if is_large else (self.small, SMALL_GROUP_BYTES)
        group = [queue.popleft()]
        bytes_left -= group[0].size
        while queue and len(group) < limit and queue[0].size <= bytes_left:
            group.append(queue.popleft())
            bytes_left -= group[-1].size
        return group

    def _queue_of(self, entry: PendingCommand) -> deque[PendingCommand]:
        return self.large if entry.size > LARGE_BYTES else self.small
