"""What a group of commands writes of customers: their sums, kept by the same transaction as the documents.

Whose a number is, is read once for all the numbers of a group, through the unique index over the numbers of each, where
this process does not know it from an earlier sale. So a row that is there is changed by its id, and new ones are
inserted together: with the reading, half of what an upsert by number costs the database for each. Sums are the
difference between what the changed documents contributed before and after, as those of the totals are.
"""

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from pymongo import ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from repositories.journal.unit_of_work import UnitOfWork
from schemas.core.collections import CUSTOMERS, ESTIMATES, ORDERS
from schemas.core.documents import Document
from schemas.core.principals import THE_SERVICE
from schemas.core.public_ids import new_id
from schemas.customers import CUSTOMER_PREFIX, NOTHING, NUMBER, contribution
from schemas.text.search_terms import terms_of

#: What has to be known of whoever has a number.
CUSTOMER_FIELDS: Final = ("numbers", "voided_at")
#: Whoever has a number, by the number, as they were read.
CustomersByNumber = dict[str, Mapping[str, Any]]
#: How many numbers are known at the most: some megabytes of them.
_CACHE_LIMIT: Final = 10_000


@dataclass(slots=True)
class CustomerDelta:
    """What changes for one number. sums: what is added. fresh: makes whoever it is, where nobody has it; visit: when
    they came last; both None where nobody came. comes_back: whether one who was taken away is in the list again."""

    sums: dict[str, int] = field(default_factory=dict)
    fresh: Callable[[], Document] | None = None
    visit: datetime | None = None
    comes_back: bool = True

    def add(self, sums: Mapping[str, int], sign: int = 1) -> None:
        for name, amount in sums.items():
            self.sums[name] = self.sums.get(name, 0) + sign * amount


def customer_replacements(work: UnitOfWork) -> list[ReplaceOne[Document]]:
    """What was changed of customers themselves. Written first, since it was made of sums as they stood before."""
    return [
        ReplaceOne({"_id": document["_id"]}, document, upsert=True)
        for (kind, _), document in work.changed.items()
        if kind == CUSTOMERS
    ]


def update_customers(
    customers: Collection[Document], store: str, work: UnitOfWork, owners: CustomersByNumber, session: ClientSession
) -> bool:
    """Counts what the documents of a group change, and makes the customers that are missing.

    :param owners: those who are known; those whom the group needs become known.
    :returns: whether they were still there. If not, the group must not be committed.
    :raises PyMongoError: callers translate.
    """
    if len(owners) > _CACHE_LIMIT or any(kind == CUSTOMERS for kind, _ in work.changed):
        owners.clear()
    counts = customer_deltas(work)
    unknown = counts.keys() - owners
    found = (
        index_by_number(customers.find(numbers_filter(store, unknown), CUSTOMER_FIELDS, session=session))
        if unknown
        else {}
    )
    updates, fresh = customer_writes(store, counts, ChainMap(found, owners))
    # One who was taken away comes back with this sale, and is read again with the next one.
    owners.update((number, owner) for number, owner in found.items() if owner["voided_at"] is None)
    if fresh:
        customers.insert_many(fresh, session=session)
    return not updates or customers.bulk_write(updates, ordered=False, session=session).matched_count == len(updates)


def customer_deltas(work: UnitOfWork) -> dict[str, CustomerDelta]:
    """By number, what the documents of a group change."""
    counts: dict[str, CustomerDelta] = {}
    for (kind, document_id), document in work.changed.items():
        if kind not in (ESTIMATES, ORDERS):
            continue
        before = work.documents.get((kind, document_id))
        for sign, version in ((-1, before), (1, document)):
            added = contribution(kind, version)
            if added is not None:
                counts.setdefault(added[0], CustomerDelta()).add(added[1], sign)
        number = document.get(NUMBER)
        if number and (before is None or before.get(NUMBER) != number):
            count = counts.setdefault(number, CustomerDelta())
            count.fresh = partial(customer_fields, document, document["updated_at"], document["changed_by"])
            count.visit = document["updated_at"]
    return counts


def numbers_filter(store: str, numbers: Iterable[str]) -> Document:
    """A filter, which an index serves, for the customers who have these numbers."""
    return {"store": store, "numbers": {"$in": list(numbers)}}


def index_by_number(owners: Iterable[Mapping[str, Any]]) -> CustomersByNumber:
    """Customers, as `CUSTOMER_FIELDS` says, by each number that they have."""
    return {number: owner for owner in owners for number in owner["numbers"]}


def customer_writes(
    store: str, counts: Mapping[str, CustomerDelta], owners: Mapping[str, Mapping[str, Any]]
) -> tuple[list[UpdateOne], list[Document]]:
    """The changes of rows that are there, and the rows that are new.

    :param owners: the customers who have the numbers, as `index_by_number` has them.
    """
    updates, fresh = [], []
    for number, count in counts.items():
        owner = owners.get(number)
        if owner is not None:
            update = _update(count, owner)
            if update:
                updates.append(UpdateOne({"_id": owner["_id"]}, update))
        elif count.fresh is not None:
            fresh.append(new_customer(store, count.fresh(), count.visit, count.sums))
    return updates, fresh


def _update(count: CustomerDelta, owner: Mapping[str, Any]) -> Document:
    sums = {f"sums.{name}": amount for name, amount in count.sums.items() if amount}
    update: Document = {"$inc": sums} if sums else {}
    if count.visit is not None:
        update["$max"] = {"last_visit": count.visit}
        if count.comes_back and owner["voided_at"] is not None:
            update["$set"] = {"voided_at": None}
    return update


def new_customer(store: str, fresh: Document, visit: datetime | None, sums: Mapping[str, int] = NOTHING) -> Document:
    """A customer who is made of an estimate or a sale; see `customer_fields`."""
    return {
        **fresh,
        "store": store,
        "numbers": [fresh[NUMBER]],
        "sums": {**NOTHING, **sums},
        "last_visit": visit,
        "voided_at": None,
    }


def customer_fields(document: Document, now: datetime, actor: Document = THE_SERVICE.signature) -> Document:
    """The fields of a customer that are known from an estimate or a sale; see `new_customer`."""
    return {
        "_id": new_id(CUSTOMER_PREFIX, now),
        "name": document["customer_name"],
        "phone": document["customer_phone"],
        NUMBER: document[NUMBER],
        "email": "",
        "address": document["customer_address"],
        "notes": "",
        "terms": document.get("terms") or terms_of(document["customer_name"], document["customer_phone"]),
        "created_at": now,
        "created_by": actor,
        "updated_at": now,
        "changed_by": actor,
        "version": 1,
    }


def add_to_customer(customers: dict[str, Document], store: str, kind: str, document: Document) -> None:
    """Counts a document into rows that are gathered in memory, by number; for whoever writes a whole store."""
    number = document[NUMBER]
    if not number:
        return
    row = customers.get(number)
    if row is None:
        row = customers[number] = new_customer(
            store, customer_fields(document, document["created_at"]), document["created_at"]
        )
    row["last_visit"] = max(row["last_visit"], document["created_at"])
    added = contribution(kind, document)
    for name, amount in added[1].items() if added else ():
        row["sums"][name] += amount
