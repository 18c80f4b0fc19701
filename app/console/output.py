"""Files that commands write: private, complete or not written at all, and never replaced by mistake."""

import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

from app.refusals import Refused

#: The name of the standard output.
STDOUT: Final = Path("-")
_STANDARD_OUTPUT: Final = "The standard output"


class FileRefused(Refused):
    """A file cannot be read or written; the message says why and what to do."""


class OutputRefused(FileRefused):
    """The standard output cannot be written."""


def watch_standard_output() -> None:
    """Make a failed write to the standard output raise `OutputRefused`, unless the reader has closed the pipe."""
    old = sys.stdout
    # A standard output that was closed from the start is ignored.
    if type(old) is io.TextIOWrapper:
        sys.stdout = _Printed(
            old.buffer, old.encoding, old.errors, line_buffering=old.line_buffering, write_through=True
        )


@contextmanager
def output(path: Path, *, force: bool = False, is_binary: bool = False) -> Iterator[BinaryIO]:
    """Open a file to write, or the standard output.

    The content is written to a temporary file with mode 0600, which is moved into place when all of it is on disk. A
    failure leaves no file. An existing file is replaced only with `force`.

    :param is_binary: whether the content must not go to a terminal.
    :raises FileRefused: the file cannot be written, or exists.
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
    stream = _Stream(sys.stdout.buffer, _STANDARD_OUTPUT)
    try:
        yield cast("BinaryIO", stream)
        stream.flush()
    except FileRefused:
        drop_standard_output()
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
        # Root could replace a device like a file.
        raise FileRefused(f"{path} is no ordinary file: name another one, or - for the standard output.")
    if path.exists() and not force:
        raise FileRefused(f"{path} exists already: choose another name, or replace it with --force.")


@contextmanager
def writing(place: object, refused: type[FileRefused] = FileRefused) -> Iterator[None]:
    """Turn errors of the system in the block into a sentence that names the place.

    :raises FileRefused: for each `OSError`, except where the reader has closed the pipe: typer ends the command then.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise refused(f"{place} cannot be written: {error.strerror or error}.") from error


class _Printed(io.TextIOWrapper):
    """The standard output, with errors as sentences."""

    def write(self, text: str, /) -> int:
        with writing(_STANDARD_OUTPUT, OutputRefused):
            return super().write(text)

    def flush(self) -> None:
        with writing(_STANDARD_OUTPUT, OutputRefused):
            super().flush()


def drop_standard_output() -> None:
    """Redirect the standard output to nothing, since Python would report the error again when it flushes at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Stream(io.RawIOBase):
    """A stream that reports its own system errors with the name of the place, and no other errors of the block."""

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
    """Make a new name durable. Some file systems do not support this."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
