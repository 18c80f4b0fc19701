"""The board on a phone and on a wall screen, with and without motion, and for a screen reader."""

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Page, expect

from scripts.board_screenshot import crowd_the_day
from tests.support.board_page import FORBIDDEN, Open, disconnect_all
from tests.support.payloads import line
from tests.support.shop import Shop

# The texts of a page whose contrast to their background is too small.
FAINT_TEXTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const light = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'white';
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const element = text.parentElement, style = getComputedStyle(element);
    if (!text.textContent.trim() || !element.checkVisibility()) continue;
    const [a, b] = [light(element instanceof SVGElement ? style.fill : style.color), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(`${text.textContent.trim()}: ${contrast.toFixed(2)}`);
  }
  return faint;
}"""

SIZE = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"


async def test_no_element_is_wider_than_the_screen(shop: Shop, screen: Open) -> None:
    await crowd_the_day(shop)
    page = (await screen(shop)).page
    for width in (320, 360, 768, 1024, 1366):
        await page.set_viewport_size({"width": width, "height": 740})
        assert (await page.evaluate(SIZE))[0] <= width
        for each in ("#revenue", "#state", "#orders", "#average", "#latest-rows tr:last-child", "#chart"):
            left, right = await edges(page, each, "x", "width")
            assert 0 <= left < right <= width, (each, width)


async def test_a_wall_screen_shows_everything_without_scrolling(shop: Shop, screen: Open) -> None:
    await crowd_the_day(shop)
    page = (await screen(shop)).page
    for width, height in ((1366, 768), (1920, 1080), (3840, 2160)):
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate(SIZE) == [width, height]
        for table in ("payment", "staff", "latest"):
            assert (await edges(page, f"#{table}-rows", "y", "height"))[1] <= height
        letters = "parseFloat(getComputedStyle(document.querySelector('#latest-rows th')).fontSize)"
        assert await page.evaluate(letters) >= height / 60


async def edges(page: Page, selector: str, start: str, length: str) -> tuple[float, float]:
    """Return the edges of an element."""
    box: Any = await page.locator(selector).bounding_box()
    return box[start], box[start] + box[length]


async def test_reduced_motion_is_respected(shop: Shop, screen: Open) -> None:
    moving, still = await screen(shop, reduced_motion="no-preference"), await screen(shop, reduced_motion="reduce")
    await shop.sale()
    running = "document.querySelector('tr.fresh th').getAnimations().length"
    for board, count in ((moving, 1), (still, 0)):
        await expect(board.page.locator("tr.fresh")).to_have_count(1)
        assert await board.page.evaluate(running) == count
        transition = "getComputedStyle(document.querySelector('.bar')).transitionDuration"
        assert (await board.page.evaluate(transition) == "0s") == (count == 0)


async def test_the_board_works_with_screen_readers(shop: Shop, screen: Open) -> None:
    """Check landmarks, headings, and tables with named columns and rows, which a screen reader needs."""
    await shop.sale(sale_by="Asha")
    page = (await screen(shop)).page
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    for landmark in ("banner", "main"):
        await expect(page.get_by_role(landmark)).to_have_count(1)
    assert await page.get_by_role("heading", level=2).all_inner_texts() == [
        "Takings today",
        "By hour",
        "By payment",
        "Staff",
        "Latest sales",
    ]
    for region in ("Takings today", "By hour", "By payment", "Staff", "Latest sales"):
        await expect(page.get_by_role("region", name=region, exact=True)).to_have_count(1)
    await expect(page.get_by_role("img", name="Takings by hour")).to_have_count(1)
    for region, heads, name in (
        ("By payment", ["Payment", "Takings"], "Cash 1 sale"),
        ("Staff", ["Name", "Takings"], "Asha 1 sale"),
        ("Latest sales", ["Time", "Sale", "Paid"], "#001 Asha · Cash"),
    ):
        table = page.get_by_role("region", name=region).get_by_role("table")
        assert await table.get_by_role("columnheader").all_text_contents() == heads
        await expect(table.get_by_role("rowheader", name=name)).to_have_count(1)
    snapshot = await page.get_by_role("region", name="Takings today").aria_snapshot()
    for words in ("paragraph: ₹100.00", "term: Sales", 'definition: "1"'):
        assert words in snapshot, snapshot


async def test_new_sales_are_announced_sparingly(shop: Shop, screen: Open) -> None:
    board = await screen(shop, clock=datetime.now(UTC))
    news = board.page.locator("#news")
    await expect(news).to_have_attribute("aria-live", "polite")
    await expect(news).to_be_empty()
    await shop.sale(items=[line(1_250)])
    await expect(news).to_have_text("Sale #001, ₹1,250.00, Cash. Takings today: ₹1,250.00.")
    await shop.sale()
    await shop.sale()
    await board.page.clock.fast_forward(1_000)
    await board.shows("₹1,450.00", 3)
    await expect(news).to_have_text("Sale #001, ₹1,250.00, Cash. Takings today: ₹1,250.00.")
    await board.page.clock.fast_forward(12_000)
    await expect(news).to_have_text("2 new sales. Takings today: ₹1,450.00.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_texts_have_enough_contrast(shop: Shop, screen: Open, scheme: str) -> None:
    """Check for a contrast of 4.5 to 1 (WCAG 2, AA), connected and disconnected."""
    await shop.sale()
    order = await shop.sale(amount_paid=50.0)
    await shop.ok("PUT", f"/api/orders/{order['order_id']}/status", params={"status": "Cancelled"})
    board = await screen(shop, color_scheme=scheme, reduced_motion="reduce")
    faint = await board.page.evaluate(FAINT_TEXTS)
    assert faint == []
    disconnect_all(shop, FORBIDDEN)
    await expect(board.page.locator("html")).to_have_attribute("data-state", "off")
    assert await board.page.evaluate(FAINT_TEXTS) == []
