"""How fast, how soon and at what price screens hear of events: a part of `make bench`.

Each figure stands beside what it is measured against in the same run: a bare `websockets.broadcast()` server and a
plain loop of sends. Servers, clients and database share this machine, so ratios count. One process plays all clients of
a server; it is near its own limit where the fastest servers are.
"""

import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from app.local_mongod import find_mongod, local_mongod
from benchmarks.create_sale import PATH, SALE

ROUNDS = 3
DELIVERIES = 200_000
CROWDS = (100, 1_000, 5_000)
SERVERS = (("hub", "each"), ("hub", "burst"), ("broadcast", "each"), ("loop", "each"), ("plain-hub", "each"))
PORT, OTHER_PORT = 8131, 8132
RATE = 200
SECONDS = 10
SCREENS = 20

console = Console()


class Child:
    """A process of `benchmarks` that is talked to line by line."""

    def __init__(self, *command: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    @property
    def kilobytes(self) -> int:
        """What it has in memory."""
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
        """Closes its input; what it says last, if anything."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        said = self.process.stdout.read()
        self.process.wait()
        return json.loads(said) if said.strip() else None


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
    """Clients, once they are connected."""
    started = Child("benchmarks.crowd", str(port), str(clients), path, *([protocol] if protocol else []))
    started.seconds = json.loads(started.hear())["connected"]  # type: ignore[attr-defined]
    return started


def deliveries(name: str, pace: str, clients: int) -> tuple[list[float], float]:
    """Deliveries a second of each round, and KB a connection."""
    with child("benchmarks.broadcasters", name, str(PORT), is_served=True) as server:
        before = server.kilobytes
        listeners = crowd(PORT, clients)
        size = (server.kilobytes - before) / clients
        events = max(10, DELIVERIES // clients)
        rates = []
        for _ in range(ROUNDS):
            listeners.say(clients * events)
            time.sleep(0.2)
            began = server.ask(f"{events} {pace} {clients}")
            rates.append(clients * events / (json.loads(listeners.hear()) - began))
        listeners.end()
    return rates, size


def show_deliveries() -> None:
    table = Table("server", "clients", "deliveries/s", "of broadcast", "of loop", "KB a connection", title="Deliveries")
    for clients in CROWDS:
        rows = {server: deliveries(*server, clients) for server in SERVERS}
        median = {server: statistics.median(rates) for server, (rates, _) in rows.items()}
        for server in SERVERS:
            ratios = [f"{median[server] / median[yardstick, 'each']:.2f}" for yardstick in ("broadcast", "loop")]
            name = f"{server[0]}, in a burst" if server[1] == "burst" else server[0]
            table.add_row(name, f"{clients:,}", f"{median[server]:,.0f}", *ratios, f"{rows[server][1]:.1f}")
    console.print(table)


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    ordered = sorted(values)
    return 1_000 * ordered[len(ordered) // 2], 1_000 * ordered[int(len(ordered) * 0.99)]


def sell(hey: str, body: Path, seconds: int, rate: int) -> str:
    workers = 10
    command = [hey, "-z", f"{seconds}s", "-c", str(workers), "-q", str(rate // workers), "-m", "POST", "-D", str(body)]
    return subprocess.run(
        [*command, f"http://127.0.0.1:{PORT}{PATH}"], capture_output=True, text=True, check=True
    ).stdout


def show_latency(hey: str, body: Path, environment: dict[str, str]) -> None:
    table = Table(
        "path", "p50 ms", "p99 ms", "events", title=f"Commit to delivery at {RATE} events/s, 100 clients each"
    )
    with ExitStack() as stack:
        here = stack.enter_context(child("benchmarks.service", str(PORT), is_served=True, **environment))
        stack.enter_context(child("benchmarks.service", str(OTHER_PORT), is_served=True, **environment))
        sell(hey, body, 2, RATE)
        crowds = {"in the process": crowd(PORT, 100), "across processes": crowd(OTHER_PORT, 100)}
        for listeners in crowds.values():
            listeners.say("times")
        time.sleep(0.2)
        sell(hey, body, SECONDS, RATE)
        time.sleep(0.5)
        commits = here.ask("commits")
        for name, listeners in crowds.items():
            times = listeners.end()
            p50, p99 = quantiles([times[seq] - commits[seq] for seq in times])
            table.add_row(name, f"{p50:.1f}", f"{p99:.1f}", f"{len(times):,}")
    console.print(table)


def show_memory_and_storm(environment: dict[str, str]) -> None:
    table = Table("clients", "KB a connection", "seconds to connect", title="The whole service: connections")
    with child("benchmarks.service", str(PORT), is_served=True, **environment) as server:
        for clients in (1_000, 5_000):
            before = server.kilobytes
            listeners = crowd(PORT, clients)
            size = (server.kilobytes - before) / clients
            table.add_row(f"{clients:,}", f"{size:.1f}", f"{listeners.seconds:.1f}")  # type: ignore[attr-defined]
            listeners.end()
            time.sleep(1)
        console.print(table)
        head, reads = server.ask("head"), server.ask("reads")
        missed = 200
        began = time.monotonic()
        listeners = crowd(PORT, 5_000, f"/ws?since={head - missed}")
        seconds = time.monotonic() - began
        listeners.end()
        count = server.ask("reads") - reads
    storm = f"A storm: 5,000 clients come back, each {missed} events behind, in {seconds:.1f} s"
    console.print(f"{storm}, with {count} reads of the log.")


def show_stalled(hey: str, body: Path, environment: dict[str, str]) -> None:
    """How long a sale takes with screens that read, and with as many that do not, measured in turn."""
    table = Table("screens", "p50 ms", "p99 ms", title=f"A sale, {RATE} a second")
    names = {"none": [], f"{SCREENS} that read": [], f"{SCREENS} that do not": ["--stalled"]}
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with child("benchmarks.service", str(PORT), is_served=True, **environment):
        sell(hey, body, 2, RATE)
        for _ in range(ROUNDS + 2):
            for name, options in names.items():
                count = 0 if name == "none" else SCREENS
                with child("benchmarks.readers", str(PORT), str(count), *options, is_served=True):
                    report = sell(hey, body, 4, RATE)
                waits = {line.split()[0]: float(line.split()[2]) for line in report.splitlines() if "% in " in line}
                figures[name].append((1_000 * waits["50%"], 1_000 * waits["99%"]))
    for name, measured in figures.items():
        p50, p99 = (statistics.median(each) for each in zip(*measured, strict=True))
        table.add_row(name, f"{p50:.1f}", f"{p99:.1f}")
    console.print(table)


def main() -> None:
    hey = shutil.which("hey") or sys.exit("hey is needed: apt-get install hey")
    show_deliveries()
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder, "sale.json")
        body.write_bytes(orjson.dumps(SALE))
        with local_mongod(Path(folder, "mongod"), executable=find_mongod()) as url:
            environment = {"MONGODB_URL": url, "DATABASE_NAME": f"bench_{secrets.token_hex(4)}"}
            show_latency(hey, body, environment)
            show_memory_and_storm(environment)
            show_stalled(hey, body, environment)


if __name__ == "__main__":
    main()
