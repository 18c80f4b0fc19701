"""Commands that wait for a group: the small ones, and the large ones, whose groups take turns."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from repositories.journal.command import Command
from repositories.journal.command_sizes import LARGE_BYTES, LARGE_GROUP_BYTES, SMALL_GROUP_BYTES
from repositories.journal.transaction import Outcome


@dataclass(eq=False, slots=True)
class PendingCommand:
    """A command, and who waits for its outcome. due: until when (time of the event loop). weight: see `weights.py`."""

    command: Command
    outcome: asyncio.Future[Outcome]
    due: float
    weight: int


class CommandQueue:
    """The commands that wait, the oldest first, each kind in the order in which they came.

    A group is of one kind, and bounded in number and in bytes. Where both kinds wait they take turns: a small command
    waits for one group of large ones at the most, and large ones are never put off for longer than one small group.
    """

    def __init__(self) -> None:
        self.small: deque[PendingCommand] = deque()
        self.large: deque[PendingCommand] = deque()
        self._is_turn_of_large = False

    def __len__(self) -> int:
        return len(self.small) + len(self.large)

    def __contains__(self, entry: PendingCommand) -> bool:
        return entry in self._queue_of(entry)

    def append(self, entry: PendingCommand) -> None:
        """Put a command behind those of its kind."""
        self._queue_of(entry).append(entry)

    def put_back(self, entries: Iterable[PendingCommand]) -> None:
        """Put commands that were taken, and weigh more than was thought, before all others of their kind."""
        for entry in reversed(list(entries)):
            self._queue_of(entry).appendleft(entry)

    def remove(self, entry: PendingCommand) -> None:
        """Take out one that waits."""
        self._queue_of(entry).remove(entry)

    def take(self, most: int) -> list[PendingCommand]:
        """Take the next group out: up to so many commands."""
        is_large = bool(self.large) and (self._is_turn_of_large or not self.small)
        self._is_turn_of_large = not is_large
        queue, room = (self.large, LARGE_GROUP_BYTES) if is_large else (self.small, SMALL_GROUP_BYTES)
        group = [queue.popleft()]
        room -= group[0].weight
        while queue and len(group) < most and queue[0].weight <= room:
            group.append(queue.popleft())
            room -= group[-1].weight
        return group

    def _queue_of(self, entry: PendingCommand) -> deque[PendingCommand]:
        return self.large if entry.weight > LARGE_BYTES else self.small
