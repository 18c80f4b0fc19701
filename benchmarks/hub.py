"""Latency, throughput and memory of the delivery of events.

Each figure is compared with a bare `websockets.broadcast()` server and a plain loop of sends of the same run.
Servers, clients and database share this machine, so only ratios count. One process plays all clients of a server; it
is near its own limit with the fastest servers.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson

from benchmarks.load import warming
from benchmarks.measures import Results, Row, median
from benchmarks.payloads import CREATE_SALE, SALE
from benchmarks.servers import database_name

ROUNDS = 3
DELIVERIES = 200_000
CROWDS = (100, 1_000, 5_000)
SERVERS = (("hub", "each"), ("hub", "burst"), ("broadcast", "each"), ("loop", "each"), ("plain-hub", "each"))
PORT, OTHER_PORT = 8131, 8132
RATE = 200
SECONDS = 10
SCREENS = 20
SECTION = "Live updates"


class Child:
    """A benchmark process, controlled line by line."""

    def __init__(self, *command: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LOG_LEVEL": "warning", **environment},
        )

    @property
    def kilobytes(self) -> int:
        """Return the memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def say(self, line: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args!r} ended")
        return line

    def ask(self, line: object) -> Any:
        self.say(line)
        return json.loads(self.hear())

    def end(self) -> Any:
        """Close the input, and return the last output."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        output = self.process.stdout.read()
        self.process.wait()
        return json.loads(output) if output.strip() else None


@contextmanager
def child(*command: str, is_served: bool = False, **environment: str) -> Iterator[Child]:
    started = Child(*command, **environment)
    try:
        if is_served:
            assert started.hear() == "ready\n"
        yield started
    finally:
        if started.process.poll() is None:
            started.end()


def crowd(port: int, clients: int, path: str = "/ws", protocol: str = "") -> Child:
    """Yield the clients when all are connected."""
    started = Child("benchmarks.crowd", str(port), str(clients), path, *([protocol] if protocol else []))
    started.seconds = json.loads(started.hear())["connected"]  # type: ignore[attr-defined]
    return started


def deliveries(name: str, pace: str, clients: int, count: int, rounds: int) -> tuple[list[float], float]:
    """Return the deliveries a second of each round, and KB a connection."""
    with child("benchmarks.broadcasters", name, str(PORT), is_served=True) as server:
        before = server.kilobytes
        listeners = crowd(PORT, clients)
        size = (server.kilobytes - before) / clients
        events = max(10, count // clients)
        rates = []
        for _ in range(rounds):
            listeners.ask(clients * events)
            began = server.ask(f"{events} {pace} {clients}")
            rates.append(clients * events / (json.loads(listeners.hear()) - began))
        listeners.end()
    return rates, size


def measure_deliveries(results: Results, crowds: Sequence[int], count: int, rounds: int) -> None:
    for clients in crowds:
        rows = {server: deliveries(*server, clients, count, rounds) for server in SERVERS}
        rates = {server: median(measured) for server, (measured, _) in rows.items()}
        ours, burst = rates["hub", "each"], rates["hub", "burst"]
        what = f"deliveries to {clients:,} clients"
        results.add(
            SECTION,
            Row(f"{what}, one event at a time", ours, "/s", "broadcast()", rates["broadcast", "each"]),
            Row(f"{what}, one event at a time", ours, "/s", "plain loop of sends", rates["loop", "each"]),
            Row(f"{what}, in a burst", burst, "/s", "broadcast(), one at a time", rates["broadcast", "each"]),
            Row(f"{what}, the plain ASGI path", rates["plain-hub", "each"], "/s"),
        )


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """Return p50 and p99, in milliseconds."""
    ordered = sorted(values)
    return 1_000 * ordered[len(ordered) // 2], 1_000 * ordered[int(len(ordered) * 0.99)]


def sell(hey: str, body: Path, seconds: float, rate: int) -> str:
    workers = 10
    command = [hey, "-z", f"{seconds:g}s", "-c", str(workers), "-q", str(rate // workers)]
    command += ["-m", "POST", "-D", str(body)]
    command += [f"http://127.0.0.1:{PORT}{CREATE_SALE}"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if set(re.findall(r"^ +\[(\w+)\]", report, re.MULTILINE)) != {"201"}:
        sys.exit(f"Not every answer was a success:\n{report}")
    return report


def measure_latency(results: Results, hey: str, body: Path, environment: dict[str, str], seconds: float) -> None:
    with ExitStack() as stack:
        here = stack.enter_context(child("benchmarks.service", str(PORT), is_served=True, **environment))
        stack.enter_context(child("benchmarks.service", str(OTHER_PORT), is_served=True, **environment))
        sell(hey, body, warming(seconds), RATE)
        crowds = {"in the process": crowd(PORT, 100), "across processes": crowd(OTHER_PORT, 100)}
        for listeners in crowds.values():
            listeners.ask("times")
        began = time.monotonic()
        sell(hey, body, seconds, RATE)
        # Much longer than an event may take; a slower one fails the benchmark.
        time.sleep(0.5)
        commits = here.ask("commits")
        for (name, listeners), bound in zip(crowds.items(), (15, 30), strict=True):
            times = listeners.end()
            assert max(map(int, times)) == max(map(int, commits)), "an event is missing"
            # Without the warm-up, whose times are not recorded.
            p50, p99 = quantiles([times[seq] - commits[seq] for seq in times if commits[seq] >= began])
            what = f"commit to delivery at {RATE} events/s, {name}"
            results.add(SECTION, Row(f"{what}, p50", p50, "ms"), Row(f"{what}, p99", p99, "ms", target=f"<= {bound}"))


def measure_memory_and_storm(results: Results, server: Child, crowds: Sequence[int]) -> None:
    for clients in crowds:
        before = server.kilobytes
        listeners = crowd(PORT, clients)
        size = (server.kilobytes - before) / clients
        results.add(SECTION, Row(f"memory of a connection, {clients:,} of them", size, "KB", target="<= 20"))
        listeners.end()
        # The server has closed the connections by then.
        time.sleep(0.5)
    head, reads = server.ask("head"), server.ask("reads")
    missed, clients = 200, crowds[-1]
    began = time.monotonic()
    listeners = crowd(PORT, clients, f"/ws?since={head - missed}")
    seconds = time.monotonic() - began
    listeners.end()
    count = server.ask("reads") - reads
    what = f"{clients:,} clients come back at once, {missed} events behind"
    results.add(SECTION, Row(what, seconds, "s"), Row(f"{what}: reads of the log", count, "reads", target="<= 20"))


def measure_stalled(results: Results, hey: str, body: Path, rounds: int, seconds: float) -> None:
    """Measure the time of a sale with clients that read and with clients that do not, in turn."""
    names = {"none": [], f"{SCREENS} clients that read": [], f"{SCREENS} clients that do not": ["--stalled"]}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    sell(hey, body, warming(seconds), RATE)
    for _ in range(rounds):
        for name, options in names.items():
            count = 0 if name == "none" else SCREENS
            with child("benchmarks.readers", str(PORT), str(count), *options, is_served=True):
                report = sell(hey, body, seconds, RATE)
            waits = {line.split()[0]: float(line.split()[2]) for line in report.splitlines() if "% in " in line}
            figures[name].append((1_000 * waits["50%"], 1_000 * waits["99%"]))
    none, *others = (median([p50 for p50, _ in measured]) for measured in figures.values())
    for name, p50 in zip(list(names)[1:], others, strict=True):
        results.add(SECTION, Row(f"a sale with {name}, p50", p50, "ms", "no clients", none))


def measure(url: str, results: Results, *, is_quick: bool) -> None:
    hey = shutil.which("hey") or sys.exit("hey is needed: apt-get install hey")
    crowds = (200,) if is_quick else CROWDS
    measure_deliveries(results, crowds, *((20_000, 1) if is_quick else (DELIVERIES, ROUNDS)))
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder, "sale.json")
        body.write_bytes(orjson.dumps(SALE))
        environment = {"MONGODB_URL": url, "DATABASE_NAME": database_name()}
        measure_latency(results, hey, body, environment, 1 if is_quick else SECONDS)
        with child("benchmarks.service", str(PORT), is_served=True, **environment) as server:
            measure_memory_and_storm(results, server, crowds[-2:])
            measure_stalled(results, hey, body, *((1, 0.5) if is_quick else (5, 4)))
