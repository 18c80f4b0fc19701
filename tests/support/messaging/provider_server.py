"""A message provider on loopback: a real HTTP server with scripted answers, which keeps the requests."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from secrets import token_hex
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

#: What the server does after the answer: end it, send no more, cut the connection, or send on byte by byte.
END, HANG, BREAK, DRIP = "end", "hang", "break", "drip"


@dataclass(frozen=True)
class Script:
    """The answer to one request, and what follows it."""

    raw: bytes
    then: str = END


@dataclass(frozen=True)
class Received:
    """A received request.

    :ivar body: its JSON; None without one.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


def answer(status: int, body: Any, **headers: str) -> Script:
    """Return a whole answer.

    :param body: JSON, or raw bytes.
    """
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Length: {len(content)}"]
    lines += ["Connection: close", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return Script("\r\n".join([*lines, "", ""]).encode() + content)


def cloud_accepted(provider_id: str = "wamid.HBgM") -> Script:
    """Return the answer with which the Cloud API accepts a message."""
    contacts = [{"input": "+919822012345", "wa_id": "919822012345"}]
    return answer(200, {"messaging_product": "whatsapp", "contacts": contacts, "messages": [{"id": provider_id}]})


def cloud_refused(status: int, code: int, details: str = "Why it failed.", **headers: str) -> Script:
    """Return an error answer of the Cloud API."""
    data = {"messaging_product": "whatsapp", "details": details}
    error = {"message": f"(#{code}) Failed", "type": "OAuthException", "code": code, "error_data": data}
    return answer(status, {"error": {**error, "fbtrace_id": "Az8or2"}}, **headers)


def fast2sms_refused(status: int, code: int, message: Any, **headers: str) -> Script:
    """Return an error answer of Fast2SMS."""
    return answer(status, {"return": False, "status_code": code, "message": message}, **headers)


FAST2SMS_ACCEPTED: Final = answer(200, {"return": True, "request_id": "lwdtp7cjyqxvfe9", "message": ["Sent"]})
FAST2SMS_ACCEPTED_TOO: Final = answer(200, {"status": True, "message": "Sent"})
NO_ANSWER: Final = Script(b"", HANG)
CLOSED: Final = Script(b"", BREAK)
BROKEN_OFF: Final = Script(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"messages": [{"id": "w', BREAK)
DRIPPING: Final = Script(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", DRIP)
JUNK: Final = answer(200, b"<html>Down for a moment</html>")
TOO_LARGE: Final = answer(200, b'{"messages": [{"id": "x"}], "filler": "' + b"x" * 100_000 + b'"}')


@dataclass
class ProviderStub:
    """A server at `url` that answers by `script`, and then accepts all messages. `received` holds the requests."""

    url: str
    script: deque[Script] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)
    # Ids are unique in a run, since shops of other tests share the database.
    _name: str = field(default_factory=lambda: token_hex(4))

    def id_of(self, number: int) -> str:
        """Return the id of a message that was accepted without a script.

        :param number: of the request, from 1 on.
        """
        return f"wamid.{self._name}.{number}"

    def will_answer(self, *scripts: Script) -> None:
        self.script.extend(scripts)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            script = self._next(await _request(reader))
            writer.write(script.raw)
            await writer.drain()
            if script.then == HANG:
                # Until the client closes the connection.
                await reader.read()
            while script.then == DRIP and not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
            if script.then == BREAK:
                writer.transport.abort()
        finally:
            writer.close()

    def _next(self, received: Received) -> Script:
        self.received.append(received)
        if self.script:
            return self.script.popleft()
        number = len(self.received)
        return FAST2SMS_ACCEPTED if received.method == "GET" else cloud_accepted(self.id_of(number))


async def _request(reader: asyncio.StreamReader) -> Received:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    return Received(method, parts.path, query, headers, orjson.loads(raw) if raw else None)


@asynccontextmanager
async def listening() -> AsyncIterator[ProviderStub]:
    """Run the stub on a free port of loopback."""
    stub = ProviderStub("")
    server = await asyncio.start_server(stub._serve, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        server.close()
