"""The begin of a shutdown: readiness must fail at once, long before the last request is answered."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self


class Shutdown:
    """Whether SIGTERM or SIGINT was received. The server's own handlers do the work."""

    def __init__(self) -> None:
        self.has_begun = False

    @contextmanager
    def noticed(self) -> Iterator[Self]:
        """Note the signals of the server inside the block, and pass them on to the server."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        previous = {sig: signal.getsignal(sig) for sig in (signal.SIGTERM, signal.SIGINT)}

        def note(number: int, frame: FrameType | None) -> None:
            self.has_begun = True
            handler = previous[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)

        for sig in previous:
            signal.signal(sig, note)
        try:
            yield self
        finally:
            for sig, handler in previous.items():
                signal.signal(sig, handler)
