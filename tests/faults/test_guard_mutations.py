"""Each guard, switched off, is missed: a test of the suite that passes with it fails without it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import pytest
from pymongo import WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from repositories.journal import transaction
from repositories.journal.unit_of_work import UnitOfWork
from repositories.migrations.indexes import index_models
from repositories.sales import commands
from schemas.core.collections import CUSTOMERS, ESTIMATES, EVENTS, LINKS, ORDERS, REQUESTS, USERS
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
async def doomed(mongodb_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """A shop whose books nobody checks in the end; its database is its own, since its indexes may go."""
    async with opened(mongodb_url, database_name=f"mutant_{abs(hash(request.node.name))}") as shop:
        yield shop
        await shop.database.client.drop_database(shop.database.name)


async def no_transaction(_: Shop, patch: Patch) -> None:
    """Each write stands as soon as it is sent."""
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


async def no_look_at_the_counters(shop: Shop, patch: Patch) -> None:
    """Two processes raise them, each from where it believes them to be. The indexes, which would forbid that too, stand
    aside."""
    await shop.database[ORDERS].drop_index("given_number")
    await shop.database[EVENTS].drop_index("seq")
    update_one = Collection.update_one

    def blind(self: Any, criteria: Any, *args: Any, **options: Any) -> Any:
        return update_one(self, {"_id": criteria["_id"]}, *args, **options)

    patch.setattr(Collection, "update_one", blind)


async def no_memory_of_answers(_: Shop, patch: Patch) -> None:
    patch.setattr(UnitOfWork, "remember", lambda *_: None)


async def no_key_is_freed(_: Shop, patch: Patch) -> None:
    patch.setattr(UnitOfWork, "forget", lambda *_: None)


async def no_look_at_the_status(_: Shop, patch: Patch) -> None:
    patch.setattr(statuses, "check_transition", lambda *_: None)


async def no_fingerprint(_: Shop, patch: Patch) -> None:
    cached_answer = UnitOfWork.cached_answer

    def forgiving(self: UnitOfWork, keys: Any) -> Any:
        keys = [key._replace(fingerprint=self.requests.get(key.key, {}).get("fingerprint")) for key in keys]
        return cached_answer(self, keys)

    patch.setattr(UnitOfWork, "recall", forgiving)


async def no_proof_of_totals(_: Shop, patch: Patch) -> None:
    patch.setattr(pricing.RoundingRange, "holds", lambda *_: True)


async def no_look_at_the_conversion(_: Shop, patch: Patch) -> None:
    patch.setattr(commands, "refuse_converted", lambda _: None)


async def no_look_at_the_version(_: Shop, patch: Patch) -> None:
    patch.setattr(commands, "refuse_stale", lambda *_: None)


async def no_void(_: Shop, patch: Patch) -> None:
    """A voided document is found like any other."""
    patch.setattr(
        UnitOfWork, "find", lambda self, kind, id_: self.changed.get((kind, id_)) or self.documents.get((kind, id_))
    )


async def replaced_from_an_old_screen(shop: Shop) -> None:
    await test_estimates.test_if_match_lets_only_the_held_version_be_replaced(shop, '"9"', 412)


async def a_number_of_an_estimate_is_taken(shop: Shop) -> None:
    rogue = {"_id": "EST-ROGUE", "store": shop.store, "number": 1}
    await shop.database.estimates.insert_one(rogue)
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
    await test_journal.test_a_passing_fault_books_each_sale_once(shop, "insert", {"closeConnection": True})


INDEXES: list[tuple[Guard, Scenario]] = [
    (no_index(USERS, "login"), a_login_is_taken),
    (no_index(REQUESTS, "key"), test_idempotency.test_a_key_makes_the_second_answer_the_first),
    (no_index(ORDERS, "given_number"), test_journal.test_a_number_that_is_taken_fails_its_own_kind_alone),
    (no_index(ESTIMATES, "given_number"), a_number_of_an_estimate_is_taken),
    (no_index(CUSTOMERS, "numbers"), a_phone_number_has_two_customers),
    (no_index(LINKS, "token"), a_token_leads_to_two_documents),
    (no_index(EVENTS, "seq"), test_journal.test_a_place_in_the_log_that_is_taken_is_not_taken_again),
    (
        no_index(ORDERS, "order_of_an_estimate"),
        test_journal.test_an_estimate_that_has_an_order_gets_no_second_one_whatever_its_own_document_says,
    ),
]
MISSED: list[tuple[Guard, Scenario]] = [
    *INDEXES,
    (no_transaction, a_connection_breaks),
    (no_journaled_commit, test_journal.test_a_commit_is_acknowledged_from_the_disks_of_a_majority),
    (no_majority, test_journal.test_a_commit_is_acknowledged_from_the_disks_of_a_majority),
    (no_look_at_the_counters, test_journal.test_what_another_process_has_sold_meanwhile_is_noticed),
    (no_memory_of_answers, test_idempotency.test_a_key_makes_the_second_answer_the_first),
    (no_key_is_freed, test_idempotency.test_a_cart_whose_sale_was_voided_may_be_sold_anew),
    (no_fingerprint, test_idempotency.test_another_body_under_the_same_key_is_refused),
    (no_proof_of_totals, test_estimates.test_totals_that_do_not_add_up_are_refused_with_the_right_ones),
    (no_look_at_the_conversion, test_concurrency.test_two_hundred_converts_with_keys_of_their_own_make_one_order),
    (no_look_at_the_version, replaced_from_an_old_screen),
    (no_look_at_the_status, test_orders.test_an_illegal_change_says_what_would_be_legal),
    (no_void, test_estimates.test_deleting_takes_it_away_for_good_and_spends_its_number),
]


def test_every_unique_index_is_among_them() -> None:
    unique = {
        f"no_{collection}_{model.document['name']}"
        for collection, models in index_models(90).items()
        for model in models
        if model.document.get("unique")
    }
    assert {switch_off.__name__ for switch_off, _ in INDEXES} == unique


@pytest.mark.parametrize(("switch_off", "scenario"), MISSED, ids=[each.__name__ for each, _ in MISSED])
async def test_a_guard_that_is_switched_off_is_missed(
    doomed: Shop,
    monkeypatch: pytest.MonkeyPatch,
    switch_off: Guard,
    scenario: Scenario,
) -> None:
    with monkeypatch.context() as patch:
        await switch_off(doomed, patch)
        # What goes wrong then is seen by an assertion, or stops the scenario on its way.
        with pytest.raises((AssertionError, PyMongoError, LookupError, pytest.fail.Exception)):
            await scenario(doomed)
