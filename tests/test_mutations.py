"""Each guard, switched off, is missed: a test of the suite that passes with it fails without it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import pytest
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

import repositories.commands
import repositories.transaction
import schemas.pricing
from repositories.unit_of_work import UnitOfWork
from tests import test_concurrency, test_estimates, test_idempotency, test_journal
from tests.shop import Shop, opened

Patch = pytest.MonkeyPatch


@pytest.fixture
async def doomed(mongodb_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """A shop whose books nobody checks in the end; its database is its own, since its indexes may go."""
    async with opened(mongodb_url, database_name=f"mutant_{abs(hash(request.node.name))}") as shop:
        yield shop
        await shop.database.client.drop_database(shop.database.name)


async def no_transaction(_: Shop, patch: Patch) -> None:
    """Each write stands as soon as it is sent."""
    patch.setattr(ClientSession, "start_transaction", lambda *_: nullcontext())
    patch.setattr(repositories.transaction, "_commit", lambda *_: None)


async def no_unique_key(shop: Shop, _: Patch) -> None:
    await shop.database.requests.drop_index("key")


async def no_unique_number(shop: Shop, _: Patch) -> None:
    await shop.database.orders.drop_index("number")


async def no_fingerprint(_: Shop, patch: Patch) -> None:
    recall = UnitOfWork.recall

    def forgiving(self: UnitOfWork, keys: Any) -> Any:
        keys = [key._replace(fingerprint=self.requests.get(key.key, {}).get("fingerprint")) for key in keys]
        return recall(self, keys)

    patch.setattr(UnitOfWork, "recall", forgiving)


async def no_proof_of_totals(_: Shop, patch: Patch) -> None:
    patch.setattr(schemas.pricing, "_close", lambda *_: True)


async def no_look_at_the_conversion(_: Shop, patch: Patch) -> None:
    patch.setattr(repositories.commands, "_refuse_converted", lambda _: None)


async def no_look_at_the_version(_: Shop, patch: Patch) -> None:
    patch.setattr(repositories.commands, "_refuse_stale", lambda *_: None)


async def no_void(_: Shop, patch: Patch) -> None:
    """A voided document is found like any other."""
    patch.setattr(
        UnitOfWork, "find", lambda self, kind, id_: self.changed.get((kind, id_)) or self.documents.get((kind, id_))
    )


MISSED: list[tuple[Callable[[Shop, Patch], Awaitable[None]], Callable[[Shop], Awaitable[None]]]] = [
    (
        no_transaction,
        lambda shop: test_journal.test_a_passing_fault_books_each_sale_once(shop, "insert", {"closeConnection": True}),
    ),
    (no_unique_key, test_idempotency.test_a_key_makes_the_second_answer_the_first),
    (no_unique_number, test_journal.test_a_number_that_is_taken_fails_its_own_kind_alone),
    (no_fingerprint, test_idempotency.test_another_body_under_the_same_key_is_refused),
    (no_proof_of_totals, test_estimates.test_totals_that_do_not_add_up_are_refused_with_the_right_ones),
    (no_look_at_the_conversion, test_concurrency.test_two_hundred_converts_with_keys_of_their_own_make_one_order),
    (
        no_look_at_the_version,
        lambda shop: test_estimates.test_if_match_lets_only_the_held_version_be_replaced(shop, '"9"', 412),
    ),
    (no_void, test_estimates.test_deleting_takes_it_away_for_good_and_spends_its_number),
]


@pytest.mark.parametrize(("switch_off", "scenario"), MISSED, ids=[each.__name__ for each, _ in MISSED])
async def test_a_guard_that_is_switched_off_is_missed(
    doomed: Shop,
    monkeypatch: pytest.MonkeyPatch,
    switch_off: Callable[[Shop, Patch], Awaitable[None]],
    scenario: Callable[[Shop], Awaitable[None]],
) -> None:
    with monkeypatch.context() as patch:
        await switch_off(doomed, patch)
        # What goes wrong then is seen by an assertion, or stops the scenario on its way.
        with pytest.raises((AssertionError, PyMongoError, LookupError, pytest.fail.Exception)):
            await scenario(doomed)
