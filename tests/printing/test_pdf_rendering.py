"""Rendering of PDFs: over HTTP, concurrently, and with failures."""

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

_PARENT_DURING_START = """
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


async def test_pdfs_of_a_sale_and_an_estimate(shop: Shop) -> None:
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


async def test_a_conditional_request_for_a_pdf_gets_304(shop: Shop) -> None:
    sale = await shop.sale()
    path = f"/api/orders/{sale['order_id']}/pdf"
    tag = (await shop.http.head(path)).headers["etag"]
    held = await shop.http.get(path, headers={"If-None-Match": tag})
    assert (held.status_code, held.content, held.headers["etag"]) == (304, b"", tag)
    await shop.ok("PUT", f"/api/orders/{sale['order_id']}/status", json={"status": "Refunded"})
    changed = await shop.http.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert "Refunded" in texts(changed.content)[0]


async def test_missing_documents_and_unknown_paper_sizes_are_rejected(shop: Shop) -> None:
    sale = await shop.sale()
    missing = await shop.http.get("/api/orders/ORDER-1/pdf")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = await shop.http.get(f"/api/orders/{sale['order_id']}/pdf", params={"paper": "A3"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_query")
    assert "A4, A5, 80mm" in wrong.json()["detail"]


async def test_a_pdf_with_every_script_can_be_extracted(shop: Shop) -> None:
    sale = await shop.sale(items=[line(name=name) for name in NAMES.values()])
    (text,) = texts((await shop.http.get(f"/api/orders/{sale['order_id']}/pdf")).content)
    assert [name for name in NAMES.values() if name not in text] == []


async def test_fonts_can_be_configured(open_shop: OpenShop, tmp_path: Path) -> None:
    shutil.copy(f"{INSTALLED[1]}/NotoSansTamil[wght].ttf", tmp_path)
    counts = []
    for shop in (await open_shop(), await open_shop(font_dir=str(tmp_path))):
        sale = await shop.sale(items=[line(name=NAMES["Tamil"])])
        answer = await shop.http.get(f"/api/orders/{sale['order_id']}/pdf")
        assert NAMES["Tamil"] in texts(answer.content)[0]
        counts.append(answer.content.count(b"NotoSans-"))
    assert counts[0] > counts[1] == 0


class CountingPool(RenderPool):
    """A pool that counts its jobs."""

    jobs = 0

    async def render(self, *args: object) -> bytes:
        self.jobs += 1
        return await super().render(*args)  # type: ignore[arg-type]


async def test_concurrent_requests_render_a_document_once() -> None:
    pool = CountingPool(Preemption())
    renderer = PdfRenderer(pool, ZONE, "INR")
    order_job = renderer.job(order(), HEAD)
    first = asyncio.create_task(renderer.render(order_job))
    others = [asyncio.create_task(renderer.render(renderer.job(order(), HEAD))) for _ in range(20)]
    await asyncio.sleep(0)
    # A cancelled first request does not affect the others.
    first.cancel()
    assert len(set(await asyncio.gather(*others))) == 1
    await renderer.render(order_job)
    assert pool.jobs == 1
    await renderer.render(renderer.job(order(sale_by="Meera"), HEAD))
    assert pool.jobs == 2
    await renderer.stop()


@pytest.mark.parametrize(
    "changes",
    [{"footer": "Come again"}, {"logo": logo()}, {"paper": "A5"}, {"address": ("x",)}],
    ids=["footer", "logo", "paper", "address"],
)
async def test_a_different_letterhead_gives_a_different_pdf(changes: dict[str, Any]) -> None:
    """Compare the content, since a restored store may have the same version with other settings."""
    renderer = PdfRenderer(RenderPool(Preemption()), ZONE, "INR")
    names = [renderer.digest(renderer.job(order(), head)) for head in (HEAD, replace(HEAD), replace(HEAD, **changes))]
    assert names[0] == names[1] != names[2]


async def test_only_the_worker_that_takes_too_long_is_killed() -> None:
    pool = RenderPool(Preemption(), size=2, seconds=6.0)
    await asyncio.gather(*(pool.render(job(order(number=number))) for number in range(2)))
    stuck, other = pool.pids
    os.kill(stuck, signal.SIGSTOP)
    outcomes = await asyncio.gather(
        *(pool.render(job(order(number=number))) for number in range(6)), return_exceptions=True
    )
    assert [type(each) for each in outcomes].count(PdfUnavailable) == 1
    assert [each[:5] for each in outcomes if isinstance(each, bytes)] == [b"%PDF-"] * 5
    await pool.stop()
    assert not is_alive(stuck)
    assert not is_alive(other)


async def test_a_dead_worker_is_replaced() -> None:
    pool = RenderPool(Preemption())
    await pool.render(job(order()))
    (pid,) = pool.pids
    os.kill(pid, signal.SIGKILL)
    # Its end is noticed before or by the next job.
    assert await pool.render(job(order()))
    assert pid not in pool.pids
    await pool.stop()


async def test_a_worker_survives_a_document_that_cannot_be_rendered() -> None:
    pool = RenderPool(Preemption())
    bad = job(order(), head=HEAD)
    with pytest.raises(PdfFailed):
        await pool.render(bad._replace(sheet=bad.sheet._replace(head=replace(HEAD, logo=b"no picture"))))
    before = pool.pids
    assert await pool.render(bad)
    assert pool.pids == before
    await pool.stop()


async def test_a_worker_survives_a_damaged_logo() -> None:
    pool = RenderPool(Preemption())
    renderer = PdfRenderer(pool, ZONE, "INR")
    await renderer.render(renderer.job(order(), HEAD))
    before = pool.pids
    assert await renderer.render(renderer.job(order(), replace(HEAD, logo=b"no picture")))
    for sale_by in ("Asha", "Ravi"):
        await renderer.render(renderer.job(order(sale_by=sale_by), HEAD))
    assert pool.pids == before
    await pool.stop()


async def test_only_the_worker_that_exceeds_its_memory_ends() -> None:
    pool = RenderPool(Preemption(), seconds=60, max_memory=900 * 2**20)
    huge_job = job(order(*[item("x" * 200)] * 20_000))
    with pytest.raises((PdfUnavailable, PdfFailed)):
        await pool.render(huge_job)
    assert await pool.render(job(order()))
    await pool.stop()


async def test_a_worker_with_too_much_memory_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = RenderPool(Preemption())
    await pool.render(job(order()))
    before = pool.pids
    monkeypatch.setattr("services.printing.worker_pool.MAX_IDLE_MEGABYTES", 1)
    assert await pool.render(job(order()))
    assert (len(before), pool.pids) == (1, [])
    await pool.stop()


class PausedForAMinute(Preemption):
    """Reports for each process that it was paused for a minute."""

    @contextmanager
    def preemptible(self, process: asyncio.subprocess.Process, on_held: Callable[[float], None]) -> Iterator[None]:
        on_held(60.0)
        with super().preemptible(process, on_held):
            yield


async def test_paused_time_does_not_count_for_the_timeout() -> None:
    pool = RenderPool(PausedForAMinute(), seconds=0.01)
    assert await pool.render(job(order()))
    await pool.stop()


async def test_the_number_of_waiting_jobs_is_limited() -> None:
    pool = RenderPool(Preemption(), size=1, max_waiting=2)
    outcomes = await asyncio.gather(
        *(pool.render(job(order(number=number))) for number in range(4)), return_exceptions=True
    )
    assert [type(each) for each in outcomes] == [bytes, bytes, PdfUnavailable, PdfUnavailable]
    await pool.stop()


@pytest.mark.parametrize("code", [_PARENT, _PARENT_DURING_START], ids=["idle", "starting"])
def test_workers_end_with_a_killed_service(code: str) -> None:
    """Check that suspended workers end, too."""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert [is_alive(pid) for pid in pids] == [True]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
