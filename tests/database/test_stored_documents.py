"""The types of stored documents describe exactly what the service stores."""

from collections.abc import Iterable
from typing import Any, NotRequired, TypedDict

import pytest
from pymongo.database import Database

from schemas.accounts.documents import Credential, Device, User
from schemas.core.collections import (
    COUNTERS,
    CREDENTIALS,
    CUSTOMERS,
    DEVICES,
    ESTIMATES,
    LINKS,
    LOG,
    MESSAGES,
    ORDERS,
    TOTALS,
    USERS,
)
from schemas.customers import Customer
from schemas.journal.documents import LogDocument, StoreCounters
from schemas.messaging.documents import Message
from schemas.reporting.rollups import Rollup
from schemas.sales.documents import Estimate, Order
from schemas.sharing import Link
from tests.support.all_collections import fill_all_collections
from tests.support.legacy import legacy_documents as legacy
from tests.support.legacy.import_command import ImportCommand
from tests.support.shapes import differences
from tests.support.shop import OpenShop

SHAPES: dict[str, Any] = {
    ESTIMATES: Estimate,
    ORDERS: Order,
    CUSTOMERS: Customer,
    USERS: User,
    DEVICES: Device,
    LINKS: Link,
    MESSAGES: Message,
    CREDENTIALS: Credential,
    TOTALS: Rollup,
    LOG: LogDocument,
    COUNTERS: StoreCounters,
}


def check_all(database: Database[Any], names: Iterable[str]) -> None:
    for name in names:
        documents = list(database[name].find())
        assert documents, name
        assert {line for each in documents for line in differences(each, SHAPES[name], name)} == set()


async def test_each_document_has_the_fields_and_types_that_are_described(
    own: Database[Any], open_shop: OpenShop
) -> None:
    await fill_all_collections(open_shop, own.name)
    check_all(own, SHAPES)


def test_imported_documents_have_the_fields_and_types_that_are_described(
    own: Database[Any], import_legacy: ImportCommand
) -> None:
    legacy.fill(own, legacy.nasty())
    import_legacy.report()
    check_all(own, (ESTIMATES, ORDERS, CUSTOMERS, TOTALS, COUNTERS))


class Example(TypedDict):
    count: int
    names: list[str]
    note: NotRequired[str | None]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"count": 1, "names": ["a"]}, []),
        ({"count": 1, "names": [], "note": None}, []),
        ({"count": True, "names": []}, [".count is of type bool"]),
        ({"count": 1, "names": ["a", 2]}, [".names[1] is of type int"]),
        ({"names": []}, [".count is absent"]),
        ({"count": 1, "names": [], "other": 1}, [".other is not described"]),
        ({"count": 1, "names": [], "note": 1}, [".note is of type int"]),
        ([], [" is of type list"]),
    ],
)
def test_the_checker_finds_differences(value: Any, found: list[str]) -> None:
    assert list(differences(value, Example)) == found
