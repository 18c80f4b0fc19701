"""The whole service, which also records when each event was committed, and how often the event log was read.

    python -m benchmarks.service PORT

serves `asgi:app`. For a line `commits` on its input it writes the moments of the commits by seq; for `reads`, how many
times the events collection has been read; for `head`, the head of its hub.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import uvicorn
import uvloop
from pymongo import monitoring

from app.server.uvicorn_options import FLAGS
from repositories.journal.transaction import GroupTransaction, Outcome

COMMITS: dict[int, float] = {}


class Reads(monitoring.CommandListener):
    """Counts what reads the event log."""

    count = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if "log" in (event.command.get("find"), event.command.get("collection")):
            self.count += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


class NotedTransaction(GroupTransaction):
    async def run(self, *args: Any) -> list[Any]:
        outcomes: Sequence[Any] = await super().run(*args)
        now = time.monotonic()
        for outcome in outcomes:
            if isinstance(outcome, Outcome):
                COMMITS.update((event["seq"], now) for event in outcome.events)
        return list(outcomes)


async def main(port: int, reads: Reads) -> None:
    server = uvicorn.Server(uvicorn.Config("asgi:app", port=port, log_level="warning", **FLAGS))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().strip():
        answers: dict[str, Any] = {
            "commits": COMMITS,
            "reads": reads.count,
            "head": server.lifespan.state["hub"].head,
        }
        print(json.dumps(answers[line]), flush=True)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    from repositories.journal import journal

    journal.GroupTransaction = NotedTransaction  # type: ignore[attr-defined]
    noted = Reads()
    monitoring.register(noted)
    uvloop.run(main(int(sys.argv[1]), noted))
