"""The limit of open files: each connection is one, and so is each of the database's."""

import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

#: Files beside the connections of clients: those to the database, the event loop, logs, workers.
RESERVED: Final = 200
_LARGEST: Final = Path("/proc/sys/fs/nr_open")


def allowed_files() -> int:
    """Return how many files this process may have open now."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def attainable_files() -> int:
    """Return how many files a process may have open that has raised its limit: the hard limit, or the system's."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(OSError, ValueError):
        largest = int(_LARGEST.read_text())
        return largest if hard == resource.RLIM_INFINITY else min(hard, largest)
    return allowed_files() if hard == resource.RLIM_INFINITY else hard


def raise_limit() -> None:
    """Raise the soft limit to the hard one. The usual 1,024 are for programs of another kind."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = attainable_files()
    if wanted > allowed_files():
        # A system that does not allow it leaves the limit as it is.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections(files: int) -> int:
    """Return how many connections leave enough files for all else.

    :param files: how many may be open.
    """
    return max(files - RESERVED, files // 2, 1)
