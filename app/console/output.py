"""Files that commands write: private, whole or not there at all, and never over another one by mistake."""

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

from app.refusals import Refused

#: As the name of a file: the standard output.
STDOUT: Final = Path("-")


class FileRefused(Refused):
    """A file cannot be read or written; the message is a sentence that says why and what to do."""


class OutputRefused(FileRefused):
    """What a command says cannot be written to the standard output."""


def watch_standard_output() -> None:
    """From now on whatever is printed is written, or `OutputRefused` is raised, unless somebody has merely stopped
    reading it."""
    old = sys.stdout
    # Nobody minds what is printed where it was closed from the start.
    if type(old) is io.TextIOWrapper:
        sys.stdout = _Printed(
            old.buffer, old.encoding, old.errors, line_buffering=old.line_buffering, write_through=True
        )


@contextmanager
def output(path: Path, *, force: bool = False, is_binary: bool = False) -> Iterator[BinaryIO]:
    """A file to write, or the standard output.

    It is written beside its place, with mode 0600, and put there when all of it is on disk; whatever breaks off leaves
    nothing. What stands there already is only replaced with `force`.

    :param is_binary: whether a terminal should be spared it.
    :raises FileRefused: it cannot be written, or exists.
    """
    if path == STDOUT:
        with _stdout(is_binary=is_binary) as stream:
            yield stream
    else:
        with _new_file(path, force=force) as stream:
            yield stream


@contextmanager
def _stdout(*, is_binary: bool) -> Iterator[BinaryIO]:
    if is_binary and sys.stdout.isatty():
        raise FileRefused("This output is binary: name a file with --output, or use a pipe.")
    stream = _Stream(sys.stdout.buffer, "The standard output")
    try:
        yield cast("BinaryIO", stream)
        stream.flush()
    except FileRefused as refused:
        drop_standard_output()
        if isinstance(refused.__cause__, BrokenPipeError):
            # Whoever read it had enough.
            raise SystemExit(1) from None
        raise


@contextmanager
def _new_file(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    _refuse_existing(path, force=force)
    with writing(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            stream = io.BufferedWriter(_Stream(file, path))
            yield cast("BinaryIO", stream)
            stream.flush()
            with writing(path):
                os.fsync(descriptor)
        _refuse_existing(path, force=force)
        with writing(path):
            beside.replace(path)
            _sync_folder(path.parent)
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


def _refuse_existing(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise FileRefused(f"{path} is a folder: name a file.")
    if path.exists() and not path.is_file():
        # As root, a device would be replaced like a file.
        raise FileRefused(f"{path} is no ordinary file: name another one, or - for the standard output.")
    if path.exists() and not force:
        raise FileRefused(f"{path} exists already: choose another name, or replace it with --force.")


@contextmanager
def writing(place: object) -> Iterator[None]:
    """:raises FileRefused: naming the place, for what the system has against the block."""
    try:
        yield
    except OSError as error:
        raise FileRefused(f"{place} cannot be written: {error.strerror or error}.") from error


class _Printed(io.TextIOWrapper):
    """The standard output, which says what it cannot do."""

    def write(self, text: str, /) -> int:
        with _printing():
            return super().write(text)

    def flush(self) -> None:
        with _printing():
            super().flush()


@contextmanager
def _printing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # Whoever read it had enough, which is no failure.
        raise
    except OSError as error:
        raise OutputRefused(f"The standard output cannot be written: {error.strerror or error}.") from error


def drop_standard_output() -> None:
    """Python would complain once more when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Stream(io.RawIOBase):
    """Passes on what is written. Only what the system has against that is blamed on the place, and not whatever else
    goes wrong meanwhile.

    :param place: what a refusal names.
    """

    def __init__(self, target: IO[bytes], place: object) -> None:
        super().__init__()
        self._target = target
        self._place = place

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        with writing(self._place):
            return self._target.write(content)

    def flush(self) -> None:
        if not self._target.closed:
            with writing(self._place):
                self._target.flush()


def _sync_folder(folder: Path) -> None:
    """So that the new name survives a power cut too. Not every file system knows how."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
