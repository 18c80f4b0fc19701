"""What signing in costs a sale: a till with a key, beside one of a service that is open."""

import asyncio
import secrets
from collections.abc import Mapping

from app.application import utc_now
from benchmarks.load import Request, load
from benchmarks.measures import Results, Row, console, typical
from benchmarks.payloads import CREATE_SALE, SALES
from benchmarks.servers import PORT, database_name, serving
from repositories.credentials import KEY, Credentials
from repositories.database import connect
from schemas.principals import DEVICE, DEVICES, OWNER, USERS

_CONNECTIONS = 64


def measure(url: str, results: Results, *, section: str, rounds: int, seconds: float) -> None:
    """Signed in and open in turn, each time on an empty store."""
    signed_in, is_open = [], []
    for _ in range(rounds):
        signed_in.append(_rate(url, seconds, is_open=False))
        is_open.append(_rate(url, seconds, is_open=True))
        console.print(f"  signed in {signed_in[-1]:8,.0f}/s, open {is_open[-1]:8,.0f}/s", style="dim")
    rate, their_rate = typical(signed_in, is_open)
    what = f"create-sale, signed in, {_CONNECTIONS} connections"
    results.add(section, Row(what, rate, "/s", "open", their_rate, ">= 0.9"))


def _rate(url: str, seconds: float, *, is_open: bool) -> float:
    database = database_name()
    headers: Mapping[str, str] = {}
    settings: dict[str, str] = {}
    if not is_open:
        headers = {"Authorization": f"Bearer {asyncio.run(_enrol(url, database))}"}
        # An address that others reach is signed in. The limit is counted, and above what one till can sell.
        address = {"PUBLIC_BASE_URL": "https://shop.example"}
        settings = {**address, "SECRET_KEY": secrets.token_hex(32), "RATE_LIMIT": "1000000"}
    with serving("asgi:app", url, database, settings=settings):
        request = Request([CREATE_SALE], "POST", SALES, is_keyed=True, headers=headers)
        load(PORT, request, connections=_CONNECTIONS, seconds=1)
        return load(PORT, request, connections=_CONNECTIONS, seconds=seconds).rate


async def _enrol(url: str, name: str) -> str:
    """The key of a device in a shop that has an owner."""
    client = connect(url)
    database = client[name]
    for kind, account_id, role in ((USERS, "USER-OWNER", OWNER), (DEVICES, "DEVICE-TILL", DEVICE)):
        account = {"_id": account_id, "store": "main", "name": role, "role": role, "login": role}
        await database[kind].insert_one({**account, "belongs_to": None, "voided_at": None})
    key = await Credentials(database, utc_now).issue(KEY, "DEVICE-TILL")
    client.close()
    return key
