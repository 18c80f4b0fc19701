"""The load: wrk, from Debian's package of that name, with one thread, and every answer a success.

Each request that is to be booked carries an idempotency key of its own, as a till's does.
"""

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of wrk saw. rate: requests a second. p50, p99: milliseconds."""

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
    """What is sent, again and again. paths: taken in turn. is_keyed: with an idempotency key of its own each time."""

    paths: Sequence[str]
    method: str = "GET"
    body: Any = None
    is_keyed: bool = False
    headers: Mapping[str, str] | None = None

    @classmethod
    def post(cls, paths: Sequence[str], body: Any, *, is_keyed: bool = True) -> Self:
        return cls(paths, "POST", body, is_keyed)


def load(port: int, request: Request, *, connections: int, seconds: float) -> Run:
    """Keeps so many connections busy for so long. Ends the benchmark where any answer was no success."""
    wrk = shutil.which("wrk") or sys.exit("wrk is needed: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "paths")
        paths.write_text("\n".join(request.paths) + "\n")
        body = Path(folder, "body")
        body.write_bytes(b"" if request.body is None else orjson.dumps(request.body))
        headers = [part for pair in (request.headers or {}).items() for part in pair]
        command = [
            *(wrk, "--threads", "1", "--connections", str(connections), "--duration", f"{max(1, round(seconds))}s"),
            *("--timeout", "30s", "--script", str(SCRIPT), f"http://127.0.0.1:{port}", "--", request.method),
            "-" if request.body is None else str(body),
            secrets.token_hex(6) + "-" if request.is_keyed else "-",
            *(str(paths), *headers),
        ]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"{run.stdout}\n{run.stderr}")
    said = json.loads(run.stdout.splitlines()[-1])
    if said.pop("failures"):
        sys.exit(f"Not every answer was a success:\n{run.stdout}")
    return Run(**said)
