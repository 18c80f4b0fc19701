"""A pool of processes that render PDFs, so that sales do not wait for them.

Each worker renders one job at a time. A worker that takes too long or too much memory is killed and replaced on demand.
Workers are started on demand, and end when their input ends or the process that started them.
"""

import asyncio
import os
import pickle
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from schemas.core.errors import ShopError
from schemas.printing.letterhead import Letterhead
from services.printing.fonts import edition_of, font_folders
from services.printing.job_slots import JobSlots
from services.printing.parent_death import die_with_parent
from services.printing.preemption import Preemption
from services.printing.worker_protocol import DONE, LENGTH, Job

#: Half of the cores; the other half is for sales.
SIZE: Final = max(1, (os.cpu_count() or 1) // 2)
#: From when a worker has the job; a document of 300 lines takes a third of a second.
SECONDS: Final = 10.0
#: The caches of a worker grow with each job, a long one can add hundreds of megabytes.
JOBS: Final = 1_000
MAX_IDLE_MEGABYTES: Final = 512
MAX_WAITING: Final = 256
#: Characters of a short document: about a hundred lines, rendered in a tenth of a second.
SHORT: Final = 8_000
#: Address space of a worker, most of it never used: typst, fonts and the stacks of threads.
MAX_MEMORY: Final = 2 * 2**30

#: Environment variables of a worker: no database URL, no secret.
_KNOWN: Final = ("PATH", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
_HOME: Final = Path(__file__).parents[2]
_NOT_IN_TIME: Final = "The PDF could not be rendered in time. Please try again."


class PdfUnavailable(ShopError):
    """The PDF could not be rendered now: too many jobs wait, or it took too long."""

    status, code, title = 503, "pdf_unavailable", "PDF unavailable"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "5"})


class PdfFailed(RuntimeError):
    """The PDF cannot be rendered; a retry does not help."""


class _Died(Exception):
    """A worker ended before it had responded."""


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.jobs = 0

    @classmethod
    async def start(cls, max_memory: int, font_dir: str | None) -> Self:
        return cls(
            await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-m",
                    "services.printing.worker",
                    str(max_memory),
                    *([font_dir] if font_dir else []),
                ),
                cwd=_HOME,
                # One thread each: with more, a PDF takes the cores that a sale needs.
                env={name: os.environ[name] for name in _KNOWN if name in os.environ} | {"RAYON_NUM_THREADS": "1"},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                # Only the server receives Ctrl-C.
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        )

    async def answer(self, job: Job) -> bytes:
        self.jobs += 1
        content = pickle.dumps(job)
        assert self.process.stdin is not None and self.process.stdout is not None  # noqa: S101, PT018  (both are pipes)
        self.process.stdin.write(LENGTH.pack(len(content)) + content)
        await self.process.stdin.drain()
        (size,) = LENGTH.unpack(await self.process.stdout.readexactly(LENGTH.size))
        return await self.process.stdout.readexactly(size)

    @property
    def megabytes(self) -> float:
        """Resident memory; 0 if unknown."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except OSError:
            return 0.0
        return pages * resource.getpagesize() / 2**20

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()

    async def end(self) -> None:
        self.kill()
        await self.process.wait()


def texts_of(value: Any) -> Iterator[str]:
    """Yield all texts of a sheet."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Letterhead):
        yield from texts_of(astuple(value))
    elif isinstance(value, tuple):
        for each in value:
            yield from texts_of(each)


def job_length(job: Job) -> int:
    """Return the length of a job: the characters of its texts."""
    return sum(map(len, texts_of(job.sheet)))


class RenderPool:
    """A pool of `size` workers, and one more for short jobs, so that they do not wait for long ones."""

    def __init__(
        self,
        preemption: Preemption,
        *,
        font_dir: str | None = None,
        size: int = SIZE,
        seconds: float = SECONDS,
        max_waiting: int = MAX_WAITING,
        max_memory: int = MAX_MEMORY,
    ) -> None:
        self._preemption = preemption
        # Workers run in another folder than the service.
        self._font_dir = None if font_dir is None else str(Path(font_dir).absolute())
        self._seconds = seconds
        self._slots = JobSlots(size, SHORT)
        self._waiting = 0
        self._max_waiting = max_waiting
        self._max_memory = max_memory
        self._idle: list[_Worker] = []
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def fonts_edition(self) -> str:
        """A text that changes when the fonts change."""
        return edition_of(font_folders(self._font_dir))

    @property
    def pids(self) -> list[int]:
        """Process ids of the idle workers."""
        return [worker.process.pid for worker in self._idle]

    async def render(self, job: Job) -> bytes:
        """Return the PDF of a job.

        :raises PdfUnavailable: it took too long, its worker died, or too many jobs wait.
        :raises PdfFailed: it cannot be rendered.
        """
        if self._waiting >= self._max_waiting:
            raise PdfUnavailable("Too many PDFs are being rendered. Please try again in a moment.")
        self._waiting += 1
        try:
            async with self._slots.slot(job_length(job)):
                try:
                    return await self._render(job)
                except _Died:
                    # Perhaps because of an earlier job: retry in a new worker.
                    return await self._render(job, in_new_worker=True)
        except _Died as error:
            raise PdfUnavailable(_NOT_IN_TIME) from error
        finally:
            self._waiting -= 1

    async def _render(self, job: Job, *, in_new_worker: bool = False) -> bytes:
        worker = await (_Worker.start(self._max_memory, self._font_dir) if in_new_worker else self._take())
        has_responded = False
        try:
            async with asyncio.timeout(self._seconds) as limit:
                # Pauses do not count.
                with self._preemption.preemptible(worker.process, partial(_extend, limit)):
                    answer = await worker.answer(job)
            has_responded = True
        except TimeoutError as error:
            raise PdfUnavailable(_NOT_IN_TIME) from error
        except (EOFError, OSError) as error:
            raise _Died from error
        finally:
            # Nothing waits for a worker that has not responded.
            (self._give_back if has_responded else self._end)(worker)
        if not answer.startswith(DONE):
            raise PdfFailed(answer[len(DONE) :].decode())
        return answer[len(DONE) :]

    async def _take(self) -> _Worker:
        """Return an idle worker, or start a new one."""
        while self._idle:
            worker = self._idle.pop()
            if worker.process.returncode is None:
                return worker
        return await _Worker.start(self._max_memory, self._font_dir)

    def _give_back(self, worker: _Worker) -> None:
        if worker.jobs < JOBS and worker.megabytes < MAX_IDLE_MEGABYTES:
            self._idle.append(worker)
        else:
            self._end(worker)

    def _end(self, worker: _Worker) -> None:
        task = asyncio.create_task(worker.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def stop(self) -> None:
        for worker in self._idle:
            self._end(worker)
        self._idle.clear()
        await asyncio.gather(*self._ending)


def _extend(limit: asyncio.Timeout, seconds: float) -> None:
    when = limit.when()
    if when is not None and not limit.expired():
        limit.reschedule(when + seconds)
