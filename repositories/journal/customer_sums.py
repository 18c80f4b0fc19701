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
from types import MappingProxyType
from typing import Any, Final

from pymongo import ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from repositories.database.client import Filter
from repositories.journal.unit_of_work import UnitOfWork
from schemas.core.collections import CUSTOMERS, DOCUMENT_KINDS
from schemas.core.documents import Signature
from schemas.core.principals import SERVICE_ACTOR
from schemas.core.public_ids import new_id
from schemas.customers import ZERO_SUMS, Customer, add_sums, contribution
from schemas.sales.documents import SalesDocument
from schemas.text.search_terms import search_terms

#: The fields that must be known of the customer who has a number.
CUSTOMER_FIELDS: Final = ("numbers", "voided_at")
#: Customers by each of their phone numbers, with `CUSTOMER_FIELDS`.
CustomersByNumber = dict[str, Customer]
#: The most numbers that a process caches: some megabytes.
_CACHE_LIMIT: Final = 10_000


@dataclass(slots=True)
class CustomerDelta:
    """What changes for one phone number."""

    #: The amounts added to the sums.
    sums: dict[str, int] = field(default_factory=dict)
    #: `new_customer` of a document, for a number that no customer has; None without a visit.
    create: Callable[[str, datetime, Mapping[str, int]], Customer] | None = None
    #: The time of the newest visit, if there is one.
    visited_at: datetime | None = None
    #: Whether the visit restores a removed customer.
    restores: bool = True

    def add(self, sums: Mapping[str, int], sign: int = 1) -> None:
        for name, amount in sums.items():
            self.sums[name] = self.sums.get(name, 0) + sign * amount


def customer_replacements(work: UnitOfWork) -> list[ReplaceOne[Any]]:
    """Return the writes of changed customers. They come before changes of sums, since they contain the sums as read."""
    return [
        ReplaceOne({"_id": document["_id"]}, document, upsert=True)
        for (kind, _), document in work.changed.items()
        if kind == CUSTOMERS
    ]


def update_customers(
    customers: Collection[Customer], store: str, work: UnitOfWork, by_number: CustomersByNumber, session: ClientSession
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
            added = contribution(version)
            if added is not None:
                deltas.setdefault(added[0], CustomerDelta()).add(added[1], sign)
        number = document.get("phone_e164")
        if number and (before is None or before.get("phone_e164") != number):
            delta = deltas.setdefault(number, CustomerDelta())
            actor = document.get("changed_by", document["created_by"])
            delta.create = partial(new_customer, document, document["updated_at"], actor)
            delta.visited_at = document["updated_at"]
    return deltas


def numbers_filter(store: str, numbers: Iterable[str]) -> Filter:
    """Return a filter, served by an index, for the customers who have these numbers."""
    return {"store": store, "numbers": {"$in": list(numbers)}}


def index_by_number(customers: Iterable[Customer]) -> CustomersByNumber:
    """Return customers by each of their numbers."""
    return {number: customer for customer in customers for number in customer["numbers"]}


def customer_writes(
    store: str, deltas: Mapping[str, CustomerDelta], by_number: Mapping[str, Customer]
) -> tuple[list[UpdateOne], list[Customer]]:
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
        elif delta.create is not None and delta.visited_at is not None:
            fresh.append(delta.create(store, delta.visited_at, delta.sums))
    return updates, fresh


def _update(delta: CustomerDelta, owner: Customer) -> dict[str, Any]:
    sums = {f"sums.{name}": amount for name, amount in delta.sums.items() if amount}
    update: dict[str, Any] = {"$inc": sums} if sums else {}
    if delta.visited_at is not None:
        update["$max"] = {"last_visit": delta.visited_at}
        if delta.restores and owner["voided_at"] is not None:
            update["$set"] = {"voided_at": None}
    return update


def new_customer(
    document: SalesDocument,
    now: datetime,
    actor: Signature,
    store: str,
    visited_at: datetime,
    sums: Mapping[str, int] = MappingProxyType({}),
) -> Customer:
    """Return the customer that an estimate or a sale adds."""
    return {
        "_id": new_id(CUSTOMERS, now),
        "store": store,
        "name": document["customer_name"],
        "phone": document["customer_phone"],
        "phone_e164": document["phone_e164"],
        "numbers": [str(document["phone_e164"])],
        "email": "",
        "address": document["customer_address"],
        "notes": "",
        "terms": document.get("terms") or search_terms(document["customer_name"], document["customer_phone"]),
        "sums": add_sums(ZERO_SUMS, sums),
        "last_visit": visited_at,
        "created_at": now,
        "created_by": actor,
        "updated_at": now,
        "version": 1,
        "voided_at": None,
    }


def add_to_customer(customers: dict[str, Customer], store: str, document: SalesDocument) -> None:
    """Add a document to the customers of a whole store that are collected in memory, by number."""
    number, at = document["phone_e164"], document["created_at"]
    if number:
        customer = customers.get(number) or new_customer(document, at, SERVICE_ACTOR.signature, store, at)
        added = contribution(document)
        sums = add_sums(customer["sums"], added[1] if added else {})
        customers[number] = {**customer, "last_visit": max(customer["last_visit"], at), "sums": sums}
