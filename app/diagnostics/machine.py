"""The facts about this machine for `pos doctor`. `machine_checks.py` judges them."""

import errno
import fcntl
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError

from app.config.addresses import try_to_listen
from app.config.settings import Settings
from app.database.local_mongod import MongodRefused, find_mongod, running_url
from app.server.open_files import allowed_files, attainable_files

_VERSION_SECONDS: Final = 3.0
_PIN: Final = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")


class Machine(NamedTuple):
    """This machine. Its facts take a few seconds at most, and block.

    :ivar folder: the data folder of the local mongod.
    :ivar root: the folder of requirements.txt.
    """

    settings: Settings
    folder: Path
    root: Path


class DataFolder(NamedTuple):
    """The data folder of the local mongod. `disk_free` in bytes."""

    path: Path
    is_writable: bool
    disk_free: int
    #: None if the folder does not exist.
    mode: int | None = None
    is_held: bool = False
    running_url: str | None = None


def python_version(_: Machine) -> tuple[int, ...]:
    return sys.version_info[:3]


def differing_libraries(machine: Machine) -> dict[str, tuple[str, str | None]] | None:
    """Return the libraries that differ from their pin, as name -> (pinned, installed or None); None without pins."""
    requirements = machine.root / "requirements.txt"
    if not requirements.is_file():
        return None
    pins = [(name, pinned, _installed(name)) for name, pinned in _PIN.findall(requirements.read_text())]
    return {name: (pinned, installed) for name, pinned, installed in pins if installed != pinned}


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def zone_source(machine: Machine) -> str | None:
    """Return where time zones are read from; None if that of the settings is not there."""
    try:
        ZoneInfo.no_cache(machine.settings.timezone.key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    return next((path for path in TZPATH if Path(path).is_dir()), "the package tzdata")


def local_mongod(machine: Machine) -> tuple[Path | str, str | None]:
    """Return the executable or why there is none, and its version if it says one."""
    try:
        path = find_mongod(machine.settings.mongod_path)
    except MongodRefused as refusal:
        return str(refusal), None
    with suppress(OSError, subprocess.SubprocessError):
        output = subprocess.run(  # noqa: S603  (the executable is the operator's own choice)
            [path, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        ).stdout
        if found := re.search(r"db version v(\S+)", output):
            return path, found[1]
    return path, None


def data_folder(machine: Machine) -> DataFolder:
    folder = machine.folder
    nearest = next(each for each in (folder, *folder.resolve().parents) if each.exists())
    is_writable = os.access(nearest, os.W_OK | os.X_OK) and nearest.is_dir()
    found = DataFolder(folder, is_writable, shutil.disk_usage(nearest).free)
    if not folder.is_dir():
        return found
    found = found._replace(mode=folder.stat().st_mode & 0o777, is_held=_is_held(folder / "lock"))
    with suppress(MongodRefused):
        return found._replace(running_url=running_url(folder))
    return found


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def open_files(_: Machine) -> tuple[int, int]:
    """Return the present limit, and the one that the service can reach."""
    return allowed_files(), max(allowed_files(), attainable_files())


def port_state(machine: Machine) -> str:
    """Return the state of the port: free, ours, taken, not allowed, or an error."""
    host, port = machine.settings.host, machine.settings.port
    try:
        try_to_listen(host, port)
    except PermissionError:
        return "not allowed"
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return str(error.strerror)
        return "ours" if _is_ours(host, port) else "taken"
    return "free"


def _is_ours(host: str, port: int) -> bool:
    """Return whether this service listens there."""
    connection = HTTPConnection("127.0.0.1" if host in ("0.0.0.0", "") else host, port, timeout=1)  # noqa: S104
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        return answer.headers.get("X-Request-ID") is not None and b'"status"' in answer.read(1_000)
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
