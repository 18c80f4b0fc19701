"""Requests that schemathesis thinks of, from the API's own description: no answer may be outside of it.

All of its checks: no 5xx, only described statuses, types, headers and shapes, what is wrong is refused, what is right
is not, what was made is there, what was voided is gone; each request on its own, and along the links of the answers.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LongRun
from tests.server.test_startup import ROOT
from tests.support.payloads import estimate_body, line, sale_body
from tests.support.shop import OpenShop, Shop

pytestmark = pytest.mark.soak

LISTS = (
    "/api/estimates/all",
    "/api/estimates/pending",
    "/api/estimates/converted",
    "/api/orders/all",
    "/api/orders/separate",
    "/api/orders/orders-only",
    "/api/reports/today",
    "/api/reports/staff-performance",
    "/api/reports/estimates-only",
    "/api/reports/orders-only",
    "/api/events",
)
# The stream of events does not end, so it would hold up each request; `test_openapi_answers.py` looks at it.
ENDLESS = "/api/events/stream"


async def test_no_request_finds_a_fault(open_shop: OpenShop, long_run: LongRun, tmp_path: Path) -> None:
    # In a database of its own: an owner of all stores sees the people of every other test.
    shop = await open_shop(database_name="pos_schemathesis")
    size = (
        ("--max-examples", "100")
        if long_run.is_long
        else ("--max-examples", "3", "--phases", "examples,fuzzing,stateful")
    )
    report, output = await _schemathesis(shop, tmp_path, "--seed", str(long_run.seed), *size)
    cases = report["test_cases"]["generated"]
    print(f"\nschemathesis (seed {long_run.seed}): {cases:,} cases, {len(report['failures'])} failures")  # noqa: T201
    assert report["failures"] == report["errors"] == [], output
    assert report["exit_code"] == 0, output
    assert report["operations"]["tested"] == report["operations"]["total"] - 1
    assert cases >= (5_000 if long_run.is_long else 100)
    for path in LISTS:
        assert (await shop.http.get(path)).status_code == 200, path


async def _schemathesis(shop: Shop, folder: Path, *options: str) -> tuple[Any, str]:
    """Its report, and what it said."""
    command = [
        str(Path(sys.executable).with_name("st")),
        "--config-file",
        str(ROOT / "tests" / "openapi" / "schemathesis.toml"),
    ]
    command += ["run", f"http://127.0.0.1:{shop.port}/openapi.json", "--exclude-path", ENDLESS, "--no-color"]
    command += ["--generation-database", "none", "--report", "json", "--report-json-path", "report.json", *options]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
    report = folder / "report.json"
    assert report.exists(), said
    return json.loads(report.read_text()), said


@pytest.mark.parametrize("body", [{}, {"status": None}, None])
async def test_a_status_in_the_query_needs_none_in_the_body(shop: Shop, body: Any) -> None:
    order = (await shop.sale())["order_id"]
    answer = await shop.http.put(f"/api/orders/{order}/status?status=Cancelled", json=body)
    assert (answer.status_code, answer.json()["status"]) == (200, "Cancelled")


async def test_a_wrong_status_in_the_body_is_wrong_beside_a_right_one_too(shop: Shop) -> None:
    order = (await shop.sale())["order_id"]
    answer = await shop.http.put(f"/api/orders/{order}/status?status=Cancelled", json={"status": "Lost"})
    assert answer.json()["errors"] == [
        {
            "pointer": "/status",
            "detail": "must be one of Pending, Processing, Completed, Cancelled, Refunded",
        }
    ]


async def test_a_whole_float_is_an_integer(shop: Shop) -> None:
    estimate = (await shop.estimate(items=[line(id=7.0)]))["estimate_id"]
    (shown,) = (await shop.get(f"/api/estimates/{estimate}"))["items"]
    assert shown["id"] == 7


@pytest.mark.parametrize("field", ["price", "quantity"])
async def test_what_is_hardly_below_zero_is_below_zero(shop: Shop, field: str) -> None:
    lines = [line(**{field: -5e-324})]
    answer = await shop.http.post("/api/orders/create-sale", json=sale_body(lines, subtotal=0, total=0))
    assert answer.json()["errors"][0]["pointer"] == f"/items/0/{field}"


async def test_an_invisible_text_is_none(shop: Shop) -> None:
    estimate = (await shop.estimate(customer_phone="\u200b"))["estimate_id"]
    assert (await shop.get(f"/api/estimates/{estimate}"))["customer_phone"] == ""
    answer = await shop.http.post("/api/estimates/create", json=estimate_body(customer_name="\u200b \u2060"))
    assert answer.json()["errors"] == [{"pointer": "/customer_name", "detail": "must not be empty"}]
