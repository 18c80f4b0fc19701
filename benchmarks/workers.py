"""The cost of a worker: time to start, memory, and memory that it keeps after work."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.load import Request, load
from benchmarks.measures import Results, Row, console, median
from benchmarks.payloads import CREATE_SALE, SALES
from benchmarks.servers import PORT, await_answer, database_name, kilobytes, serving


def measure(url: str, results: Results, *, starts: int, sales: int, seconds: float) -> None:
    database = database_name()
    times: list[float] = []
    for _ in range(starts - 1):
        with _started(url, database, times):
            pass
    with _started(url, database, times) as pid:
        # The work right after a start is done by then.
        time.sleep(1)
        idle = kilobytes(pid) / 1024
        grown: list[tuple[float, float]] = []
        sold = load(PORT, Request.post([CREATE_SALE], SALES), connections=64, seconds=seconds).requests
        before = kilobytes(pid) / 1024
        while sold < sales or not grown:
            sold += load(PORT, Request.post([CREATE_SALE], SALES), connections=64, seconds=seconds).requests
            grown.append((float(sold), kilobytes(pid) / 1024))
            console.print(f"  {sold:,} sales: {grown[-1][1]:.0f} MB", style="dim")
    results.add(
        "A worker",
        Row("start to first answer", median(times), "s", target="<= 1.5"),
        Row("memory, idle", idle, "MB", target="<= 90"),
        Row(f"memory after {sold:,} sales grows, once warm, by", grown[-1][1] - before, "MB", target="<= 20"),
        Row(f"memory after {sold:,} sales, against idle", grown[-1][1], "MB", "idle", idle),
    )
    results.series["Memory of a worker, MB by sales"] = {"MB": [(0.0, idle), *grown]}


@contextmanager
def _started(url: str, database: str, times: list[float]) -> Iterator[int]:
    """Yield the process id, and note the seconds of the start."""
    began = time.monotonic()
    with serving("asgi:app", url, database) as pid:
        await_answer("/api/version")
        times.append(time.monotonic() - began)
        yield pid
