"""Sales continue while other clients read large lists at the same time."""

import asyncio

from tests.support.payloads import line
from tests.support.shop import Shop

LISTS = 100


async def test_sales_continue_during_a_hundred_concurrent_whole_lists(shop: Shop) -> None:
    """Check that later sales are committed before the last list is complete; lists beyond the capacity are a 503."""
    lines = [line(name=f"{number} " + "x" * 200) for number in range(40)]
    await asyncio.gather(*(shop.sale(items=lines) for _ in range(60)))
    done: list[str] = []

    async def load(number: int) -> None:
        # Each list has different parameters, so that no response is cached.
        answer = await shop.http.get("/api/orders/all", params={"q": f"test {'x' * (number % 7)}".strip()})
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
        done.append(f"list {answer.status_code}")

    async def sell() -> None:
        await shop.sale()
        done.append("sale")

    lists = [asyncio.create_task(load(number)) for number in range(LISTS)]
    await asyncio.sleep(0)
    await asyncio.gather(*(sell() for _ in range(5)))
    before = len(done) - done.count("sale")
    await asyncio.gather(*lists)
    assert before < LISTS
    assert done.count("sale") == 5
    assert "list 200" in done
