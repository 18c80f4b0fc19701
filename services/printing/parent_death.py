"""Processes that end with the one that started them, however that ended."""

import ctypes
import os
import signal
from collections.abc import Callable
from multiprocessing import parent_process
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def die_with_parent(how: signal.Signals, parent: int | None = None) -> Callable[[], None]:
    """Return what asks Linux to send the signal when the parent of the calling process dies, for `preexec_fn`.

    It only calls the kernel, so what other threads hold cannot keep it waiting. Asked before the program begins, so
    that there is no moment without it.

    :param parent: the process id that the parent must have; where it is another by then, the parent has died already,
        and the calling process ends at once. None: the process that calls this function.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    expected = os.getpid() if parent is None else parent

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, how)
        if os.getppid() != expected:
            os._exit(1)

    return ask


def end_with_supervisor() -> None:
    """End this process at once when the supervisor that started it (`--workers`, `--reload`) dies.

    uvicorn's workers share its listening socket and would go on without it, holding the address for ever. What was
    under way is safe: a sale is one transaction, and a request may be repeated. A server of one process has no
    supervisor, and goes on as it is.
    """
    supervisor = parent_process()
    if supervisor is not None and supervisor.pid is not None:
        die_with_parent(signal.SIGKILL, supervisor.pid)()
