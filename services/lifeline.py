"""Processes that end with the one that started them, however that ended."""

import ctypes
import os
import signal
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def die_with_parent(how: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: asks Linux to send the signal when this process dies. It only calls the kernel, so what other
    threads hold cannot keep it waiting. Asked before the program begins, so that there is no moment without it."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, how)
        if os.getppid() != parent:
            os._exit(1)

    return ask
