"""How long a connection may be there without a request: whatever bytes arrive, and however slowly."""

import asyncio
import json

import pytest

from tests.support.clients.raw_http import connected, read_answer, send_pieces, serve_echo

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
PATIENCE = 0.4


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.http_protocol.RECEIVE_SECONDS", PATIENCE)


async def ended(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """What a server says until it ends the connection, while pieces are sent to it for as long as that takes."""
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
async def test_the_deadline_begins_with_the_first_byte_whatever_it_is(sent: bytes) -> None:
    async with serve_echo() as port:
        answer = await ended(port, sent)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"


async def test_blank_lines_do_not_put_the_deadline_off() -> None:
    """What is sent reaches on for minutes, so a deadline that was put off would never come."""
    async with serve_echo() as port:
        answer = await ended(port, *[b"\r\n"] * 10_000, pause=PATIENCE / 8)
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_connection_that_never_says_anything_is_closed_without_a_word() -> None:
    async with serve_echo() as port:
        assert await ended(port) == b""


@pytest.mark.parametrize("sent", [b"\r\n", b"\n", b"\r"])
async def test_an_idle_connection_is_closed_after_the_last_answer_whatever_bytes_arrive(sent: bytes) -> None:
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
            # Closed, with a byte of ours on its way.
            pass
        finally:
            sending.cancel()


async def test_a_request_behind_blank_lines_is_answered() -> None:
    async with serve_echo(timeout_keep_alive=5) as port, connected(port) as (reader, writer), asyncio.timeout(20):
        for piece in (b"\r\n", GET, b"\r\n\r\n" + GET, b"\r\n"):
            writer.write(piece)
            if GET in piece:
                assert (await read_answer(reader))[0] == 200
        writer.write(GET)
        assert (await read_answer(reader))[0] == 200


async def test_each_request_has_its_own_deadline() -> None:
    """One that begins in the same packet in which the one before ends has not the rest of that one's time."""
    async with serve_echo() as port, connected(port) as (reader, writer), asyncio.timeout(20):
        writer.write(GET[:10])
        for _ in range(6):
            await asyncio.sleep(PATIENCE / 2)
            writer.write(GET[10:] + GET[:10])
            assert (await read_answer(reader))[0] == 200
        assert (await read_answer(reader))[0] == 408


async def test_an_unfinished_request_behind_one_that_is_answered_hears_408_after_it() -> None:
    async with serve_echo() as port:
        status, _, _ = await send_pieces(port, GET + b"GET / HT")
        assert status == 200
        answer = await ended(port, GET + b"GET / HT")
        assert answer.count(b"HTTP/1.1 ") == 2
        assert b"HTTP/1.1 408 " in answer
