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
import pytest

from tests.support.processes import Service
from tests.support.shop import Shop

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()
REALTIME = (ROOT / "docs" / "realtime.md").read_text()


def commands(page: str) -> list[list[str]]:
    """Return the curl commands of a page, split into words as a shell does."""
    blocks = re.findall(r"^    (curl .+?)\n\n", page, re.MULTILINE | re.DOTALL)
    return [shlex.split(block.replace("\\\n", "")) for block in blocks]


async def curl(shop: Shop, words: list[str], origin: str) -> httpx.Response:
    """Send the request that curl would send for these words."""
    options = dict(pairwise(words))
    (url,) = [word for word in words if word.startswith(origin)]
    return await shop.http.request(
        options.get("-X", "GET"),
        url.removeprefix(origin),
        content=options.get("-d"),
        headers=dict([options["-H"].split(": ")]) if "-H" in options else None,
    )


@pytest.mark.parametrize(
    ("page", "http", "ws", "kind"),
    [
        (README, "http://127.0.0.1:8000", "ws://127.0.0.1:8000", "order"),
        (API, "https://your-backend-url", "wss://your-backend-url", "estimate"),
    ],
    ids=["README", "api"],
)
async def test_curl_and_websocket_examples_work_as_written(
    shop: Shop, page: str, http: str, ws: str, kind: str
) -> None:
    health, create = commands(page)
    assert (await curl(shop, health, http)).json()["status"] == "healthy"
    async with shop.listen() as socket:
        response = await curl(shop, create, http)
        frame = json.loads(await socket.recv())
    assert response.status_code == 201
    created = response.json()
    assert (frame["type"], frame["action"], frame["id"]) == (kind, "create", created[f"{kind}_id"])
    assert frame["data"]["total"] == created["data"]["total"]
    assert f"const ws = new WebSocket('{ws}/ws');" in page
    assert "ws.onmessage = (event) => console.log('WebSocket message:', JSON.parse(event.data));" in page


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
