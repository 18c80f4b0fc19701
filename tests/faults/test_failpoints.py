"""Fail points that count commands must name a collection, so that background polls are not counted."""

import pytest
from pymongo.errors import OperationFailure

from tests.support.faults.failpoints import failing
from tests.support.shop import Shop


@pytest.mark.parametrize("counting", [{"times": 1}, {"skip": 2}])
async def test_a_fail_point_that_counts_commands_must_name_a_collection(shop: Shop, counting: dict[str, int]) -> None:
    with pytest.raises(AssertionError, match="name the namespace"):
        async with failing(shop.database, "find", closeConnection=True, **counting):  # type: ignore[arg-type]
            pass


async def test_a_command_for_another_collection_is_not_counted(shop: Shop) -> None:
    there = f"{shop.database.name}.customers"
    async with failing(shop.database, "find", times=1, namespace=there, errorCode=11_601) as is_reached:
        for _ in range(3):
            await shop.database.counters.find_one({})
        assert not await is_reached()
        with pytest.raises(OperationFailure, match=r"code.: 11601"):
            await shop.database.customers.find_one({})
        assert await is_reached()
