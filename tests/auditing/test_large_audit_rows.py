"""Pages of the audit log with large rows: limited by bytes, long values cut, and cursors that continue."""

import asyncio
from typing import Any

import pytest

from tests.support.payloads import estimate_body, line
from tests.support.shop import Shop

Json = dict[str, Any]
LONG: Json = {"items": [line(name="x" * 400)] * 300}


async def changed(shop: Shop, times: int) -> str:
    """Return an estimate that is long before and after each change."""
    estimate = await shop.estimate(**LONG)
    for number in range(times):
        body = estimate_body(**LONG, customer_name=f"Asha {number}")
        await shop.ok("PUT", f"/api/estimates/{estimate['estimate_id']}", json=body)
        body = estimate_body([line(name="y" * 400)] * 300, customer_name=f"Ravi {number}")
        await shop.ok("PUT", f"/api/estimates/{estimate['estimate_id']}", json=body)
    return str(estimate["estimate_id"])


async def test_long_values_are_cut_with_a_mark_of_their_length(shop: Shop) -> None:
    await changed(shop, 1)
    newest, *_ = await shop.get("/api/audit")
    for side, name in (("before", "Asha 0"), ("after", "Ravi 0")):
        assert newest[side]["customer_name"] == name
        assert newest[side]["items"]["cut"] is True
        assert 120_000 < newest[side]["items"]["bytes"] < 200_000
    assert len(str(newest)) < 5_000


async def test_a_conversion_of_a_long_estimate_is_cut_too(shop: Shop) -> None:
    estimate = await shop.estimate(**LONG)
    await shop.convert(estimate["estimate_id"])
    page = await shop.http.get("/api/audit")
    assert len(page.content) < 10_000


async def test_a_page_is_limited_by_bytes_and_the_cursor_continues(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repositories.auditing.audit_log.PAGE_BYTES", 500_000)
    await changed(shop, 4)
    seqs: list[int] = []
    pages, path = 0, "/api/audit?limit=500"
    while path:
        page = await shop.http.get(path)
        assert page.status_code == 200
        rows = page.json()
        assert 1 <= len(rows) < 9
        seqs += [row["seq"] for row in rows]
        pages += 1
        path = page.links["next"]["url"] if "next" in page.links else ""
    assert seqs == list(range(9, 0, -1))
    assert pages > 2


async def test_concurrent_pages_of_large_rows_all_succeed(shop: Shop) -> None:
    await changed(shop, 4)
    answers = await asyncio.gather(*(shop.http.get("/api/audit?limit=500") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert max(len(answer.content) for answer in answers) < 20_000
