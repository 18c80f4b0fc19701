"""The servers to measure: uvicorn with the options of the Procfile, and the database."""

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from app.database.local_mongod import find_mongod, local_mongod

PORT = 8123
HERE = Path(__file__).parent.parent


@contextmanager
def mongod() -> Iterator[str]:
    """Yield the URL of a new database server."""
    with tempfile.TemporaryDirectory() as folder, local_mongod(Path(folder), executable=find_mongod()) as url:
        yield url


def database_name() -> str:
    return f"bench_{secrets.token_hex(4)}"


@contextmanager
def serving(
    app: str,
    url: str,
    database: str,
    *,
    workers: int = 1,
    store: str = "main",
    settings: Mapping[str, str] = MappingProxyType({}),
    tree: Path = HERE,
) -> Iterator[int]:
    """Run `app` on PORT until the end of the block; yield the process id.

    The server logs as in production, one line a request, into a file. Other lines are printed at the end.

    :param settings: more settings, by name.
    :param tree: the folder with the code of `app` and its Procfile.
    """
    environment = {
        **os.environ,
        "MONGODB_URL": url,
        "DATABASE_NAME": database,
        "STORE_ID": store,
        "PORT": str(PORT),
        "WEB_CONCURRENCY": str(workers),
        "LOG_LEVEL": "info",
        **settings,
    }
    command = [sys.executable, "-m", "uvicorn", app, *_flags(tree), "--workers", str(workers)]
    command += ["--port", str(PORT), "--log-level", "warning", "--no-access-log"]
    with running(command, environment, tree) as pid:
        yield pid


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None) -> Iterator[int]:
    """Run a server on PORT until the end of the block; yield the process id. It logs into a file, as `serving` says."""
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=log)
        try:
            await_answer()
            yield server.pid
        finally:
            _stop(server)
            log.seek(0)
            sys.stderr.writelines(line for line in log if '"level":"info"' not in line)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        # Parse Server stays if a request arrives while it ends: it connects to the database again.
        server.kill()
        server.wait()


def await_answer(path: str = "/") -> float:
    """Wait until the server responds; return the seconds."""
    began = time.monotonic()
    while time.monotonic() < began + 30:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5).read()
        except urllib.error.HTTPError:
            break
        except OSError:
            time.sleep(0.01)
        else:
            break
    else:
        sys.exit("The server does not answer.")
    return time.monotonic() - began


def kilobytes(pid: int) -> int:
    """Return the memory of a process."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])


def _flags(tree: Path) -> list[str]:
    """Return the options of the Procfile, except the address."""
    web = next(line for line in (tree / "Procfile").read_text().splitlines() if line.startswith("web:"))
    return " ".join(re.findall(r"--(?:http|ws|timeout|lifespan|no-server)[-\w]*(?: (?!--)\S+)?", web)).split()
