"""What a group of commands writes of customers: their sums, kept by the same transaction as the documents.

A row is found by the number, through the unique index over all the numbers of a customer, and made where there is
none; so nothing has to be read first. Sums are the difference between what the changed documents contributed before and
after, as those of the totals are.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo import ReplaceOne, UpdateOne

from repositories.unit_of_work import UnitOfWork
from schemas.customers import CUSTOMER_PREFIX, NOTHING, NUMBER, contribution
from schemas.documents import Document
from schemas.principals import THE_SERVICE
from schemas.public_ids import new_id
from schemas.rollups import CUSTOMERS, ESTIMATES, ORDERS
from schemas.search import terms_of

Sums = dict[str, int]


def customer_writes(work: UnitOfWork) -> list[ReplaceOne[Document] | UpdateOne]:
    """What was changed of customers themselves first, since it was made of sums as they stood before."""
    written: list[ReplaceOne[Document] | UpdateOne] = [
        ReplaceOne({"_id": document["_id"]}, document, upsert=True)
        for (kind, _), document in work.changed.items()
        if kind == CUSTOMERS
    ]
    sums, visits = _differences(work)
    for number in sums.keys() | visits.keys():
        visit = visits.get(number)
        fresh = None if visit is None else fresh_row(visit, visit["updated_at"], visit["changed_by"])
        written.append(counting(work.store, number, sums.get(number, {}), fresh, comes_back=True))
    return written


def _differences(work: UnitOfWork) -> tuple[dict[str, Sums], dict[str, Document]]:
    """By number: what is added to its sums, zeros left out; and the document that somebody came for."""
    sums: dict[str, Sums] = {}
    visits: dict[str, Document] = {}
    for (kind, document_id), document in work.changed.items():
        if kind not in (ESTIMATES, ORDERS):
            continue
        before = work.documents.get((kind, document_id))
        for sign, version in ((-1, before), (1, document)):
            added = contribution(kind, version)
            if added is not None:
                row = sums.setdefault(added[0], {})
                for name, amount in added[1].items():
                    row[name] = row.get(name, 0) + sign * amount
        number = document.get(NUMBER)
        if number and (before is None or before.get(NUMBER) != number):
            visits[number] = document
    kept = {number: {name: amount for name, amount in row.items() if amount} for number, row in sums.items()}
    return {number: row for number, row in kept.items() if row}, visits


def counting(
    store: str, number: str, sums: Mapping[str, int], fresh: Document | None, *, comes_back: bool
) -> UpdateOne:
    """Adds to the sums of whoever has a number. fresh: who is made where nobody has it; None where nobody came.
    comes_back: whether one who was taken away is in the list again."""
    update: dict[str, Any] = {"$inc": {f"sums.{name}": amount for name, amount in sums.items()}} if sums else {}
    if fresh is not None:
        fresh = {**fresh, "numbers": [number]}
        update["$max"] = {"last_visit": fresh["created_at"]}
        if comes_back:
            update |= {"$set": {"voided_at": None}, "$setOnInsert": fresh}
        else:
            update["$setOnInsert"] = {**fresh, "voided_at": None}
    return UpdateOne({"store": store, "numbers": number}, update, upsert=fresh is not None)


def fresh_row(document: Document, now: datetime, who: Document = THE_SERVICE.signature) -> Document:
    """The fields of a customer that are known from an estimate or a sale. Another one is made of it by `counting`."""
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
        "created_by": who,
        "updated_at": now,
        "changed_by": who,
        "version": 1,
    }


def count_customer(customers: dict[str, Document], store: str, kind: str, document: Document) -> None:
    """Counts a document into rows that are gathered in memory, by number; for whoever writes a whole store."""
    number = document[NUMBER]
    if not number:
        return
    row = customers.get(number)
    if row is None:
        fresh = fresh_row(document, document["created_at"])
        places = {"store": store, "numbers": [number], "sums": dict(NOTHING), "voided_at": None}
        row = customers[number] = {**fresh, **places, "last_visit": document["created_at"]}
    row["last_visit"] = max(row["last_visit"], document["created_at"])
    added = contribution(kind, document)
    for name, amount in added[1].items() if added else ():
        row["sums"][name] += amount
