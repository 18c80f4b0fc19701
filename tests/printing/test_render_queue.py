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


async def test_short_jobs_run_first_and_do_not_wait_for_long_ones() -> None:
    slots, started = JobSlots(size=1, short=10), []
    ends = {length: asyncio.Event() for length in (100, 90, 50, 9, 8, 7)}

    async def work(length: int) -> None:
        async with slots.slot(length):
            started.append(length)
            await ends[length].wait()

    tasks = {length: asyncio.create_task(work(length)) for length in ends}
    await asyncio.sleep(0.01)
    assert started == [100, 9]
    ends[9].set()
    await asyncio.sleep(0.01)
    assert started == [100, 9, 7]
    tasks[50].cancel()
    for length in (100, 7, 8, 90):
        ends[length].set()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert started == [100, 9, 7, 8, 90]
    async with slots.slot(1), slots.slot(1):
        pass


async def test_a_short_document_does_not_wait_for_long_ones_of_another_client() -> None:
    pool = RenderPool(Preemption(), size=1, seconds=120)
    renderer = PdfRenderer(pool, ZONE, "INR")
    long = [renderer.job(order(*LENGTHY, number=number), HEAD) for number in range(LONG_PER_CLIENT)]
    rendering = [asyncio.create_task(renderer.render(each, "asha")) for each in long]
    await asyncio.sleep(0)
    with pytest.raises(PdfUnavailable) as refusal:
        await renderer.render(renderer.job(order(*LENGTHY, number=9), HEAD), "asha")
    assert (await renderer.render(renderer.job(order(), HEAD), "ravi")).startswith(b"%PDF-")
    # The last of the long documents still waits, or is being rendered.
    assert not rendering[-1].done()
    assert refusal.value.headers is not None
    assert int(refusal.value.headers["Retry-After"]) > 0
    # A document in progress can be requested again, and short ones of the same client are rendered.
    again = asyncio.create_task(renderer.render(long[0], "asha"))
    await renderer.render(renderer.job(order(number=5), HEAD), "asha")
    await asyncio.gather(*rendering, again)
    await renderer.render(renderer.job(order(*LENGTHY, number=9), HEAD), "asha")
    assert not renderer._shares
    await renderer.stop()


async def test_too_many_long_documents_of_one_client_are_rejected_with_retry_after(shop: Shop) -> None:
    sales = [
        await shop.sale(items=[line(name=f"{number} " + "x" * 300)] * 200) for number in range(LONG_PER_CLIENT + 3)
    ]
    short = await shop.sale()
    requests = [asyncio.create_task(shop.http.get(f"/api/orders/{sale['order_id']}/pdf")) for sale in sales]
    answers = [await shop.http.get(f"/api/orders/{short['order_id']}/pdf"), *await asyncio.gather(*requests)]
    assert answers[0].status_code == 200
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(refused) >= 3
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(503, "pdf_unavailable")}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
