"""A crowd of WebSocket clients in one process, as cheap as possible in Python: they only count frames."""

import asyncio
import json
import sys
import time
from typing import Any

import uvloop

AT_ONCE = 200
OPCODE_TEXT, OPCODE_PING = 0x1, 0x9
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Client(asyncio.Protocol):
    def __init__(self, crowd: "Crowd") -> None:
        self.crowd = crowd
        self.buffer = b""
        self.is_open = False
        self.opened = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.crowd.handshake)

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data if self.buffer else data
        if not self.is_open:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self.buffer = head
                return
            if b" 101 " not in head:
                sys.exit(head.decode())
            self.is_open = True
            self.opened.set_result(None)
        frames = self.read_frames(data)
        if frames:
            self.crowd.count(frames)

    def read_frames(self, data: bytes) -> int:
        """Return the number of text frames; an incomplete frame is kept for later."""
        position, frames, end = 0, 0, len(data)
        while end - position >= 2:
            length, header = data[position + 1], 2
            if length == 126:
                length, header = int.from_bytes(data[position + 2 : position + 4]), 4
            elif length == 127:
                length, header = int.from_bytes(data[position + 2 : position + 10]), 10
            following = position + header + length
            if following > end:
                break
            opcode = data[position] & 0xF
            if opcode == OPCODE_PING:
                self.transport.write(b"\x8a\x84\0\0\0\0" + data[position + header : following])
            elif opcode == OPCODE_TEXT:
                frames += 1
                if self.crowd.watched is self:
                    self.crowd.note(data[position + header : following])
            position = following
        self.buffer = data[position:]
        return frames

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.crowd.is_leaving:
            sys.exit(f"a client was cut: {exc}")


class Crowd:
    def __init__(self, port: int, path: str, protocol: str) -> None:
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []
        self.handshake = "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
        self.port = port
        self.frames = 0
        self.wanted = 0
        self.is_leaving = False
        self.watched: Client | None = None
        self.times: dict[int, float] = {}
        self.clients: list[Client] = []

    def count(self, frames: int) -> None:
        self.frames += frames
        if self.wanted and self.frames >= self.wanted:
            say(time.monotonic())
            self.wanted = 0

    def note(self, payload: bytes) -> None:
        self.times[json.loads(payload)["seq"]] = time.monotonic()

    async def connect(self, count: int) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with places:
                loop = asyncio.get_running_loop()
                _, client = await loop.create_connection(lambda: Client(self), "127.0.0.1", self.port)
                await client.opened
                self.clients.append(client)

        await asyncio.gather(*(one() for _ in range(count)))


def say(value: Any) -> None:
    print(json.dumps(value), flush=True)


async def main(port: int, clients: int, path: str, protocol: str = "") -> None:
    crowd = Crowd(port, path, protocol)
    started = time.monotonic()
    await crowd.connect(clients)
    say({"connected": time.monotonic() - started})
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().strip():
        if line == "times":
            crowd.watched = crowd.clients[0]
        else:
            crowd.wanted = crowd.frames + int(line)
        say(line)
    crowd.is_leaving = True
    if crowd.watched is not None:
        say(crowd.times)


if __name__ == "__main__":
    port, clients, path, *protocol = sys.argv[1:]
    uvloop.run(main(int(port), int(clients), path, *protocol))
