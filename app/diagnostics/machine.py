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
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError

from app.config.addresses import try_to_listen
from app.config.settings import Settings
from app.database.local_mongod import MongodRefused, find_mongod, running_url
from app.server.open_files import allowed_files, attainable_files

_VERSION_SECONDS: Final = 3.0
_PIN: Final = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")


@dataclass
class MachineFacts:
    """The facts. `libraries`: those that differ from their pin, as name -> (pinned, installed or None). `mongod`: the
    executable; `mongod_missing`: why there is none. `folder_…`: of the local mongod's data folder. `port`: free,
    ours, taken, or an error. `open_files`: the limit that the service can reach; `open_files_at_first`: the present
    limit."""

    python: tuple[int, ...] = sys.version_info[:3]
    libraries: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    has_pins: bool = True
    zone_works: bool = True
    zones_from: str = ""
    mongod: Path | None = None
    mongod_missing: str = ""
    mongod_version: str | None = None
    folder: Path = Path()
    folder_exists: bool = False
    folder_mode: int | None = None
    folder_is_writable: bool = True
    folder_is_held: bool = False
    running_url: str | None = None
    disk_free: int = 0
    port: str = "free"
    open_files: int = 0
    open_files_at_first: int = 0


def collect_machine_facts(settings: Settings, folder: Path, root: Path) -> MachineFacts:
    """Collect the facts. Blocks for a few seconds at most.

    :param folder: the data folder of the local mongod.
    :param root: the folder of requirements.txt.
    """
    facts = MachineFacts(folder=folder)
    _collect_libraries(root / "requirements.txt", facts)
    _collect_zones(settings.timezone, facts)
    if settings.mongodb_url is None:
        _collect_mongod(settings.mongod_path, facts)
        _collect_folder(folder, facts)
    facts.port = _collect_port(settings.host, settings.port)
    facts.open_files_at_first = allowed_files()
    facts.open_files = max(allowed_files(), attainable_files())
    return facts


def _collect_libraries(requirements: Path, facts: MachineFacts) -> None:
    facts.has_pins = requirements.is_file()
    pins = _PIN.findall(requirements.read_text()) if facts.has_pins else []
    for name, pinned in pins:
        try:
            installed: str | None = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = None
        if installed != pinned:
            facts.libraries[name] = (pinned, installed)


def _collect_zones(zone: ZoneInfo, facts: MachineFacts) -> None:
    try:
        ZoneInfo.no_cache(zone.key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        facts.zone_works = False
    facts.zones_from = next((path for path in TZPATH if Path(path).is_dir()), "the package tzdata")


def _collect_mongod(configured: str | None, facts: MachineFacts) -> None:
    try:
        facts.mongod = find_mongod(configured)
    except MongodRefused as refusal:
        facts.mongod_missing = str(refusal)
        return
    with suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(  # noqa: S603  (the executable is the operator's own choice)
            [facts.mongod, "--version"], capture_output=True, text=True, timeout=_VERSION_SECONDS, check=False
        ).stdout
        found = re.search(r"db version v(\S+)", said)
        facts.mongod_version = found[1] if found else None


def _collect_folder(folder: Path, facts: MachineFacts) -> None:
    facts.folder_exists = folder.is_dir()
    nearest = next(each for each in (folder, *folder.resolve().parents) if each.exists())
    facts.folder_is_writable = os.access(nearest, os.W_OK | os.X_OK) and nearest.is_dir()
    facts.disk_free = shutil.disk_usage(nearest).free
    if facts.folder_exists:
        facts.folder_mode = folder.stat().st_mode & 0o777
        facts.folder_is_held = _is_held(folder / "lock")
        with suppress(MongodRefused):
            facts.running_url = running_url(folder)


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _collect_port(host: str, port: int) -> str:
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
