"""Mutation tests of guards: a scenario that passes with a guard fails without it."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import pytest
from pymongo import WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from repositories.event_log.log_documents import log_documents
from repositories.journal import command, transaction
from repositories.journal.unit_of_work import UnitOfWork
from repositories.migrations.indexes import index_models
from repositories.sales import commands
from schemas.core.collections import CUSTOMERS, ESTIMATES, LINKS, LOG, ORDERS, USERS
from schemas.sales import pricing, statuses
from tests.journal import test_concurrent_writes as test_concurrency
from tests.journal import test_group_commit as test_journal
from tests.journal import test_idempotency
from tests.sales import test_estimates, test_orders
from tests.support.shop import Shop, opened

Patch = pytest.MonkeyPatch
Guard = Callable[[Shop, Patch], Awaitable[None]]
Scenario = Callable[[Shop], Awaitable[None]]


@pytest.fixture
async def disposable_shop(mongodb_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """Open a shop whose books are not checked, with a database of its own, since tests drop its indexes."""
    async with opened(mongodb_url, database_name=f"mutant_{abs(hash(request.node.name))}") as shop:
        yield shop
        await shop.database.client.drop_database(shop.database.name)


async def no_transaction(_: Shop, patch: Patch) -> None:
    """Write without a transaction."""
    patch.setattr(ClientSession, "start_transaction", lambda *_: nullcontext())
    patch.setattr(transaction, "commit", lambda *_: None)


def no_index(collection: str, name: str) -> Guard:
    async def drop(shop: Shop, _: Patch) -> None:
        await shop.database[collection].drop_index(name)

    drop.__name__ = f"no_{collection}_{name}"
    return drop


async def no_journaled_commit(_: Shop, patch: Patch) -> None:
    patch.setattr(transaction, "_DURABLE", WriteConcern(w="majority", j=False))


async def no_majority(_: Shop, patch: Patch) -> None:
    patch.setattr(transaction, "_DURABLE", WriteConcern(w=1, j=True))


async def no_counter_check(shop: Shop, patch: Patch) -> None:
    """Update the counters without a comparison, and evade the indexes that would reject the result too."""
    await shop.database[ORDERS].drop_index("given_number")
    update_one = Collection.update_one

    def blind(self: Any, criteria: Any, *args: Any, **options: Any) -> Any:
        return update_one(self, {"_id": criteria["_id"]}, *args, **options)

    patch.setattr(Collection, "update_one", blind)
    patch.setattr(transaction, "log_documents", lambda _, *rest: log_documents(secrets.token_hex(4), *rest))


async def no_stored_answers(_: Shop, patch: Patch) -> None:
    patch.setattr(UnitOfWork, "store_answer", lambda *_: None)


async def no_released_keys(_: Shop, patch: Patch) -> None:
    patch.setattr(UnitOfWork, "release_keys", lambda *_: None)


async def no_status_check(_: Shop, patch: Patch) -> None:
    patch.setattr(statuses, "check_transition", lambda *_: None)


async def no_fingerprint(_: Shop, patch: Patch) -> None:
    cached_answer = UnitOfWork.cached_answer

    def forgiving(self: UnitOfWork, keys: Any) -> Any:
        keys = [key._replace(fingerprint=self.requests.get(key.key, {}).get("fingerprint")) for key in keys]
        return cached_answer(self, keys)

    patch.setattr(UnitOfWork, "cached_answer", forgiving)


async def no_totals_check(_: Shop, patch: Patch) -> None:
    patch.setattr(pricing.RoundingRange, "holds", lambda *_: True)


async def no_conversion_check(_: Shop, patch: Patch) -> None:
    patch.setattr(commands, "check_unconverted", lambda _: None)


async def no_version_check(_: Shop, patch: Patch) -> None:
    patch.setattr(command, "check_version", lambda *_: None)


async def no_void(_: Shop, patch: Patch) -> None:
    """Find voided documents like others."""
    patch.setattr(
        UnitOfWork, "find", lambda self, kind, id_: self.changed.get((kind, id_)) or self.documents.get((kind, id_))
    )


async def replaced_with_a_stale_version(shop: Shop) -> None:
    await test_estimates.test_if_match_lets_only_the_held_version_be_replaced(shop, '"9"', 412)


async def a_number_of_an_estimate_is_taken(shop: Shop) -> None:
    duplicate = {"_id": "EST-ROGUE", "store": shop.store, "number": 1}
    await shop.database.estimates.insert_one(duplicate)
    with pytest.raises(BulkWriteError):
        await test_journal.journal_of(shop).submit(test_journal.estimate())


async def a_login_is_taken(shop: Shop) -> None:
    row = {"store": f"{shop.store}-people", "login": shop.store, "voided_at": None}
    await shop.database[USERS].insert_one({"_id": f"USER-1-{shop.store}", **row})
    with pytest.raises(DuplicateKeyError):
        await shop.database[USERS].insert_one({"_id": f"USER-2-{shop.store}", **row})


async def a_phone_number_has_two_customers(shop: Shop) -> None:
    rows = [{"_id": f"CUST-{shop.store}-{n}", "store": shop.store, "numbers": ["+919822012345"]} for n in range(2)]
    with pytest.raises(BulkWriteError):
        await shop.database.customers.insert_many(rows)


async def a_token_leads_to_two_documents(shop: Shop) -> None:
    rows = [{"_id": f"LINK-{shop.store}-{n}", "store": shop.store, "token": shop.store} for n in range(2)]
    with pytest.raises(BulkWriteError):
        await shop.database[LINKS].insert_many(rows)


async def a_connection_breaks(shop: Shop) -> None:
    await test_journal.test_a_transient_fault_books_each_sale_once(shop, "insert", {"closeConnection": True})


INDEXES: list[tuple[Guard, Scenario]] = [
    (no_index(USERS, "login"), a_login_is_taken),
    (no_index(LOG, "key"), test_idempotency.test_a_repeated_key_returns_the_first_answer),
    (no_index(ORDERS, "given_number"), test_journal.test_a_duplicate_number_fails_only_commands_of_that_kind),
    (no_index(ESTIMATES, "given_number"), a_number_of_an_estimate_is_taken),
    (no_index(CUSTOMERS, "numbers"), a_phone_number_has_two_customers),
    (no_index(LINKS, "token"), a_token_leads_to_two_documents),
    (
        no_index(ORDERS, "order_of_an_estimate"),
        test_journal.test_an_estimate_with_an_order_gets_no_second_one_even_if_it_is_not_marked,
    ),
]
MISSED: list[tuple[Guard, Scenario]] = [
    *INDEXES,
    (no_transaction, a_connection_breaks),
    (no_journaled_commit, test_journal.test_a_commit_waits_for_the_journals_of_a_majority),
    (no_majority, test_journal.test_a_commit_waits_for_the_journals_of_a_majority),
    (no_counter_check, test_journal.test_sales_of_another_process_are_noticed),
    (no_stored_answers, test_idempotency.test_a_repeated_key_returns_the_first_answer),
    (no_released_keys, test_idempotency.test_a_cart_whose_sale_was_voided_may_be_sold_again),
    (no_fingerprint, test_idempotency.test_another_body_under_the_same_key_is_refused),
    (no_totals_check, test_estimates.test_wrong_totals_are_rejected_with_the_correct_ones),
    (no_conversion_check, test_concurrency.test_two_hundred_conversions_with_different_keys_make_one_order),
    (no_version_check, replaced_with_a_stale_version),
    (no_status_check, test_orders.test_an_illegal_change_lists_the_legal_ones),
    (no_void, test_estimates.test_a_deleted_estimate_is_gone_and_its_number_is_not_used_again),
]


def test_each_unique_index_has_a_mutation() -> None:
    unique = {
        f"no_{collection}_{model.document['name']}"
        for collection, models in index_models(90).items()
        for model in models
        if model.document.get("unique")
    }
    assert {switch_off.__name__ for switch_off, _ in INDEXES} == unique


@pytest.mark.parametrize(("switch_off", "scenario"), MISSED, ids=[each.__name__ for each, _ in MISSED])
async def test_each_disabled_guard_is_detected(
    disposable_shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    switch_off: Guard,
    scenario: Scenario,
) -> None:
    with monkeypatch.context() as patch:
        await switch_off(disposable_shop, patch)
        # The fault fails an assertion, or an earlier step of the scenario.
        with pytest.raises((AssertionError, PyMongoError, LookupError, pytest.fail.Exception)):
            await scenario(disposable_shop)
