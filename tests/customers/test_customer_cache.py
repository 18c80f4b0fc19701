"""A journal reads once whose a phone number is, and notices whatever becomes of that customer elsewhere."""

from typing import Any

from repositories.auditing.verification import verify
from repositories.customers.commands import AddCustomer, ChangeCustomer, RemoveCustomer
from repositories.journal.journal import Journal
from repositories.sales.commands import ChangeStatus
from schemas.text.phones import INDIA, normalize_phone
from tests.journal.test_group_commit import journal_of, sale
from tests.support.faults.failpoints import failing
from tests.support.shop import Shop

WRITE_CONFLICT, TRANSIENT = 112, "TransientTransactionError"
ASHA, MEERA = "98220 12345", "98220 54321"


async def sell(journal: Journal, phone: str, times: int = 1) -> None:
    """One after the other, so that each is a group of its own: one makes the customer, one reads them."""
    for _ in range(times):
        await journal.submit(sale(customer_phone=phone))


async def row(shop: Shop, phone: str) -> dict[str, Any]:
    found = await shop.database.customers.find_one({"store": shop.store, "numbers": normalize_phone(phone, INDIA)})
    assert found is not None
    return dict(found)


async def test_one_who_is_known_is_not_looked_for(shop: Shop) -> None:
    journal = journal_of(shop)
    await sell(journal, ASHA, 2)
    there = f"{shop.database.name}.customers"
    async with failing(shop.database, "find", times=1, namespace=there, closeConnection=True) as has_failed:
        await sell(journal, ASHA)
        assert not await has_failed()
        await sell(journal, MEERA)
        assert await has_failed()
    assert (await row(shop, ASHA))["sums"]["orders"] == 3


async def test_one_whom_another_process_takes_away_comes_back(shop: Shop) -> None:
    here, there = journal_of(shop), journal_of(shop)
    await sell(here, ASHA, 3)
    await there.submit(RemoveCustomer((await row(shop, ASHA))["_id"]))
    assert (await row(shop, ASHA))["voided_at"] is not None
    await sell(here, ASHA)
    asha = await row(shop, ASHA)
    assert (asha["voided_at"], asha["sums"]["orders"]) == (None, 4)


async def test_a_number_that_another_process_gives_to_somebody_else_counts_for_them(shop: Shop) -> None:
    here, there = journal_of(shop), journal_of(shop)
    slips = [(await here.submit(sale(customer_phone=ASHA))).answer["_id"] for _ in range(2)]
    for slip in slips:
        await here.submit(ChangeStatus(slip, "Cancelled"))
    await there.submit(ChangeCustomer((await row(shop, ASHA))["_id"], {"phone": ""}, None))
    described = {"name": "Meera", "phone": ASHA, "email": "", "address": "", "notes": ""}
    await there.submit(AddCustomer("CUST-MEERA", described, normalize_phone(ASHA, INDIA)))
    await sell(here, ASHA)
    assert ((await row(shop, ASHA))["_id"], (await row(shop, ASHA))["sums"]["orders"]) == ("CUST-MEERA", 1)
    assert await verify(shop.database, shop.store) == []


async def test_one_whose_row_is_gone_is_made_anew(shop: Shop) -> None:
    """No process of ours takes one out; somebody with a shell might."""
    journal = journal_of(shop)
    await sell(journal, ASHA, 3)
    lost = await shop.database.customers.find_one_and_delete({"store": shop.store})
    await sell(journal, ASHA)
    found = await row(shop, ASHA)
    assert found["sums"]["orders"] == 1
    sums = {f"sums.{name}": amount for name, amount in lost["sums"].items()}
    await shop.database.customers.update_one({"_id": found["_id"]}, {"$inc": sums})


async def test_what_was_not_committed_is_not_known(shop: Shop) -> None:
    journal = journal_of(shop)
    await sell(journal, ASHA)
    async with failing(shop.database, "commitTransaction", times=1, errorCode=WRITE_CONFLICT, errorLabels=[TRANSIENT]):
        await sell(journal, MEERA)
    await sell(journal, MEERA, 2)
    assert (await row(shop, MEERA))["sums"]["orders"] == 3
