"""Load with wrk, of Debian's package of that name, with one thread. Every response must be a success.

Each sale has its own idempotency key, like those of a till.
"""

import json
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

SCRIPT = Path(__file__).with_name("load.lua")
_AT_MOST_SECONDS = 120
#: At a low priority, so that all other processes go first.
_BACKGROUND = 19


@dataclass(frozen=True, slots=True)
class Run:
    """The result of one run of wrk. `rate`: requests a second; `p50`, `p99`: milliseconds."""

    requests: int
    seconds: float
    bytes: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is repeated. `paths`, `bodies`: used in turn; `is_keyed`: with a new idempotency key each time."""

    paths: Sequence[str]
    method: str = "GET"
    bodies: Sequence[Any] = ()
    is_keyed: bool = False
    headers: Mapping[str, str] | None = None

    @classmethod
    def post(cls, paths: Sequence[str], bodies: Sequence[Any], headers: Mapping[str, str] | None = None) -> Self:
        """Return a POST."""
        return cls(paths, "POST", bodies, is_keyed=True, headers=headers)


def load(port: int, request: Request, *, connections: int, seconds: float) -> Run:
    """Keep connections busy for some seconds. Ends the benchmark if a response is not a success."""
    with loading(port, request, connections=connections, niceness=0) as runs:
        time.sleep(seconds)
    return runs[0]


def warm_load(port: int, request: Request, *, connections: int, seconds: float) -> Run:
    """Do the same after the server has warmed up with the same load."""
    load(port, request, connections=connections, seconds=warming(seconds))
    return load(port, request, connections=connections, seconds=seconds)


def warming(seconds: float) -> float:
    """Return the seconds of the warm-up of a run."""
    return min(1, seconds / 2)


@contextmanager
def loading(port: int, request: Request, *, connections: int, niceness: int = _BACKGROUND) -> Iterator[list[Run]]:
    """Keep connections busy until the end of the block, at low priority, since real clients have their own machines.
    The yielded object has the result at the end."""
    runs: list[Run] = []
    with _started(port, request, connections, niceness) as wrk:
        yield runs
        runs.append(_seen(wrk))


@contextmanager
def _started(port: int, request: Request, connections: int, niceness: int) -> Iterator[subprocess.Popen[str]]:
    wrk = shutil.which("wrk") or sys.exit("wrk is needed: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "paths")
        paths.write_text("\n".join(request.paths) + "\n")
        bodies = Path(folder, "bodies")
        bodies.write_bytes(b"".join(orjson.dumps(body) + b"\n" for body in request.bodies))
        headers = [part for pair in (request.headers or {}).items() for part in pair]
        command = [
            *("nice", "-n", str(niceness), wrk, "--threads", "1", "--connections", str(connections)),
            *("--duration", f"{_AT_MOST_SECONDS}s", "--timeout", "30s", "--script", str(SCRIPT)),
            *(f"http://127.0.0.1:{port}", "--", request.method, str(bodies)),
            secrets.token_hex(6) + "-" if request.is_keyed else "-",
            *(str(paths), *headers),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                yield process
            finally:
                # Without this, wrk would continue after its server has ended.
                process.kill()


def _seen(wrk: subprocess.Popen[str]) -> Run:
    output = None
    while output is None:
        wrk.send_signal(signal.SIGINT)
        # wrk misses a signal that arrives just before it sleeps.
        with suppress(subprocess.TimeoutExpired):
            output, _ = wrk.communicate(timeout=2)
    if wrk.returncode:
        sys.exit(output)
    result = json.loads(output.splitlines()[-1])
    if result.pop("failures"):
        sys.exit(f"Some responses were errors:\n{output}")
    return Run(**result)
