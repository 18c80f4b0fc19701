"""The one deadline of a request: how it is paused, and what may be said of the request where it has passed.

A command that was handed to the journal may be carried out though nobody waits for it any more. So a request that was
cut off after that point is answered with `OutcomeUnknown`, and one that was cut off before with `Unavailable`.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Final

from repositories.errors import OutcomeUnknown, Unavailable
from schemas.errors import ShopError

#: A till is answered within five seconds, the way there and back included. Each step has a shorter limit of its own,
#: which says more precisely what was not done.
REQUEST_SECONDS: Final = 4.75


class Deadline:
    """That of one request.

    :param limit: ends the request; entered by the middleware.
    """

    def __init__(self, limit: asyncio.Timeout) -> None:
        self._limit = limit
        self._is_sent = False

    def true_of(self, error: Exception) -> Unavailable:
        """Return what is true of the request where it ends with this error."""
        if not self._is_sent and isinstance(error, Unavailable):
            return error
        refusal = OutcomeUnknown() if self._is_sent else Unavailable()
        refusal.__cause__ = error if isinstance(error, TimeoutError) else error.__cause__ or error
        return refusal

    def lift(self) -> None:
        """End the deadline: the answer has begun."""
        self._limit.reschedule(None)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the deadline for the block, whose time is bounded otherwise."""
        when = self._limit.when()
        if when is None:
            yield
            return
        clock = asyncio.get_running_loop().time
        left = when - clock()
        self._limit.reschedule(None)
        try:
            yield
        finally:
            self._limit.reschedule(clock() + left)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Note that a command may be carried out from now on, unless the block says that it was not."""
        before, self._is_sent = self._is_sent, True
        try:
            yield
        except OutcomeUnknown:
            raise
        except ShopError:
            self._is_sent = before
            raise


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
