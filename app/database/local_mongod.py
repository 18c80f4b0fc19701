"""A local mongod: a single-node replica set on a data folder, started and stopped with the server.

It listens on a unix socket only, so that other users of the machine cannot reach it.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

from app.database.file_holders import holders_of
from app.refusals import Refused
from repositories.database.client import initiate_replica_set, is_primary
from services.printing.parent_death import die_with_parent

REPLICA_SET: Final = "rs0"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
PATIENCE_SECONDS: Final = 3.0
# Seconds between two starts at least, so that a mongod that cannot start does not keep the machine busy.
RESTART_SECONDS: Final = 1.0

# The path of a socket must fit into sockaddr_un, which has 108 bytes with the final NUL.
_LONGEST_SOCKET: Final = 107
#: The name that mongod gives to its own socket.
_OTHER_SOCKET: Final = "mongodb-27017.sock"
_FOLDER_IS_HELD: Final = 100
_IN_USE: Final = (
    "Another mongod is using the data folder {folder} ({holders}): stop it, or choose another folder with --data."
)

logger = logging.getLogger("pos.mongod")


class MongodRefused(Refused):
    """The local mongod cannot run; the message says why and what to do."""


def find_mongod(configured: str | None = None) -> Path:
    """Return the executable: MONGOD_PATH, that of PATH, or that of the extra `embedded`.

    :raises MongodRefused: there is none.
    """
    if configured is not None:
        path = Path(configured)
        if not os.access(path, os.X_OK) or path.is_dir():
            raise MongodRefused(f"MONGOD_PATH is {configured}, which is not an executable file.")
        return path
    if on_path := shutil.which("mongod"):
        return Path(on_path)
    wheel = find_spec("fiftyone")
    for folder in wheel.submodule_search_locations or () if wheel else ():
        path = Path(folder, "db", "bin", "mongod")
        if path.is_file():
            return path
    raise MongodRefused(
        "No mongod is installed: set MONGODB_URL to a MongoDB that runs elsewhere, or MONGOD_PATH to a mongod "
        "(`make run` installs one on Linux x86-64)."
    )


@contextmanager
def local_mongod(folder: Path, *, executable: Path, extra: tuple[str, ...] = ()) -> Iterator[str]:
    """Run a mongod on a data folder, which is created if needed; yield its URL, and stop it at the end.

    :param extra: more options of mongod, for tests.
    :raises MongodRefused: it does not start; the message quotes its log.
    """
    folder = folder.resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        (folder / "db").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise MongodRefused(f"The data folder {folder} cannot be used: {error.strerror}.") from error
    socket = _socket_path(folder)
    with _held(folder) as lock:
        # An old socket belongs to a dead mongod, and must not be mistaken for the new one.
        socket.unlink(missing_ok=True)
        with _running(_command(executable, folder, socket, extra), folder, socket, lock) as url:
            yield url


@contextmanager
def _running(command: list[str], folder: Path, socket: Path, lock: int) -> Iterator[str]:
    supervisor = _Supervisor(command, folder, lock)
    url = _url(socket)
    try:
        _await_primary(supervisor.process, folder, url, socket)
        supervisor.watch()
        yield url
    finally:
        supervisor.stop()
        if socket.parent != folder:
            shutil.rmtree(socket.parent, ignore_errors=True)


class _Supervisor:
    """Starts a mongod, and restarts it if it dies (out of memory, a kill) before it is stopped.

    :param lock: the file descriptor of the folder's lock, which the mongod inherits.
    """

    def __init__(self, command: list[str], folder: Path, lock: int) -> None:
        self._command = command
        self._folder = folder
        self._lock = lock
        self._stopped = threading.Event()
        self._changing = threading.Lock()
        self.process = self._start()

    def watch(self) -> None:
        """Restart the mongod from now on if it dies."""
        threading.Thread(target=self._watch, name="mongod supervisor", daemon=True).start()

    def stop(self) -> None:
        with self._changing:
            self._stopped.set()
            _stop(self.process)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  (the executable is the operator's own choice)
            self._command,
            pass_fds=(self._lock,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A separate process group, so that Ctrl-C reaches the server only, which then stops the mongod.
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509  (see there)
        )

    def _watch(self) -> None:
        while True:
            code = self.process.wait()
            with self._changing:
                if self._stopped.is_set():
                    return
                logger.error("%s It is started again.", _why_it_ended(code, self._folder))
                # The kernel ends it with the thread that started it. This thread lives as long as the server.
                self.process = self._start()
            self._stopped.wait(RESTART_SECONDS)


@contextmanager
def _held(folder: Path) -> Iterator[int]:
    """Lock the data folder, for this process and for the mongod, which inherits the lock.

    If a server was killed, its mongod keeps the lock until it has ended. The function waits for that, and longer if
    this mongod is the only holder, since it is about to end.

    :raises MongodRefused: other processes have the lock; the message names them.
    """
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        started = time.monotonic()
        while not _lock(lock):
            waited = time.monotonic() - started
            if waited > STOP_SECONDS or (waited > PATIENCE_SECONDS and not _is_ending(folder)):
                raise MongodRefused(_in_use(folder))
            time.sleep(0.05)
        yield lock
    finally:
        os.close(lock)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_ending(folder: Path) -> bool:
    """Return whether only the folder's own mongod has the lock: its server has died, and it ends too."""
    holders = holders_of(folder / "lock")
    return bool(holders) and all(str(folder / "db") in holder.arguments for holder in holders)


