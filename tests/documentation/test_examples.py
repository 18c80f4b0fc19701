"""The examples of the pages, as written there."""

import ast
import asyncio
import json
import re
import shlex
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import httpx

from tests.support.processes import Service
from tests.support.shop import Shop

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
REALTIME = (ROOT / "docs" / "realtime.md").read_text()


def commands() -> list[list[str]]:
    """The curl commands of the README, in words."""
    blocks = re.findall(r"^    (curl .+?)\n\n", README, re.MULTILINE | re.DOTALL)
    return [shlex.split(block.replace("\\\n", "")) for block in blocks]


async def curl(shop: Shop, words: list[str]) -> httpx.Response:
    """What curl would do with these words."""
    options = dict(pairwise(words))
    url = next(word for word in words if word.startswith("https://"))
    return await shop.http.request(
        options.get("-X", "GET"),
        url.removeprefix("https://your-backend-url"),
        content=options.get("-d"),
        headers=dict([options["-H"].split(": ")]) if "-H" in options else None,
    )


async def test_the_commands_work_as_written_and_the_socket_hears_of_it(shop: Shop) -> None:
    health, create = commands()
    assert (await curl(shop, health)).json()["status"] == "healthy"
    async with shop.listen() as socket:
        response = await curl(shop, create)
        frame = json.loads(await socket.recv())
    assert response.status_code == 201
    estimate = response.json()
    assert estimate["data"]["total"] == 100.0
    assert (frame["type"], frame["action"]) == ("estimate", "create")
    assert frame["id"] == estimate["estimate_id"]
    assert frame["data"]["estimate_number"] == estimate["estimate_number"] == "#001"


def test_the_javascript_is_in_the_readme() -> None:
    assert "const ws = new WebSocket('wss://your-backend-url/ws');" in README
    assert "ws.onmessage = (event) => console.log('WebSocket message:', JSON.parse(event.data));" in README


async def test_the_python_client_works_as_written_through_a_restart(shop: Shop, mongodb_url: str) -> None:
    (code,) = re.findall(r"^(    import asyncio, json, random\n.+?print\)\)\n)", REALTIME, re.MULTILINE | re.DOTALL)
    service = Service(mongodb_url, shop.store)
    await service.start()
    program = textwrap.dedent(code).replace("ws://127.0.0.1:8000/ws", service.ws_url).replace("print))", "print, 0))")
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-c", program), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    try:
        seqs: list[int] = []
        async with asyncio.timeout(30):
            for restart in (False, True):
                if restart:
                    await service.kill()
                    await shop.sale()
                    await service.start()
                await shop.sale()
                while len(seqs) < (3 if restart else 1):
                    line = (await client.stdout.readline()).decode()
                    seqs += [ast.literal_eval(line)["seq"]] if line.startswith("{") else []
        assert seqs == [1, 2, 3]
    finally:
        client.kill()
        await client.communicate()
        await service.kill()
