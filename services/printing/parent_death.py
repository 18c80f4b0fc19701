"""Processes that end when their parent ends, for whatever reason."""

import ctypes
import os
import signal
from collections.abc import Callable
from multiprocessing import parent_process
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def die_with_parent(how: signal.Signals, parent: int | None = None) -> Callable[[], None]:
    """Return a function for `preexec_fn` that asks Linux to send a signal when the parent of the calling process dies.

    The function only calls the kernel, so it needs no lock that another thread holds. It runs before the program, so
    there is no moment without the signal.

    :param parent: the expected process id of the parent. If it differs, the parent is dead already, and the calling
        process ends at once. None: the process that calls `die_with_parent`.
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

    The workers of uvicorn share its listening socket, and would keep the address forever. Requests in progress are
    safe: a sale is one transaction, and a client may repeat its request. A server of one process has no supervisor.
    """
    supervisor = parent_process()
    if supervisor is not None and supervisor.pid is not None:
        die_with_parent(signal.SIGKILL, supervisor.pid)()
