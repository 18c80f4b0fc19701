"""Timeouts of connections that send no request, slow requests or other bytes."""

import asyncio
import json

import pytest

from tests.support.clients.raw_http import connected, read_answer, send_pieces, serve_echo

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
RECEIVE_SECONDS = 0.4


@pytest.fixture(autouse=True)
def short_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.http_protocol.RECEIVE_SECONDS", RECEIVE_SECONDS)


async def read_until_closed(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Return all that the server sends until it closes the connection, while pieces are sent to it."""
    async with connected(port) as (reader, writer), asyncio.timeout(20):

        async def send() -> None:
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(pause)

        sending = asyncio.create_task(send())
        try:
            return await reader.read()
        finally:
            sending.cancel()


@pytest.mark.parametrize("sent", [b"\r\n", b"\r", b"\n", b"\r\n\r\n" * 10, b"\r\nG", b"G", b"GET / HTTP/1.1\r\n"])
async def test_the_deadline_starts_with_any_first_byte(sent: bytes) -> None:
    async with serve_echo() as port:
        answer = await read_until_closed(port, sent)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"


async def test_blank_lines_do_not_extend_the_deadline() -> None:
    """Send blank lines for minutes, so that a deadline that they extend would never pass."""
    async with serve_echo() as port:
        answer = await read_until_closed(port, *[b"\r\n"] * 10_000, pause=RECEIVE_SECONDS / 8)
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_silent_connection_is_closed_without_a_response() -> None:
    async with serve_echo() as port:
        assert await read_until_closed(port) == b""


@pytest.mark.parametrize("sent", [b"\r\n", b"\n", b"\r"])
async def test_blank_lines_do_not_keep_an_idle_connection_open(sent: bytes) -> None:
    async with serve_echo(timeout_keep_alive=1) as port, connected(port) as (reader, writer), asyncio.timeout(20):
        writer.write(GET)
        await read_answer(reader)

        async def send() -> None:
            while True:
                await asyncio.sleep(0.05)
                writer.write(sent)

        sending = asyncio.create_task(send())
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            # The server closed the connection while bytes were on their way.
            pass
        finally:
            sending.cancel()


async def test_a_request_after_blank_lines_is_answered() -> None:
    async with serve_echo(timeout_keep_alive=5) as port, connected(port) as (reader, writer), asyncio.timeout(20):
        for piece in (b"\r\n", GET, b"\r\n\r\n" + GET, b"\r\n"):
            writer.write(piece)
            if GET in piece:
                assert (await read_answer(reader))[0] == 200
        writer.write(GET)
        assert (await read_answer(reader))[0] == 200


async def test_each_request_has_its_own_deadline() -> None:
    """Begin each request in the packet that completes the one before."""
    async with serve_echo() as port, connected(port) as (reader, writer), asyncio.timeout(20):
        writer.write(GET[:10])
        for _ in range(6):
            await asyncio.sleep(RECEIVE_SECONDS / 2)
            writer.write(GET[10:] + GET[:10])
            assert (await read_answer(reader))[0] == 200
        assert (await read_answer(reader))[0] == 408


async def test_an_unfinished_second_request_gets_408_after_the_first_response() -> None:
    async with serve_echo() as port:
        status, _, _ = await send_pieces(port, GET + b"GET / HT")
        assert status == 200
        answer = await read_until_closed(port, GET + b"GET / HT")
        assert answer.count(b"HTTP/1.1 ") == 2
        assert b"HTTP/1.1 408 " in answer
