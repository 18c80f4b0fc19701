"""How far long work has come: a bar on a terminal, nothing elsewhere."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int], None]


@contextmanager
def progress(console: Console, what: str, total: int | None) -> Iterator[Advance]:
    """Yields what is to be told how many more are done. total: None where nobody knows."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def tidy_end() -> Iterator[None]:
    """SIGTERM and a closed terminal end the block as Ctrl-C does, so that it can tidy up."""
    signals = (signal.SIGTERM, signal.SIGHUP)
    previous = {each: signal.signal(each, signal.default_int_handler) for each in signals}
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
