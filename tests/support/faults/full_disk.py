"""A small disk that can be filled: a tmpfs in the mount namespace of a helper process, accessed through `/proc`.

It needs no privileges where the system allows user namespaces, and disappears with the helper process.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PIECE = bytes(65_536)
_HOLD = 'mount -t tmpfs -o size="$1"m tmpfs "$2" && echo mounted && exec sleep 86400'


@dataclass(frozen=True)
class Disk:
    """A small disk, mounted at `folder`."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        """Fill the disk completely, even while others write to it."""
        with self._ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(_PIECE)

    def make_room(self) -> None:
        self._ballast.unlink(missing_ok=True)


@asynccontextmanager
async def small_disk(megabytes: int, place: Path) -> AsyncIterator[Disk]:
    """Mount a small disk.

    :param place: an empty folder; it stays empty for other processes.
    """
    namespace = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    holder = await asyncio.create_subprocess_exec(
        *("unshare", *namespace, "--mount", "--propagation", "private"),
        *("sh", "-c", _HOLD, "sh", str(megabytes), str(place)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        line = await asyncio.wait_for(holder.stdout.readline(), 30)
        assert line == b"mounted\n", "This test fills a disk, and needs the right to mount one (root, or namespaces)."
        yield Disk(Path(f"/proc/{holder.pid}/root{place}"))
    finally:
        if holder.returncode is None:
            holder.kill()
        await holder.wait()
