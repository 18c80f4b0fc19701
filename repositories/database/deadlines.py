"""The deadline of a request: how it is paused, and which error is correct when it has passed.

A command that was submitted to the journal may be committed even if no request waits for it any more. So a request that
is cut off after that point is answered with `OutcomeUnknown`, and one that is cut off before with `Unavailable`.
"""

import asyncio
import math
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final

from repositories.database.errors import OutcomeUnknown, Unavailable
from schemas.core.errors import ShopError

#: A till gets its answer within five seconds, including the network. Each step has a shorter limit of its own, whose
#: error says more precisely what was not done.
REQUEST_SECONDS: Final = 4.75


class Deadline:
    """The deadline of one request.

    :param task: the task of the request.
    :param due: when the deadline passes, on the clock of the event loop.
    :ivar has_passed: whether the deadline has ended the request.
    :ivar is_sent: whether a command was submitted that may be committed.
    """

    __slots__ = ("_task", "due", "has_passed", "is_sent")

    def __init__(self, task: asyncio.Task[Any], due: float) -> None:
        self._task = task
        self.due = due
        self.has_passed = False
        self.is_sent = False

    def end(self) -> None:
        self.due, self.has_passed = math.inf, True
        self._task.cancel()

    def error_for(self, error: BaseException) -> Unavailable:
        """Return the error to answer with when the request ends with this error."""
        if not self.is_sent and isinstance(error, Unavailable):
            return error
        answer = OutcomeUnknown() if self.is_sent else Unavailable()
        answer.__cause__ = TimeoutError() if self.has_passed else error.__cause__ or error
        return answer

    def paused(self) -> AbstractContextManager[None]:
        """Stop the deadline during the block, which has a time limit of its own."""
        return _Paused(self)

    def sending(self) -> AbstractContextManager[None]:
        """Record that a command may be committed from now on, unless the block raises that it was not."""
        return _Sending(self)


class _Paused(AbstractContextManager[None]):
    # Not a generator-based context manager: it runs in every request, and this is faster.
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


#: The deadline of the present request; None outside a request.
current_deadline: Final[ContextVar[Deadline | None]] = ContextVar("deadline", default=None)


def paused() -> AbstractContextManager[None]:
    """Stop the deadline of the present request, if there is one, during the block."""
    deadline = current_deadline.get()
    return nullcontext() if deadline is None else deadline.paused()


def sending() -> AbstractContextManager[None]:
    """Record in the present request, if there is one, that a command may be committed from now on."""
    deadline = current_deadline.get()
    return nullcontext() if deadline is None else deadline.sending()
