"""Take the picture of the board for the documentation: `python -m scripts.board_screenshot [FOLDER]`.

The script opens a store, sells for a day, and opens the real page in a real browser. With a folder, pictures of the
board in all color schemes go there instead.
"""

import asyncio
import random
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from app.database.local_mongod import find_mongod, local_mongod
from tests.support.browser import launched
from tests.support.clock import Clock
from tests.support.payloads import line
from tests.support.shop import Shop, opened

DOCS = Path(__file__).parents[1] / "docs"
OPENING, NOW = "2026-03-14T09:04:00+05:30", "2026-03-14T18:26:00+05:30"
STAFF = ("Asha Verma", "Ravi Nair", "Meera Iyer", "Dev Shah")
MODES = ("Cash", "Cash", "UPI: Asha", "UPI", "UPI", "Card", "Card", "Bank transfer")
# Weights of the hours from 9:00.
PACE = (2, 4, 6, 9, 8, 4, 3, 6, 10, 12)

WALL, FOUR_K, LAPTOP, PHONE = (1920, 1080), (3840, 2160), (1366, 768), (360, 740)


async def sell_a_day(shop: Shop, clock: Clock) -> None:
    """Make the sales and estimates of a day, always the same, up to the time of the picture."""
    chance = random.Random(7)
    clock.at(OPENING)
    opening = clock.now
    for hour, pace in enumerate(PACE):
        for step in range(pace):
            clock.now = opening + timedelta(
                hours=hour, minutes=step * 54 // pace * (0.35 if hour == len(PACE) - 1 else 1)
            )
            items = [line(chance.randrange(90, 2_400) + 0.5 * chance.randrange(2), chance.randint(1, 3))]
            seller = chance.choices(STAFF, (5, 4, 3, 2))[0]
            if chance.random() < 0.3:
                estimate = await shop.estimate(items=items, sale_by=seller)
                if chance.random() < 0.5:
                    await shop.convert(estimate["estimate_id"], payment_mode=chance.choice(MODES))
            else:
                sale = await shop.sale(items=items, sale_by=seller, payment_mode=chance.choice(MODES))
                if chance.random() < 0.04:
                    await shop.ok("PUT", f"/api/orders/{sale['order_id']}/status", params={"status": "Cancelled"})
    clock.at(NOW)


async def crowd_the_day(shop: Shop) -> None:
    """Fill the board: every payment mode, many sellers with long names, large amounts."""
    for number, mode in enumerate(
        ("Cash", "Card", "Online", "UPI: Venkataraman Subramanian", "Bank", "Cheque", "Barter")
    ):
        await shop.sale(
            items=[line(4_567_890.55, 1 + number)],
            sale_by=f"Venkatanarasimharajuvaripeta Subrahmanyam {number}",
            payment_mode=mode,
        )


async def take(
    browser: Browser, shop: Shop, file: Path, size: tuple[int, int], *, cut: bool = False, **options: Any
) -> None:
    """Take a picture of the live board; with `cut`, after the service has disappeared."""
    width, height = size
    context = await browser.new_context(
        viewport={"width": width, "height": height}, reduced_motion="reduce", timezone_id="Asia/Kolkata", **options
    )
    page = await context.new_page()
    await page.clock.set_fixed_time(NOW)
    await page.goto(f"http://127.0.0.1:{shop.port}/board")
    await page.locator("html[data-state=live]").wait_for()
    if cut:
        await context.set_offline(True)
        await page.locator("html[data-state=off]").wait_for()
    await page.screenshot(path=file, full_page=width < 1_000)
    await context.close()


async def main(arguments: list[str]) -> None:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, local_mongod(Path(folder), executable=find_mongod()) as url:
        async with opened(url, store_id="picture", clock=clock) as shop, async_playwright() as playwright:
            browser = await launched(playwright)
            if not arguments:
                await sell_a_day(shop, clock)
                await take(browser, shop, DOCS / "board.png", (1600, 900), color_scheme="dark")
                return
            out = Path(arguments[0])
            clock.at(NOW)
            await take(browser, shop, out / "empty-wall.png", WALL)
            await take(browser, shop, out / "empty-phone.png", PHONE)
            await sell_a_day(shop, clock)
            for name, size in {
                "wall": WALL,
                "4k": FOUR_K,
                "laptop": LAPTOP,
                "tablet": (820, 1180),
                "phone": PHONE,
            }.items():
                for scheme in ("light", "dark"):
                    await take(browser, shop, out / f"{name}-{scheme}.png", size, color_scheme=scheme)
            await crowd_the_day(shop)
            for name, size in {"full-wall": WALL, "full-laptop": LAPTOP, "full-phone": PHONE}.items():
                await take(browser, shop, out / f"{name}.png", size)
            await take(browser, shop, out / "off-wall.png", WALL, cut=True, color_scheme="light")
            await take(browser, shop, out / "off-phone.png", PHONE, cut=True, color_scheme="dark")
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
