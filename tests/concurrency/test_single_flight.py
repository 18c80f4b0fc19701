"""Work that concurrent callers share."""

import asyncio
from functools import partial

import pytest

from repositories.concurrency.single_flight import SingleFlight


async def test_concurrent_callers_share_the_work_for_a_key() -> None:
    flights: SingleFlight[str, int] = SingleFlight()
    begun: list[str] = []

    async def work(key: str) -> int:
        begun.append(key)
        await asyncio.sleep(0.01)
        return len(begun)

    results = await asyncio.gather(*(flights(key, partial(work, key)) for key in "aab"))
    assert results == [2, 2, 2]
    assert begun == ["a", "b"]
    assert await flights("a", lambda: work("a")) == 3
    assert not flights


async def test_a_cancelled_caller_does_not_end_the_work_and_a_failure_reaches_all_others() -> None:
    flights: SingleFlight[str, int] = SingleFlight()

    async def work() -> int:
        await asyncio.sleep(0.01)
        raise LookupError

    callers = [asyncio.ensure_future(flights("a", work)) for _ in range(3)]
    await asyncio.sleep(0)
    callers[0].cancel()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, LookupError, LookupError]
    assert "a" not in flights


async def test_stopping_cancels_the_work() -> None:
    flights: SingleFlight[str, bool] = SingleFlight()
    caller = asyncio.ensure_future(flights("a", asyncio.Event().wait))
    await asyncio.sleep(0)
    await flights.stop()
    with pytest.raises(asyncio.CancelledError):
        await caller
