"""The processes that have a file open, so that a message can name the one that uses a data folder."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_LONGEST_COMMAND: Final = 120


class Holder(NamedTuple):
    """A process that has the file open. `arguments` is its command line."""

    pid: int
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        command = " ".join(self.arguments)
        shown = command if len(command) <= _LONGEST_COMMAND else f"{command[:_LONGEST_COMMAND]}…"
        return f"process {self.pid}: {shown if shown.isprintable() else ascii(shown)}"


def holders_of(file: Path) -> list[Holder]:
    """Return the other processes that have the file open, by process id, as far as Linux shows them to this user."""
    try:
        wanted = _identity(file.stat())
    except OSError:
        return []
    return [
        Holder(pid, _arguments(process))
        for pid, process in sorted(_processes())
        if pid != os.getpid() and wanted in _open_files(process)
    ]


def _processes() -> Iterator[tuple[int, Path]]:
    with suppress(OSError):
        for process in Path("/proc").iterdir():
            if process.name.isdecimal():
                yield int(process.name), process


def _open_files(process: Path) -> Iterator[tuple[int, int]]:
    """Yield the identity of each open file of a process; none for a process that has ended or belongs to another
    user."""
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            # The file may have been closed meanwhile.
            with suppress(OSError):
                yield _identity(descriptor.stat())


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _arguments(process: Path) -> tuple[str, ...]:
    with suppress(OSError):
        return tuple(os.fsdecode(part) for part in (process / "cmdline").read_bytes().split(b"\0") if part)
    return ()
