"""Paper as it is asked for: over HTTP, of many at once, and on bad days."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.printing.fonts import INSTALLED
from services.printing.preemption import Preemption
from services.printing.renderer import PdfRenderer
from services.printing.worker_pool import PdfFailed, PdfUnavailable, RenderPool
from tests.support.payloads import line
from tests.support.printed_documents import HEAD, NAMES, ZONE, item, job, logo, order, texts
from tests.support.shop import OpenShop, Shop

_DYING_EARLY = """
import asyncio
from services.printing.preemption import Preemption
from services.printing.worker_pool import RenderPool
from tests.support.printed_documents import *
async def main():
    preemption = Preemption()
    preemption.set_busy(True)
    workers = RenderPool(preemption)
    setting = asyncio.create_task(workers.render(job(order())))
    while not preemption._preemptible:
        await asyncio.sleep(0)
    (process,) = preemption._preemptible
    print(process.pid, flush=True)
    import time
    time.sleep(60)
asyncio.run(main())
"""
_PARENT = """
import asyncio, os, signal
from services.printing.preemption import Preemption
from services.printing.worker_pool import RenderPool
from tests.support.printed_documents import *
async def main():
    workers = RenderPool(Preemption())
    await workers.render(job(order()))
    for pid in workers.pids:
        os.kill(pid, signal.SIGSTOP)
    print(*workers.pids, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_a_sale_and_an_estimate_on_paper(shop: Shop) -> None:
    sale = await shop.sale(items=[line(name=NAMES["Hindi"])])
    estimate = await shop.estimate()
    for path, name, title in (
        (f"/api/orders/{sale['order_id']}/pdf", "order-001.pdf", "BILL"),
        (f"/api/estimates/{estimate['estimate_id']}/pdf", "estimate-001.pdf", "ESTIMATE"),
    ):
        answer = await shop.http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.headers["content-disposition"] == f'inline; filename="{name}"'
        assert title in texts(answer.content)[0]
        roll = await shop.http.get(path, params={"paper": "80MM"})
        assert roll.content != answer.content
        assert (await shop.http.get(path)).content == answer.content


async def test_a_version_that_the_client_has_is_not_set_again(shop: Shop) -> None:
    sale = await shop.sale()
    path = f"/api/orders/{sale['order_id']}/pdf"
    tag = (await shop.http.head(path)).headers["etag"]
    held = await shop.http.get(path, headers={"If-None-Match": tag})
    assert (held.status_code, held.content, held.headers["etag"]) == (304, b"", tag)
    await shop.ok("PUT", f"/api/orders/{sale['order_id']}/status", json={"status": "Refunded"})
    changed = await shop.http.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert "Refunded" in texts(changed.content)[0]


async def test_what_is_not_there_or_not_meant_is_refused(shop: Shop) -> None:
    sale = await shop.sale()
    missing = await shop.http.get("/api/orders/ORDER-1/pdf")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = await shop.http.get(f"/api/orders/{sale['order_id']}/pdf", params={"paper": "A3"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_query")
    assert "A4, A5, 80mm" in wrong.json()["detail"]


async def test_a_bill_in_every_script_reads_back(shop: Shop) -> None:
    sale = await shop.sale(items=[line(name=name) for name in NAMES.values()])
    (text,) = texts((await shop.http.get(f"/api/orders/{sale['order_id']}/pdf")).content)
    assert [name for name in NAMES.values() if name not in text] == []


async def test_a_server_may_have_fonts_of_its_own(open_shop: OpenShop, tmp_path: Path) -> None:
    shutil.copy(f"{INSTALLED[1]}/NotoSansTamil[wght].ttf", tmp_path)
    counts = []
    for shop in (await open_shop(), await open_shop(font_dir=str(tmp_path))):
        sale = await shop.sale(items=[line(name=NAMES["Tamil"])])
        answer = await shop.http.get(f"/api/orders/{sale['order_id']}/pdf")
        assert NAMES["Tamil"] in texts(answer.content)[0]
        counts.append(answer.content.count(b"NotoSans-"))
    assert counts[0] > counts[1] == 0


class Counted(RenderPool):
    """Workers that count what they are given."""

    jobs = 0

    async def render(self, *args: object) -> bytes:
        self.jobs += 1
        return await super().render(*args)  # type: ignore[arg-type]


async def test_it_is_set_once_however_many_ask() -> None:
    workers = Counted(Preemption())
    paper = PdfRenderer(workers, ZONE, "INR")
    bill = paper.job(order(), HEAD)
    first = asyncio.create_task(paper.render(bill))
    others = [asyncio.create_task(paper.render(paper.job(order(), HEAD))) for _ in range(20)]
    await asyncio.sleep(0)
    # Whoever was first and goes away takes nothing from the others.
    first.cancel()
    assert len(set(await asyncio.gather(*others))) == 1
    await paper.render(bill)
    assert workers.jobs == 1
    await paper.render(paper.job(order(sale_by="Meera"), HEAD))
    assert workers.jobs == 2
    await paper.stop()


@pytest.mark.parametrize(
    "changes",
    [{"footer": "Come again"}, {"logo": logo()}, {"paper": "A5"}, {"address": ("x",)}],
    ids=["footer", "logo", "paper", "address"],
)
async def test_a_head_that_says_anything_else_is_another_sheet(changes: dict[str, Any]) -> None:
    """Whatever its version: a restored store may have the same one with other contents."""
    paper = PdfRenderer(RenderPool(Preemption()), ZONE, "INR")
    names = [paper.digest(paper.job(order(), head)) for head in (HEAD, replace(HEAD), replace(HEAD, **changes))]
    assert names[0] == names[1] != names[2]


async def test_a_worker_that_takes_too_long_is_killed_alone() -> None:
    workers = RenderPool(Preemption(), size=2, seconds=6.0)
    await asyncio.gather(*(workers.render(job(order(number=number))) for number in range(2)))
    stuck, other = workers.pids
    os.kill(stuck, signal.SIGSTOP)
    outcomes = await asyncio.gather(
        *(workers.render(job(order(number=number))) for number in range(6)), return_exceptions=True
    )
    assert [type(each) for each in outcomes].count(PdfUnavailable) == 1
    assert [each[:5] for each in outcomes if isinstance(each, bytes)] == [b"%PDF-"] * 5
    await workers.stop()
    assert not is_alive(stuck)
    assert not is_alive(other)


async def test_a_worker_that_died_is_replaced() -> None:
    workers = RenderPool(Preemption())
    await workers.render(job(order()))
    (pid,) = workers.pids
    os.kill(pid, signal.SIGKILL)
    # Whether its end was noticed before the next sheet, or by it.
    assert await workers.render(job(order()))
    assert pid not in workers.pids
    await workers.stop()


async def test_a_sheet_that_cannot_be_set_spares_its_worker() -> None:
    workers = RenderPool(Preemption())
    bad = job(order(), head=HEAD)
    with pytest.raises(PdfFailed):
        await workers.render(bad._replace(sheet=bad.sheet._replace(head=replace(HEAD, logo=b"no picture"))))
    before = workers.pids
    assert await workers.render(bad)
    assert workers.pids == before
    await workers.stop()


async def test_a_sheet_without_its_damaged_logo_spares_the_worker_too() -> None:
    workers = RenderPool(Preemption())
    paper = PdfRenderer(workers, ZONE, "INR")
    await paper.render(paper.job(order(), HEAD))
    before = workers.pids
    assert await paper.render(paper.job(order(), replace(HEAD, logo=b"no picture")))
    for sale_by in ("Asha", "Ravi"):
        await paper.render(paper.job(order(sale_by=sale_by), HEAD))
    assert workers.pids == before
    await workers.stop()


async def test_a_sheet_that_takes_too_much_memory_ends_its_worker_alone() -> None:
    workers = RenderPool(Preemption(), seconds=60, max_memory=900 * 2**20)
    huge = job(order(*[item("x" * 200)] * 20_000))
    with pytest.raises((PdfUnavailable, PdfFailed)):
        await workers.render(huge)
    assert await workers.render(job(order()))
    await workers.stop()


async def test_a_worker_that_keeps_too_much_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = RenderPool(Preemption())
    await workers.render(job(order()))
    before = workers.pids
    monkeypatch.setattr("services.printing.worker_pool.MAX_IDLE_MEGABYTES", 1)
    assert await workers.render(job(order()))
    assert (len(before), workers.pids) == (1, [])
    await workers.stop()


class HeldForAMinute(Preemption):
    """Says of each process that it was held for a minute."""

    @contextmanager
    def preemptible(self, process: asyncio.subprocess.Process, on_held: Callable[[float], None]) -> Iterator[None]:
        on_held(60.0)
        with super().preemptible(process, on_held):
            yield


async def test_time_in_which_a_worker_is_held_counts_for_nothing() -> None:
    workers = RenderPool(HeldForAMinute(), seconds=0.01)
    assert await workers.render(job(order()))
    await workers.stop()


async def test_no_more_wait_than_there_is_room_for() -> None:
    workers = RenderPool(Preemption(), size=1, max_waiting=2)
    outcomes = await asyncio.gather(
        *(workers.render(job(order(number=number))) for number in range(4)), return_exceptions=True
    )
    assert [type(each) for each in outcomes] == [bytes, bytes, PdfUnavailable, PdfUnavailable]
    await workers.stop()


@pytest.mark.parametrize("code", [_PARENT, _DYING_EARLY], ids=["at work", "being started"])
def test_workers_end_with_the_service_that_is_killed(code: str) -> None:
    """Paused workers end too."""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert [is_alive(pid) for pid in pids] == [True]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    give_up = time.monotonic() + 5
    while any(map(is_alive, pids)):
        assert time.monotonic() < give_up
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
