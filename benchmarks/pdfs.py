"""The time to render PDFs of ten and of three hundred lines, in each script, with the workers of the service."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.measures import Results, Row, median, p99
from schemas.printing.letterhead import A4, ROLL, Letterhead
from services.printing.preemption import Preemption
from services.printing.renderer import PdfRenderer
from services.printing.worker_pool import RenderPool

SECTION = "PDFs"
ITEMS = {
    "Latin": "Cotton shirt",
    "Devanagari": "क्षत्रिय साड़ी",
    "Gujarati": "ગુજરાતી સાડી",
    "Tamil": "தமிழ் புடவை",
    "Telugu": "తెలుగు చీర",
    "Kannada": "ಕನ್ನಡ ಸೀರೆ",
    "Bengali": "বাংলা শাড়ি",
}
HEAD = Letterhead("Lakshmi Textiles", ("12 Commercial Street",), gst_number="29ABCDE1234F1Z5", upi_id="lakshmi@okbank")
_SHORT, _LONG = 10, 300


def measure(results: Results, *, rounds: int) -> None:
    asyncio.run(_measure(results, rounds))


async def _measure(results: Results, rounds: int) -> None:
    workers = RenderPool(Preemption(), size=1)
    renderer = PdfRenderer(workers, ZoneInfo("Asia/Kolkata"), "INR")
    await renderer.render(renderer.job(_order("Latin", 1, 0), HEAD))
    for script in ITEMS:
        times, size = await _times(renderer, script, _SHORT, rounds)
        target = "<= 60" if script == "Latin" else None
        results.add(
            SECTION,
            Row(f"{_SHORT} lines, {script}: p50", median(times), "ms", target=target),
            Row(f"{_SHORT} lines, {script}: p99", p99(times), "ms"),
            Row(f"{_SHORT} lines, {script}: size", size / 1000, "kB"),
        )
    roll, _ = await _times(renderer, "Latin", _SHORT, rounds, ROLL)
    long, size = await _times(renderer, "Latin", _LONG, max(rounds // 10, 3))
    results.add(
        SECTION,
        Row(f"{_SHORT} lines on an 80 mm roll: p50", median(roll), "ms"),
        Row(f"{_LONG} lines: p50", median(long), "ms"),
        Row(f"{_LONG} lines: p99", p99(long), "ms"),
        Row(f"{_LONG} lines: size", size / 1000, "kB"),
        # This worker has rendered the long documents; earlier ones have been replaced.
        Row("memory of a worker", _megabytes(workers.pids[0]), "MB", target="<= 512"),
    )
    await renderer.stop()


async def _times(
    renderer: PdfRenderer, script: str, lines: int, rounds: int, size: str = A4
) -> tuple[list[float], int]:
    """Return the milliseconds of each PDF, all different, and the bytes of the last one."""
    times, content = [], b""
    for number in range(1, rounds + 1):
        document = _order(script, lines, number)
        began = time.perf_counter()
        content = await renderer.render(renderer.job(document, HEAD, size))
        times.append(1_000 * (time.perf_counter() - began))
    return times, len(content)


def _order(script: str, lines: int, number: int) -> Any:
    at = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)
    item = {"price": 123_456, "quantity": 1_500, "discount": 12_500_000, "total": 162_036}
    total = lines * item["total"]
    return {
        "_id": f"ORDER-{script}-{lines}-{number}",
        "store": "main",
        "number": number,
        "version": 1,
        "created_at": at,
        "updated_at": at,
        "sale_by": "Ravi",
        "customer_name": f"{ITEMS[script]} {number}",
        "customer_phone": "98450 12345",
        "customer_address": "4 Lake Road\nMysuru",
        "status": "Completed",
        "items": [{"id": each, "name": f"{ITEMS[script]} {number}-{each}", **item} for each in range(lines)],
        "subtotal": total,
        "discount": 0,
        "discount_percentage": None,
        "round_off": 0,
        "total": total,
        "amount_paid": 10_000,
        "payment_mode": "Cash",
    }


def _megabytes(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1_000
