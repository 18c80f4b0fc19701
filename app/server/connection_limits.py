"""The limits that the connections of one process share: open files, and bytes of unfinished requests."""

from heapq import nsmallest
from typing import Any, Final, Protocol, TypeVar

from uvicorn.server import ServerState

from app.server.open_files import allowed_files, most_connections
from app.server.unread_connections import UnreadWatch

#: Bytes of unfinished heads and of pipelined requests, of all connections together.
MOST_OF_HEADS: Final = 16 * 1024 * 1024
#: Bytes of unfinished bodies and WebSocket messages, of all connections together.
MOST_OF_BODIES: Final = 96 * 1024 * 1024
_NAME: Final = "pos_connection_limits"
# The share of the budget, or of the connections, that is freed at once, so that the search for the largest is rare.
_AT_ONCE: Final = 16


class Holder(Protocol):
    """A connection that holds bytes."""

    def give_way(self) -> None:
        """Release the bytes, and end the connection."""


class Waiting(Protocol):
    """A connection that can be idle. `idle_since` is None while it is not."""

    @property
    def idle_since(self) -> tuple[bool, float] | None: ...

    def leave(self) -> None:
        """End the connection at once, so that its file is closed."""


W = TypeVar("W", bound=Waiting)


class Budget:
    """The bytes that connections hold, each and together. Beyond the limit, the largest holders end.

    :param most: the limit, in bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: dict[Holder, int] = {}
        self._bytes = 0

    @property
    def size(self) -> int:
        """The bytes that are held now."""
        return self._bytes

    def hold(self, holder: Holder, size: int) -> None:
        """Note how many bytes a connection holds now."""
        self._bytes += size - self._held.get(holder, 0)
        self._held[holder] = size
        if self._bytes > self._most:
            self._relieve()

    def release(self, holder: Holder) -> None:
        """Forget a connection that holds nothing any more."""
        self._bytes -= self._held.pop(holder, 0)

    def _relieve(self) -> None:
        for holder in sorted(self._held, key=self._held.__getitem__, reverse=True):
            if self._bytes <= self._most - self._most // _AT_ONCE:
                return
            self.release(holder)
            holder.give_way()


class ConnectionLimits:
    """The limits of one process.

    :param most_connections: how many connections may be open at once.
    """

    def __init__(self, most_connections: int) -> None:
        self.most_connections = most_connections
        self.heads = Budget(MOST_OF_HEADS)
        self.bodies = Budget(MOST_OF_BODIES)
        self.unread = UnreadWatch()

    def make_room(self, connections: list[W], own: W) -> bool:
        """End the connections that have been idle the longest.

        :param own: the newest connection, which ends only if no other one is idle.
        :returns: whether there is room for it.
        """
        idle = [(since, each) for each in connections if each is not own and (since := each.idle_since) is not None]
        longest = nsmallest(max(self.most_connections // _AT_ONCE, 1), idle, key=lambda pair: pair[0])
        for _, each in longest:
            each.leave()
        return bool(longest)


def limits_of(server: ServerState) -> ConnectionLimits:
    """Return the limits that all connections of a server share."""
    shared: dict[str, Any] = vars(server)
    if _NAME not in shared:
        shared[_NAME] = ConnectionLimits(most_connections(allowed_files()))
    limits: ConnectionLimits = shared[_NAME]
    return limits
