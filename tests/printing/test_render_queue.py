"""Long and short documents: a short one does not wait for the long ones of another client."""

import asyncio

import pytest

from services.printing.job_slots import JobSlots
from services.printing.preemption import Preemption
from services.printing.renderer import LONG_PER_CLIENT, PdfRenderer
from services.printing.worker_pool import PdfUnavailable, RenderPool
from tests.support.payloads import line
from tests.support.printed_documents import HEAD, ZONE, item, order
from tests.support.shop import Shop

LENGTHY = [item("x" * 200)] * 100


async def test_the_shortest_is_first_and_a_short_one_waits_for_no_long_one() -> None:
    slots, done = JobSlots(size=1, short=10), []
    ends = {length: asyncio.Event() for length in (100, 90, 50, 9, 8, 7)}

    async def work(length: int) -> None:
        async with slots.slot(length):
            done.append(length)
            await ends[length].wait()

    tasks = {length: asyncio.create_task(work(length)) for length in ends}
    await asyncio.sleep(0.01)
    assert done == [100, 9]
    ends[9].set()
    await asyncio.sleep(0.01)
    assert done == [100, 9, 7]
    tasks[50].cancel()
    for length in (100, 7, 8, 90):
        ends[length].set()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert done == [100, 9, 7, 8, 90]
    async with slots.slot(1), slots.slot(1):
        pass


async def test_a_bill_of_one_line_does_not_wait_for_the_long_documents_of_another() -> None:
    workers = RenderPool(Preemption(), size=1, seconds=120)
    paper = PdfRenderer(workers, ZONE, "INR")
    long = [paper.job(order(*LENGTHY, number=number), HEAD) for number in range(LONG_PER_CLIENT)]
    setting = [asyncio.create_task(paper.render(each, "asha")) for each in long]
    await asyncio.sleep(0)
    with pytest.raises(PdfUnavailable) as refusal:
        await paper.render(paper.job(order(*LENGTHY, number=9), HEAD), "asha")
    assert (await paper.render(paper.job(order(), HEAD), "ravi")).startswith(b"%PDF-")
    # While what was asked for before is still being set, or waits.
    assert not setting[-1].done()
    assert refusal.value.headers is not None
    assert int(refusal.value.headers["Retry-After"]) > 0
    # What is under way already is theirs to have again, and her short ones are set.
    again = asyncio.create_task(paper.render(long[0], "asha"))
    await paper.render(paper.job(order(number=5), HEAD), "asha")
    await asyncio.gather(*setting, again)
    await paper.render(paper.job(order(*LENGTHY, number=9), HEAD), "asha")
    assert not paper._shares
    await paper.stop()


async def test_long_documents_beyond_the_share_of_one_are_refused_with_a_time_to_come_back(shop: Shop) -> None:
    sales = [
        await shop.sale(items=[line(name=f"{number} " + "x" * 300)] * 200) for number in range(LONG_PER_CLIENT + 3)
    ]
    short = await shop.sale()
    asked = [asyncio.create_task(shop.http.get(f"/api/orders/{sale['order_id']}/pdf")) for sale in sales]
    answers = [await shop.http.get(f"/api/orders/{short['order_id']}/pdf"), *await asyncio.gather(*asked)]
    assert answers[0].status_code == 200
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(refused) >= 3
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(503, "pdf_unavailable")}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
