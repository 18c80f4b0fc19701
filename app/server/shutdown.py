"""The moment a shutdown begins: readiness must fail then, long before the last request is answered."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Shutdown:
    """Whether SIGTERM or SIGINT has come. The server's own handlers still do the work."""

    def __init__(self) -> None:
        self.has_begun = False

    @contextmanager
    def noticed(self) -> Iterator[None]:
        """Listens to the signals that the server listens to, and passes them on."""
        if threading.current_thread() is not threading.main_thread():
            yield
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
            yield
        finally:
            for sig, handler in previous.items():
                signal.signal(sig, handler)
