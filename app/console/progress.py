"""Progress of long work: a bar on a terminal, nothing elsewhere."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

Advance = Callable[[int], None]


@contextmanager
def progress(console: Console, what: str, total: int | None) -> Iterator[Advance]:
    """Yield a function to call with the number of further items. A total of None is unknown."""
    with _bars(console) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def progress_by_steps(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function to call with the step, the items done and the total; one bar for each step. A total of 0 is
    unknown."""
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
    """Make SIGTERM and a closed terminal end the block like Ctrl-C, so that it can clean up."""
    # Python delivers signals to the main thread only.
    signals = (signal.SIGTERM, signal.SIGHUP) if current_thread() is main_thread() else ()
    previous = {each: signal.signal(each, signal.default_int_handler) for each in signals}
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
