"""A journal caches the customer of a phone number, and notices changes by other processes."""

from typing import Any

from repositories.auditing.verification import verify
from repositories.customers.commands import AddCustomer, ChangeCustomer, RemoveCustomer
from repositories.journal.journal import Journal
from repositories.sales.commands import ChangeStatus
from schemas.customers import CustomerFields
from schemas.text.phones import INDIA, normalize_phone
from tests.journal.test_group_commit import journal_of, sale
from tests.support.faults.failpoints import failing
from tests.support.shop import Shop

WRITE_CONFLICT, TRANSIENT = 112, "TransientTransactionError"
ASHA, MEERA = "98220 12345", "98220 54321"


async def sell(journal: Journal, phone: str, times: int = 1) -> None:
    """Sell one by one, so that each sale is a group: the first creates the customer, the second reads them."""
    for _ in range(times):
        await journal.submit(sale(customer_phone=phone))


async def row(shop: Shop, phone: str) -> dict[str, Any]:
    found = await shop.database.customers.find_one({"store": shop.store, "numbers": normalize_phone(phone, INDIA)})
    assert found is not None
    return dict(found)


async def test_a_cached_customer_is_not_read(shop: Shop) -> None:
    journal = journal_of(shop)
    await sell(journal, ASHA, 2)
    there = f"{shop.database.name}.customers"
    async with failing(shop.database, "find", times=1, namespace=there, closeConnection=True) as has_failed:
        await sell(journal, ASHA)
        assert not await has_failed()
        await sell(journal, MEERA)
        assert await has_failed()
    assert (await row(shop, ASHA))["sums"]["orders"] == 3


async def test_a_customer_removed_by_another_process_is_restored_by_a_sale(shop: Shop) -> None:
    here, there = journal_of(shop), journal_of(shop)
    await sell(here, ASHA, 3)
    await there.submit(RemoveCustomer((await row(shop, ASHA))["_id"]))
    assert (await row(shop, ASHA))["voided_at"] is not None
    await sell(here, ASHA)
    asha = await row(shop, ASHA)
    assert (asha["voided_at"], asha["sums"]["orders"]) == (None, 4)


async def test_a_number_reassigned_by_another_process_counts_for_its_new_owner(shop: Shop) -> None:
    here, there = journal_of(shop), journal_of(shop)
    slips = [(await here.submit(sale(customer_phone=ASHA))).answer["_id"] for _ in range(2)]
    for slip in slips:
        await here.submit(ChangeStatus(slip, "Cancelled"))
    await there.submit(ChangeCustomer((await row(shop, ASHA))["_id"], {"phone": ""}, None))
    described: CustomerFields = {"name": "Meera", "phone": ASHA, "email": "", "address": "", "notes": ""}
    await there.submit(AddCustomer("CUST-MEERA", described, normalize_phone(ASHA, INDIA)))
    await sell(here, ASHA)
    assert ((await row(shop, ASHA))["_id"], (await row(shop, ASHA))["sums"]["orders"]) == ("CUST-MEERA", 1)
    assert await verify(shop.database, shop.store) == []


async def test_a_deleted_customer_is_created_again(shop: Shop) -> None:
    """Delete a customer as an operator might; no process of the service does."""
    journal = journal_of(shop)
    await sell(journal, ASHA, 3)
    lost = await shop.database.customers.find_one_and_delete({"store": shop.store})
    await sell(journal, ASHA)
    found = await row(shop, ASHA)
    assert found["sums"]["orders"] == 1
    sums = {f"sums.{name}": amount for name, amount in lost["sums"].items()}
    await shop.database.customers.update_one({"_id": found["_id"]}, {"$inc": sums})


async def test_customers_of_an_aborted_transaction_are_not_cached(shop: Shop) -> None:
    journal = journal_of(shop)
    await sell(journal, ASHA)
    async with failing(shop.database, "commitTransaction", times=1, errorCode=WRITE_CONFLICT, errorLabels=[TRANSIENT]):
        await sell(journal, MEERA)
    await sell(journal, MEERA, 2)
    assert (await row(shop, MEERA))["sums"]["orders"] == 3
