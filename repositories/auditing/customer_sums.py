"""The check that each customer's sums match the documents, to the paisa."""

from collections import Counter
from typing import Any, Final

from repositories.database.client import Database
from repositories.database.store_scope import store_filter
from schemas.core.collections import CUSTOMERS, DOCUMENT_KINDS
from schemas.customers import contribution

_MAX_LINES: Final = 20
_FIELDS: Final = ("phone_e164", "voided_at", "status", "total", "amount_paid", "created_at")


async def compare_customers(database: Database, store: str) -> list[str]:
    """Return how the customers' sums differ from the documents, a sentence each, without phone numbers.

    :raises PyMongoError: callers translate.
    """
    expected: dict[str, Counter[str]] = {}
    visits: dict[str, Any] = {}
    found: list[str] = []
    for kind in DOCUMENT_KINDS:
        uncounted = 0
        async for document in database[kind].find(store_filter(kind, store), _FIELDS):
            uncounted += "phone_e164" not in document
            added = contribution(document)
            if added is not None:
                expected.setdefault(added[0], Counter()).update(added[1])
                visits[added[0]] = max(document["created_at"], visits.get(added[0], document["created_at"]))
        if uncounted:
            found.append(f"{kind}: {uncounted:,} count for no customer yet: run `pos migrate`.")
    async for customer in database[CUSTOMERS].find({"store": store}):
        of_customer = customer.get("numbers", [])
        found += _differences(customer, [expected.pop(each, Counter()) for each in of_customer])
        if any(visits.get(each, customer["last_visit"]) > customer["last_visit"] for each in of_customer):
            found.append(f"Customer {customer['_id']} bought something after their last visit.")
    if expected:
        found.append(f"{len(expected):,} phone numbers have documents, and no customer.")
    return found if len(found) <= _MAX_LINES else [*found[:_MAX_LINES], "… and more differences in the customers."]


def _differences(customer: Any, counted: list[Counter[str]]) -> list[str]:
    sums, documents = Counter(customer.get("sums", {})), sum(counted, Counter())
    return [
        f"Customer {customer['_id']}: {name} is {sums[name]}, but the documents make {documents[name]}."
        for name in sorted(sums.keys() | documents.keys())
        if sums[name] != documents[name]
    ]
