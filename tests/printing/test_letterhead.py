"""The letterhead of PDFs comes from the settings of the store."""

import asyncio
import base64
import io
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from schemas.shop.settings import ShopSettings
from schemas.shop.settings_body import ShopSettingsBody
from services.printing.worker import PdfWorker
from tests.support.printed_documents import job, logo, order, pictures, texts
from tests.support.processes import services
from tests.support.shop import OpenShop, Shop

PATH = "/api/settings"
SETTINGS = {
    "business_name": "Asha Stores",
    "business_address": "Old Market\nPune",
    "business_phone": "+91 98220 12345",
    "gst_number": "27AAPFU0939F1ZV",
    "upi_id": "asha@okbank",
    "footer": "Thank you",
    "number_prefix": "AS-",
    "logo": base64.b64encode(logo()).decode(),
}
WORKER = PdfWorker()


def encoded_image(form: str, size: tuple[int, int] = (200, 100), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 50).convert(mode).save(out, form)
    return out.getvalue()


async def set_up(shop: Shop, **changes: Any) -> None:
    await shop.ok("PUT", PATH, json=changes)


async def pdf_of_first_order(shop: Shop, **headers: str) -> httpx.Response:
    """Return the PDF of the first order, which is created if there is none."""
    answer = await shop.http.get(f"/api/orders/{await first_order(shop)}/pdf", headers=headers)
    assert answer.status_code in (200, 304), answer.text
    return answer


async def first_order(shop: Shop) -> str:
    orders = (await shop.get("/api/orders/orders-only"))["orders"]["items"]
    return str(orders[-1]["id"] if orders else (await shop.sale(amount_paid=1.0))["order_id"])


async def test_the_settings_are_on_the_pdf(shop: Shop) -> None:
    await set_up(shop, **SETTINGS)
    (text,) = texts((await pdf_of_first_order(shop)).content)
    for expected in (
        *("Asha Stores", "Old Market", "Pune", "+91 98220 12345", "GSTIN 27AAPFU0939F1ZV", "Maharashtra"),
        *("asha@okbank", "Thank you", "AS-001"),
    ):
        assert expected in text
    wide = pictures((await pdf_of_first_order(shop)).content)[0].width
    await set_up(shop, address_line1="12 MG Road", address_line3="Pune 411001", paper="A5")
    changed = (await pdf_of_first_order(shop)).content
    assert pictures(changed)[0].width < wide
    assert "12 MG Road" in texts(changed)[0]
    assert "Old Market" not in texts(changed)[0]


async def test_a_number_prefix_with_a_slash(shop: Shop) -> None:
    """Check that the prefix is on the PDF, but not in the file name."""
    await set_up(shop, **SETTINGS | {"number_prefix": "24-25/"})
    answer = await pdf_of_first_order(shop)
    assert "No. 24-25/001" in texts(answer.content)[0]
    assert answer.headers["content-disposition"] == 'inline; filename="order-001.pdf"'


async def test_changed_settings_change_the_pdf(shop: Shop) -> None:
    await set_up(shop, **SETTINGS)
    before = await pdf_of_first_order(shop)
    held = {"If-None-Match": before.headers["etag"]}
    assert (await pdf_of_first_order(shop, **held)).status_code == 304
    await set_up(shop, footer="Come again")
    after = await pdf_of_first_order(shop, **held)
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]
    assert "Come again" in texts(after.content)[0]
    await set_up(shop, footer="Come again")
    assert (await pdf_of_first_order(shop, **{"If-None-Match": after.headers["etag"]})).status_code == 304


async def test_the_same_version_gives_the_same_pdf_in_another_process(shop: Shop, mongodb_url: str) -> None:
    await set_up(shop, **SETTINGS)
    here = await pdf_of_first_order(shop)
    async with services(mongodb_url, shop.store, 1) as (server,), httpx.AsyncClient(base_url=server.url) as other:
        there = await other.get(f"/api/orders/{await first_order(shop)}/pdf")
    assert (there.content, there.headers["etag"]) == (here.content, here.headers["etag"])


@pytest.mark.parametrize(
    ("form", "mode"),
    [("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK")],
)
async def test_an_accepted_logo_can_be_printed(shop: Shop, form: str, mode: str) -> None:
    await set_up(shop, **{**SETTINGS, "logo": ""})
    bare = await pdf_of_first_order(shop)
    await set_up(shop, logo=base64.b64encode(encoded_image(form, mode=mode)).decode())
    assert pictures((await pdf_of_first_order(shop)).content)[0] != pictures(bare.content)[0]


@pytest.mark.parametrize(
    "content",
    [
        encoded_image("PNG")[:2_000],
        encoded_image("PNG").replace(b"IDAT", b"JDAT"),
        encoded_image("PNG")[:33],
        encoded_image("JPEG")[:30],
    ],
    ids=["cut off", "no pixels", "header only", "JPEG cut off"],
)
async def test_a_logo_that_cannot_be_printed_is_rejected(shop: Shop, content: bytes) -> None:
    await set_up(shop, **SETTINGS)
    before = await pdf_of_first_order(shop)
    refused = await shop.http.put(PATH, json={"logo": base64.b64encode(content).decode()})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_fields")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/logo"]
    assert (await pdf_of_first_order(shop)).content == before.content


async def test_a_pdf_is_printed_despite_a_damaged_stored_logo(shop: Shop) -> None:
    await set_up(shop, **SETTINGS)
    damaged = base64.b64encode(logo()[:100]).decode()
    await shop.database.settings.update_one({"_id": shop.store}, {"$set": {"logo": damaged}, "$inc": {"version": 1}})
    settings = shop.state["shop_settings"]
    async with asyncio.timeout(30):
        while (await settings.current()).version == 1:
            await asyncio.sleep(0.02)
    assert "Asha Stores" in texts((await pdf_of_first_order(shop)).content)[0]


async def test_the_public_page_has_the_letterhead(open_shop: OpenShop) -> None:
    shop = await open_shop()
    await set_up(shop, **SETTINGS)
    link = await shop.ok("POST", f"/api/orders/{await first_order(shop)}/link")
    page = (await shop.http.get(httpx.URL(link["url"]).path)).text
    for expected in ("Asha Stores", "Old Market", "AS-001", "upi://pay?pa=asha@okbank", "Thank you"):
        assert expected in page


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(st.fixed_dictionaries(dict.fromkeys(("business_name", "business_address", "footer", "business_email"), TEXT)))
@settings(max_examples=25)
def test_any_accepted_settings_can_be_printed(texts: dict[str, str]) -> None:
    body = ShopSettingsBody()
    accepted = {name: value for name, value in texts.items() if not body.validate({name: value})}
    head = ShopSettings(**body.load(accepted)).head
    assert WORKER.render(job(order(), head=head)).startswith(b"%PDF-")
