"""Ports for the servers of tests.

They lie below those that the system gives to clients, so that none is taken between being found and being used; where
several processes test side by side, each has ports of its own.
"""

import itertools
import os
import random
import socket

_PORTS = range(10_000, 32_000)
_MOST_PROCESSES = 8

_number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _MOST_PROCESSES
_share = _PORTS[_number::_MOST_PROCESSES]
# Starts at a different port in each run, since another run may use the same ones.
_next = itertools.islice(itertools.cycle(_share), random.randrange(len(_share)), None)


def free_port() -> int:
    """Return a free port that was not returned before."""
    return next(port for port in itertools.islice(_next, len(_share)) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
