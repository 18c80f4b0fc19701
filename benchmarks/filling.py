"""Stores with years of sales, written through the service's own transactions in large groups."""

import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from rich.progress import track

from benchmarks.payloads import SALE, SALES
from repositories.concurrency.backoff import Backoff
from repositories.database.client import connect
from repositories.journal.transaction import GroupTransaction
from repositories.migrations.indexes import prepare
from repositories.sales.commands import CreateDocument
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.public_ids import new_id
from schemas.sales.bodies import SaleBody
from schemas.sales.documents import SaleDraft, draft, draft_sale

ZONE = ZoneInfo("Asia/Kolkata")
YEARS = 10

_GROUP = 100
_STAFF = ("Asha", "Meera", "Nikhil", "Ravi", "Sunita")
_MODES = ("Cash", "Cash", "UPI", "Card")
_FIRST = ("Asha", "Bilal", "Chitra", "Deepak", "Farah", "Gopal", "Harini", "Imran", "Jaya", "Kiran", "Lata", "Manoj")
_LAST = ("Patil", "Khan", "Iyer", "Rao", "Shah", "Das", "Nair", "Joshi", "Gill", "Bose")


async def fill(url: str, database: str, store: str, orders: int) -> None:
    """Book sales, spread evenly over the last ten years."""
    client = connect(url)
    await prepare(client[database], store, ZONE, 365 * 20)
    moment = [datetime.now(UTC) - timedelta(days=365 * YEARS)]
    step = timedelta(days=365 * YEARS) / max(1, orders // _GROUP)
    transaction = GroupTransaction(client[database], store, ZONE, lambda: moment[0])
    chance = random.Random(orders)
    drafts = [_draft(chance) for _ in range(200)]
    for _ in track(range(orders // _GROUP), f"{orders:,} orders"):
        moment[0] += step
        await transaction.run([_sale(chance.choice(drafts), moment[0]) for _ in range(_GROUP)], Backoff(30))
    transaction.close()
    client.close()


async def fill_estimates(url: str, database: str, store: str, count: int) -> Sequence[str]:
    """Write estimates, and return their ids."""
    client = connect(url)
    await prepare(client[database], store, ZONE, 365)
    transaction = GroupTransaction(client[database], store, ZONE, lambda: datetime.now(UTC))
    drafts = itertools.cycle([draft(SaleBody().load(body)) for body in SALES])
    ids = [new_id(ESTIMATES, datetime.now(UTC)) for _ in range(count)]
    for place in range(0, count, _GROUP):
        group = [CreateDocument(ESTIMATES, estimate_id, next(drafts)) for estimate_id in ids[place : place + _GROUP]]
        await transaction.run(group, Backoff(30))
    transaction.close()
    client.close()
    return ids


def _draft(chance: random.Random) -> SaleDraft:
    name = f"{chance.choice(_FIRST)} {chance.choice(_LAST)}"
    phone = f"98{chance.randrange(10**8):08}"
    body = {**SALE, "customer_name": name, "customer_phone": phone, "sale_by": chance.choice(_STAFF)}
    return draft_sale(SaleBody().load({**body, "payment_mode": chance.choice(_MODES)}))


def _sale(written: SaleDraft, moment: datetime) -> CreateDocument:
    return CreateDocument(ORDERS, new_id(ORDERS, moment), written)
