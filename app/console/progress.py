"""How far long work has come: a bar on a terminal, nothing elsewhere."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

Advance = Callable[[int], None]


@contextmanager
def progress(console: Console, what: str, total: int | None) -> Iterator[Advance]:
    """Yields what is to be told how many more are done. total: None where nobody knows."""
    with _bars(console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def progress_by_steps(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Yields what is to be told how much is done of a step, and of how much; a bar a step. 0: nobody knows."""
    with _bars(console) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total or None)
            bars.update(tasks[step], completed=done)

        yield tell


def _bars(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def tidy_end() -> Iterator[None]:
    """SIGTERM and a closed terminal end the block as Ctrl-C does, so that it can tidy up."""
    # Python hands signals to the main thread, and lets no other one ask for them.
    signals = (signal.SIGTERM, signal.SIGHUP) if current_thread() is main_thread() else ()
    previous = {each: signal.signal(each, signal.default_int_handler) for each in signals}
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
