"""Password and PIN guesses, more at once than a real client sends."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tests.support.accounts import Headers

Json = dict[str, Any]


async def guess(port: int, path: str, bodies: Iterator[Json], headers: Callable[[int], Headers]) -> Counter[int]:
    """Send guesses over eight connections, and count the statuses.

    With raw sockets, since an HTTP client library takes longer than the service, in the process that is measured.
    """
    statuses: Counter[int] = Counter()
    numbered = enumerate(bodies)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, body in numbered:
            content = json.dumps(body).encode()
            fields = {"Host": "127.0.0.1", "Content-Length": str(len(content)), **headers(number)}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content)
            answer = await reader.readuntil(b"\r\n\r\n")
            statuses[int(answer[9:12])] += 1
            await reader.readexactly(int(answer.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
        writer.close()

    await asyncio.gather(*(connection() for _ in range(8)))
    return statuses
