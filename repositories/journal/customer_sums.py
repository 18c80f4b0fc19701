"""The customers' sums, which a group of commands updates in the same transaction as its documents.

The customers of a group's phone numbers are read with one query over the unique index of numbers, unless this process
knows them from an earlier sale. So existing customers are updated by id, and new ones are inserted together: including
the query, this costs the database half as much as an upsert by number for each. As in the rollups, the change of a sum
is the difference between what the changed documents contribute before and after.
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
from schemas.core.collections import CUSTOMERS, DOCUMENT_KINDS
from schemas.core.documents import Document
from schemas.core.principals import SERVICE_ACTOR
from schemas.core.public_ids import new_id
from schemas.customers import PHONE_FIELD, ZERO_SUMS, contribution
from schemas.text.search_terms import search_terms

#: The fields that must be known of the customer who has a number.
CUSTOMER_FIELDS: Final = ("numbers", "voided_at")
#: Customers by each of their phone numbers, with `CUSTOMER_FIELDS`.
CustomersByNumber = dict[str, Mapping[str, Any]]
#: The most numbers that a process caches: some megabytes.
_CACHE_LIMIT: Final = 10_000


@dataclass(slots=True)
class CustomerDelta:
    """What changes for one phone number."""

    #: The amounts added to the sums.
    sums: dict[str, int] = field(default_factory=dict)
    #: Returns a new customer, for a number that no customer has; None without a visit.
    create: Callable[[], Document] | None = None
    #: The time of the newest visit, if there is one.
    visited_at: datetime | None = None
    #: Whether the visit restores a removed customer.
    restores: bool = True

    def add(self, sums: Mapping[str, int], sign: int = 1) -> None:
        for name, amount in sums.items():
            self.sums[name] = self.sums.get(name, 0) + sign * amount


def customer_replacements(work: UnitOfWork) -> list[ReplaceOne[Document]]:
    """Return the writes of changed customers. They come before changes of sums, since they contain the sums as read."""
    return [
        ReplaceOne({"_id": document["_id"]}, document, upsert=True)
        for (kind, _), document in work.changed.items()
        if kind == CUSTOMERS
    ]


def update_customers(
    customers: Collection[Document], store: str, work: UnitOfWork, by_number: CustomersByNumber, session: ClientSession
) -> bool:
    """Update the sums of customers, and insert the customers that are missing.

    :param by_number: the cached customers; the group's customers are added.
    :returns: whether the cached customers still exist. If not, the group must not be committed.
    :raises PyMongoError: callers translate.
    """
    if len(by_number) > _CACHE_LIMIT or any(kind == CUSTOMERS for kind, _ in work.changed):
        by_number.clear()
    deltas = customer_deltas(work)
    unknown = deltas.keys() - by_number
    criteria = numbers_filter(store, unknown)
    found = index_by_number(customers.find(criteria, CUSTOMER_FIELDS, session=session)) if unknown else {}
    updates, fresh = customer_writes(store, deltas, ChainMap(found, by_number))
    # A removed customer is restored by this sale, and is read again with the next one.
    by_number.update((number, owner) for number, owner in found.items() if owner["voided_at"] is None)
    if fresh:
        customers.insert_many(fresh, session=session)
    return not updates or customers.bulk_write(updates, ordered=False, session=session).matched_count == len(updates)


def customer_deltas(work: UnitOfWork) -> dict[str, CustomerDelta]:
    """Return what the documents of a group change, by phone number."""
    deltas: dict[str, CustomerDelta] = {}
    for (kind, document_id), document in work.changed.items():
        if kind not in DOCUMENT_KINDS:
            continue
        before = work.documents.get((kind, document_id))
        for sign, version in ((-1, before), (1, document)):
            added = contribution(kind, version)
            if added is not None:
                deltas.setdefault(added[0], CustomerDelta()).add(added[1], sign)
        number = document.get(PHONE_FIELD)
        if number and (before is None or before.get(PHONE_FIELD) != number):
            delta = deltas.setdefault(number, CustomerDelta())
            delta.create = partial(customer_fields, document, document["updated_at"], document["changed_by"])
            delta.visited_at = document["updated_at"]
    return deltas


def numbers_filter(store: str, numbers: Iterable[str]) -> Document:
    """Return a filter, served by an index, for the customers who have these numbers."""
    return {"store": store, "numbers": {"$in": list(numbers)}}


def index_by_number(customers: Iterable[Mapping[str, Any]]) -> CustomersByNumber:
    """Return customers by each of their numbers."""
    return {number: customer for customer in customers for number in customer["numbers"]}


def customer_writes(
    store: str, deltas: Mapping[str, CustomerDelta], by_number: Mapping[str, Mapping[str, Any]]
) -> tuple[list[UpdateOne], list[Document]]:
    """Return the updates of existing customers, and the new customers.

    :param by_number: the existing customers, as `index_by_number` returns them.
    """
    updates, fresh = [], []
    for number, delta in deltas.items():
        owner = by_number.get(number)
        if owner is not None:
            update = _update(delta, owner)
            if update:
                updates.append(UpdateOne({"_id": owner["_id"]}, update))
        elif delta.create is not None:
            fresh.append(new_customer(store, delta.create(), delta.visited_at, delta.sums))
    return updates, fresh


def _update(delta: CustomerDelta, owner: Mapping[str, Any]) -> Document:
    sums = {f"sums.{name}": amount for name, amount in delta.sums.items() if amount}
    update: Document = {"$inc": sums} if sums else {}
    if delta.visited_at is not None:
        update["$max"] = {"last_visit": delta.visited_at}
        if delta.restores and owner["voided_at"] is not None:
            update["$set"] = {"voided_at": None}
    return update


def new_customer(
    store: str, fresh: Document, visited_at: datetime | None, sums: Mapping[str, int] = ZERO_SUMS
) -> Document:
    """Return a customer made from the `customer_fields` of an estimate or a sale."""
    return {
        **fresh,
        "store": store,
        "numbers": [fresh[PHONE_FIELD]],
        "sums": {**ZERO_SUMS, **sums},
        "last_visit": visited_at,
        "voided_at": None,
    }


def customer_fields(document: Document, now: datetime, actor: Document = SERVICE_ACTOR.signature) -> Document:
    """Return the fields of a customer that an estimate or a sale gives, for `new_customer`."""
    return {
        "_id": new_id(CUSTOMERS, now),
        "name": document["customer_name"],
        "phone": document["customer_phone"],
        PHONE_FIELD: document[PHONE_FIELD],
        "email": "",
        "address": document["customer_address"],
        "notes": "",
        "terms": document.get("terms") or search_terms(document["customer_name"], document["customer_phone"]),
        "created_at": now,
        "created_by": actor,
        "updated_at": now,
        "changed_by": actor,
        "version": 1,
    }


def add_to_customer(customers: dict[str, Document], store: str, kind: str, document: Document) -> None:
    """Add a document to the customers of a whole store that are collected in memory, by number."""
    number = document[PHONE_FIELD]
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