def _in_use(folder: Path) -> str:
    """Return a sentence that names the processes which use the folder, by our lock or by that of mongod."""
    holders = {*holders_of(folder / "lock"), *holders_of(folder / "db" / "mongod.lock")}
    named = "; ".join(map(str, sorted(holders))) or "the system does not show by which process"
    return _IN_USE.format(folder=folder, holders=named)


def running_url(folder: Path) -> str | None:
    """Return the URL of the mongod that a server runs on a data folder; None if there is none."""
    url = _url(_socket_path(folder.resolve()))
    return url if is_primary(url) else None


def _url(socket: Path) -> str:
    return f"mongodb://{quote(str(socket), safe='')}/?directConnection=true"


def _command(executable: Path, folder: Path, socket: Path, extra: tuple[str, ...]) -> list[str]:
    return [
        str(executable),
        *("--dbpath", str(folder / "db")),
        *("--logpath", str(folder / "mongod.log"), "--logappend"),
        # Beside the given socket, mongod creates its own one, by default in /tmp.
        *("--bind_ip", str(socket), "--unixSocketPrefix", str(socket.parent), "--filePermissions", "0700"),
        *("--replSet", REPLICA_SET, "--oplogSize", "256"),
        *("--wiredTigerCacheSizeGB", "0.25"),
        # MongoDB 6.0.5 decompresses zlib unsafely (CVE-2025-14847), and a local socket gains nothing by compression.
        *("--networkMessageCompressors", "disabled"),
        *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=0"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        *extra,
    ]


def _socket_path(folder: Path) -> Path:
    """Return the path of the socket: in the data folder if that is short enough, otherwise in a fixed short folder."""
    path = folder / "mongod.sock"
    if len(os.fsencode(path.with_name(_OTHER_SOCKET))) <= _LONGEST_SOCKET:
        return path
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    runtime = Path(tempfile.gettempdir(), f"pos-{os.getuid()}-{name}")
    runtime.mkdir(mode=0o700, exist_ok=True)
    if runtime.stat().st_uid != os.getuid() or runtime.is_symlink():
        raise MongodRefused(f"The folder {runtime} belongs to another user.")
    return runtime / "mongod.sock"


def _await_primary(process: subprocess.Popen[bytes], folder: Path, url: str, socket: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    initiated = False
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise MongodRefused(_why_it_ended(process.returncode, folder))
        if socket.exists():
            if not initiated:
                initiated = initiate_replica_set(url, REPLICA_SET, str(socket))
            elif is_primary(url):
                return
        # At the start, before there is an event loop.
        time.sleep(0.02)
    raise MongodRefused(f"The local mongod was not ready within {START_SECONDS:.0f} s; see {folder / 'mongod.log'}.")


def _why_it_ended(code: int, folder: Path) -> str:
    if code == _FOLDER_IS_HELD:
        return _in_use(folder)
    log = folder / "mongod.log"
    lines = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
    quoted = "\n  ".join(["", *lines]) if lines else " It wrote no log; a library (libcurl4) may be missing."
    return f"The local mongod ended with code {code}; its log, {log}, ends so:{quoted}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        logger.warning("The local mongod had already ended, with code %s.", process.returncode)
        return
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        logger.warning(
            "The local mongod did not stop within %.0f s and is killed; its journal protects the data.", STOP_SECONDS
        )
        process.kill()
        process.wait()
