"""The one deadline of a request: how it is paused, and what may be said of the request where it has passed.

A command that was handed to the journal may be carried out though nobody waits for it any more. So a request that was
cut off after that point is answered with `OutcomeUnknown`, and one that was cut off before with `Unavailable`.
"""

import asyncio
import math
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final

from repositories.database.errors import OutcomeUnknown, Unavailable
from schemas.core.errors import ShopError

#: A till is answered within five seconds, the way there and back included. Each step has a shorter limit of its own,
#: which says more precisely what was not done.
REQUEST_SECONDS: Final = 4.75


class Deadline:
    """That of one request. due: when it ends, on the clock of the event loop. has_passed: whether it was ended by it.
    is_sent: whether a command was handed over, which may be carried out.

    :param task: of the request.
    """

    __slots__ = ("_task", "due", "has_passed", "is_sent")

    def __init__(self, task: asyncio.Task[Any], due: float) -> None:
        self._task = task
        self.due = due
        self.has_passed = False
        self.is_sent = False

    def end(self) -> None:
        """End the request."""
        self.due, self.has_passed = math.inf, True
        self._task.cancel()

    def error_for(self, error: BaseException) -> Unavailable:
        """Return what is true of the request where it ends with this error."""
        if not self.is_sent and isinstance(error, Unavailable):
            return error
        refusal = OutcomeUnknown() if self.is_sent else Unavailable()
        refusal.__cause__ = TimeoutError() if self.has_passed else error.__cause__ or error
        return refusal

    def paused(self) -> AbstractContextManager[None]:
        """Stop the deadline for the block, whose time is bounded otherwise."""
        return _Paused(self)

    def sending(self) -> AbstractContextManager[None]:
        """Note that a command may be carried out from now on, unless the block says that it was not."""
        return _Sending(self)


class _Paused(AbstractContextManager[None]):
    # Not as a generator: each request comes by here.
    __slots__ = ("_deadline", "_left")

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._left = 0.0

    def __enter__(self) -> None:
        self._left = self._deadline.due - asyncio.get_running_loop().time()
        self._deadline.due = math.inf

    def __exit__(self, *_: object) -> None:
        self._deadline.due = asyncio.get_running_loop().time() + self._left


class _Sending(AbstractContextManager[None]):
    __slots__ = ("_deadline", "_was_sent")

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._was_sent = False

    def __enter__(self) -> None:
        self._was_sent, self._deadline.is_sent = self._deadline.is_sent, True

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, ShopError) and not isinstance(error, OutcomeUnknown):
            self._deadline.is_sent = self._was_sent


#: None outside a request.
current: Final[ContextVar[Deadline | None]] = ContextVar("deadline", default=None)


def paused() -> AbstractContextManager[None]:
    """Stop the deadline of the present request, if there is one, for a block."""
    deadline = current.get()
    return nullcontext() if deadline is None else deadline.paused()


def sending() -> AbstractContextManager[None]:
    """Note in the present request, if there is one, that a command may be carried out from now on."""
    deadline = current.get()
    return nullcontext() if deadline is None else deadline.sending()
