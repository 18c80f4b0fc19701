"""The limit of open files. Each connection is one file, and so is each connection to the database."""

import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

#: Files other than client connections: those of the database, the event loop, logs and workers.
RESERVED: Final = 200
_LARGEST: Final = Path("/proc/sys/fs/nr_open")


def allowed_files() -> int:
    """Return how many files this process may have open now."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def attainable_files() -> int:
    """Return how many files a process may open after `raise_limit`: the lower of the hard and the system's limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limits = [] if hard == resource.RLIM_INFINITY else [hard]
    with suppress(OSError, ValueError):
        limits.append(int(_LARGEST.read_text()))
    return min(limits, default=allowed_files())


def raise_limit() -> None:
    """Raise the soft limit to the hard limit. The usual 1,024 are too few for a server."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = attainable_files()
    if wanted > allowed_files():
        # Some systems do not allow it; the limit then stays.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections(files: int) -> int:
    """Return how many client connections leave enough of so many files for everything else."""
    return max(files - RESERVED, files // 2, 1)
