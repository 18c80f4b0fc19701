"""The child processes of a server, as Linux lists them."""

import time
from collections.abc import Callable
from pathlib import Path


def descendants(pid: int) -> dict[int, str]:
    """Return the command line of each process below one, by process id."""
    parents = {}
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and (fields := _fields(int(process.name))):
            parents[int(process.name)] = int(fields[1])
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        for child in [each for each, above in parents.items() if above == parent]:
            found[child] = command_line(child)
            waiting.append(child)
    return found


def command_line(pid: int) -> str:
    """Return a process's arguments, separated by blanks; nothing once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    return (_fields(pid) or ["Z"])[0] != "Z"


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait until a condition holds; fail with its description."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def _fields(pid: int) -> list[str]:
    """Return the fields of its status behind the name: state, parent, …; none once it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
