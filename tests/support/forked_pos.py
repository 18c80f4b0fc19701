"""`pos` commands and servers, each a process that is forked from one that has imported what most of them need.

A short command, and the start of a server, are hardly more than Python's imports. What depends on how a process begins
(its terminal, its locale, a full standard output, signals) is tested with `python -m app`.
"""

import asyncio
import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
#: Not `app.console`, which reads the environment and the terminal when it is imported.
_PRELOADED: Final = (
    "typer.rich_utils",
    "rich.progress",
    "app.composition.accounts",
    "app.database.local_mongod",
    "app.archive.archive_files",
    "app.archive.table_files",
    "app.diagnostics.database_checks",
    "app.diagnostics.machine",
    "repositories.diagnostics.inspection",
    "repositories.migrations.indexes",
    "repositories.messaging.messages",
    "repositories.archive.restore",
    "repositories.auditing.verification",
    "app.application",
    "app.server.uvicorn_options",
    "app.server.http_protocol",
    "app.server.websocket_protocol",
)
_LONGEST: Final = 1 << 17


class ForkedProcess:
    """A process that was forked.

    :param status: receives its process id, and then its exit code.
    """

    def __init__(self, status: socket.socket) -> None:
        self._status = status
        self._code: int | None = None
        self.pid = int(status.recv(_LONGEST))

    @property
    def returncode(self) -> int | None:
        """Return the exit code, negative for a signal, or None if the process still runs."""
        with suppress(BlockingIOError):
            return self.wait_blocking(0)
        return None

    def wait_blocking(self, timeout: float) -> int:
        """Wait for the end of the process, and return its exit code.

        :raises TimeoutError: it does not end.
        """
        if self._code is None:
            self._status.settimeout(timeout)
            self._code = int(self._status.recv(_LONGEST))
            self._status.close()
        return self._code

    async def wait(self) -> int:
        while (code := self.returncode) is None:
            await asyncio.sleep(0.01)
        return code

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)


class ForkedPos:
    """The process that forks a process for each command."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forked_pos", str(number)],
                cwd=ROOT,
                pass_fds=[number],
                # No terminal: commands write into files.
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def run(
        self, *arguments: str, environment: dict[str, str], text: str = "", timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end.

        :param text: the standard input.
        :raises TimeoutError: it does not end.
        """
        with ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            files[0].write(text.encode())
            files[0].seek(0)
            process = self.start(*arguments, environment=environment, files=[file.fileno() for file in files])
            code = process.wait_blocking(timeout)
            outputs = []
            for file in files[1:]:
                file.seek(0)
                outputs.append(file.read().decode())
        return subprocess.CompletedProcess(["pos", *arguments], code, *outputs)

    def start(
        self, *arguments: str, environment: dict[str, str], files: list[int], new_session: bool = False
    ) -> ForkedProcess:
        """Start a command.

        :param files: file descriptors of its standard input, output and error.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            message = json.dumps([arguments, environment, new_session]).encode()
            socket.send_fds(self._socket, [message], [*files, theirs.fileno()])
        return ForkedProcess(ours)

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


@cache
def forked_pos_of_tests() -> ForkedPos:
    """Return the one of this process. It is started by the first test that needs it."""
    forks = ForkedPos()
    atexit.register(forks.close)
    return forks


def _fork_for_each(requests: socket.socket) -> bool:
    """Return True in each process that is to be a command, and False at the end of the tests."""
    for name in _PRELOADED:
        import_module(name)
    gc.freeze()
    # The kernel reaps the processes that wait for commands.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, files, _, _ = socket.recv_fds(requests, _LONGEST, 4)
        if not message:
            return False
        if os.fork() == 0:
            _fork_and_wait(files.pop())
            _become(message, files)
            return True
        for each in files:
            os.close(each)


def _fork_and_wait(reply: int) -> None:
    """Return in a new process. Its parent reports how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    command = os.fork()
    if command:
        os.write(reply, str(command).encode())
        code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
        os.write(reply, str(code).encode())
        os._exit(0)
    os.close(reply)


def _become(message: bytes, files: list[int]) -> None:
    """Take on arguments, environment and standard files."""
    arguments, environment, new_session = json.loads(message)
    if new_session:
        os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = ["pos", *arguments]


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        is_command = _fork_for_each(requests)
    if is_command:
        import_module("app.cli").main()
