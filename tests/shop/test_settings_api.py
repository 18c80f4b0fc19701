"""`/api/settings`: one flat object with members of fixed types."""

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repositories.shop.settings import ShopSettingsRepository
from schemas.shop.gst import STATES, check_character, is_gstin, state_code
from schemas.shop.images import JPEG, PNG, Image, identify_image
from schemas.shop.settings import ShopSettings
from schemas.text.phones import NO_REGION, currency_region, normalize_phone
from tests.support.account_commands import signed_in
from tests.support.messaging.in_memory_provider import ADDRESS, OUTSIDE
from tests.support.printed_documents import logo
from tests.support.shop import OpenShop, Shop

PATH = "/api/settings"
FRESH = ShopSettings.fresh("POS backend", "http://127.0.0.1:8000")
GSTIN = "27AAPFU0939F1ZV"
TEXTS = ("business_name", "business_address", "business_phone", "business_email", "gst_number", "api_url")
SWITCHES = (
    *("enable_notifications", "enable_auto_backup", "enable_dark_mode", "enable_sound_effects"),
    *("enable_whatsapp_integration", "enable_sms_integration"),
)
KNOWN_GOOD = (GSTIN, "29AAGCB7383J1Z4", "24AAACC1206D1ZM", "27AAACR5055K1Z7", "09AAACH7409R1ZZ", "07AAGFF2194N1Z1")


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0) + b"\0" * 4


def jpeg(width: int, height: int) -> bytes:
    exif = b"\xff\xe1\x00\x04ab"
    return b"\xff\xd8" + exif + b"\xff\xff\xdb\x00\x03q" + b"\xff\xc2\x00\x11\x08" + struct.pack(">HH", height, width)


async def test_unset_members_have_the_types_of_the_app(shop: Shop) -> None:
    settings = await shop.get(PATH)
    assert settings["business_name"] == "POS backend"
    assert {name: settings[name] for name in TEXTS[1:-1]} == dict.fromkeys(TEXTS[1:-1], "")
    assert {type(settings[name]) for name in SWITCHES} == {bool}
    assert None not in settings.values()


async def test_default_settings_are_those_of_the_app_and_the_public_address(open_shop: OpenShop) -> None:
    shop = await open_shop(**OUTSIDE)
    settings = await shop.get(PATH)
    assert {name: settings[name] for name in SWITCHES} == {
        **dict.fromkeys(SWITCHES[:4], True),
        **dict.fromkeys(SWITCHES[4:], False),
    }
    assert settings["api_url"] == ADDRESS
    # Setting another member keeps them; a member that is switched off stays off.
    after = await shop.ok("PUT", PATH, json={"footer": "Come again", "enable_dark_mode": False})
    assert after == {**settings, "footer": "Come again", "enable_dark_mode": False, "version": 1}
    assert await shop.get(PATH) == after
    assert (await shop.ok("PUT", PATH, json={"enable_dark_mode": True, "api_url": ""}))["api_url"] == ADDRESS


async def test_stored_settings_are_independent_of_new_defaults(shop: Shop) -> None:
    now = shop.state["clock"]()
    stored = {"_id": shop.store, "store": shop.store, "footer": "x", "version": 1, "created_at": now, "updated_at": now}
    await shop.database["settings"].insert_one({**stored, "voided_at": None})
    assert {(await shop.get(PATH))[name] for name in SWITCHES} == {False}


async def test_the_app_can_send_the_whole_object_back(shop: Shop) -> None:
    answer = await shop.http.get(PATH)
    body = {**answer.json(), "business_name": "Asha Stores", "enable_dark_mode": False, "surprise": 1}
    after = await shop.ok("PUT", PATH, json=body)
    assert (after["business_name"], after["enable_dark_mode"], after["version"]) == ("Asha Stores", False, 1)
    assert "surprise" not in after
    assert await shop.get(PATH) == after
    assert (await shop.ok("PUT", PATH, json=body))["version"] == 1, "without a change there is no new version"


async def test_a_stale_version_is_refused(shop: Shop) -> None:
    tag = (await shop.http.get(PATH)).headers["etag"]
    first = await shop.http.put(PATH, json={"footer": "Come again"}, headers={"If-Match": tag})
    second = await shop.http.put(PATH, json={"footer": "Thanks"}, headers={"If-Match": tag})
    assert (first.status_code, second.status_code, second.json()["version"]) == (200, 412, 1)
    assert first.headers["etag"] == '"1"'


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("business_name", 7),
        ("enable_dark_mode", "true"),
        ("enable_dark_mode", 1),
        ("gst_number", "27AAPFU0939F1ZW"),
        ("gst_number", "99AAPFU0939F1ZV"),
        ("state", "Atlantis"),
        ("upi_id", "asha"),
        ("paper", "A3"),
        ("number_prefix", "2024-2025-financial-/"),
        ("logo", "!"),
        ("logo", base64.b64encode(b"GIF89a").decode()),
        ("logo", base64.b64encode(png(2_001, 10)).decode()),
        ("logo", base64.b64encode(png(10, 10) + b"\0" * 102_400).decode()),
    ],
)
async def test_invalid_members_are_refused_by_name(shop: Shop, member: str, value: Any) -> None:
    answer = await shop.http.put(PATH, json={member: value})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{member}"]


async def test_the_state_follows_the_tax_number_and_agrees_with_it(shop: Shop) -> None:
    first = await shop.ok("PUT", PATH, json={"gst_number": GSTIN.lower()})
    assert (first["gst_number"], first["state"], first["state_name"]) == (GSTIN, "27", "Maharashtra")
    assert (await shop.ok("PUT", PATH, json={"gst_number": "29AAGCB7383J1Z4"}))["state_name"] == "Karnataka"
    refused = await shop.http.put(PATH, json={"state": "Goa"})
    assert refused.json()["errors"] == [{"pointer": "/state", "detail": "must be Karnataka, as the GST number says"}]
    moved = await shop.ok("PUT", PATH, json={"gst_number": "", "state": "goa"})
    assert (moved["gst_number"], moved["state"]) == ("", "30")


async def test_the_logo_is_returned_on_request(shop: Shop) -> None:
    picture = base64.b64encode(logo()).decode()
    after = await shop.ok("PUT", PATH, json={"logo": "data:image/png;base64," + picture})
    assert after["has_logo"]
    assert "logo" not in after
    assert (await shop.get(PATH, logo="true"))["logo"] == picture
    current = await shop.state["shop_settings"].current()
    assert current.head.logo == logo()
    [row] = await shop.get("/api/audit")
    assert picture not in str(row)
    assert not (await shop.ok("PUT", PATH, json={"logo": ""}))["has_logo"]


async def test_the_audit_says_who_changed_what(shop: Shop) -> None:
    await shop.ok("PUT", PATH, json={"footer": "Come again"})
    await shop.ok("PUT", PATH, json={"footer": "Thanks"})
    changed, _ = await shop.get("/api/audit", type="settings")
    assert (changed["before"], changed["after"]) == ({"footer": "Come again"}, {"footer": "Thanks"})
    assert changed["by"]["role"] == "owner"


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("cashier", 403), ("device", 403), ("viewer", 403)])
async def test_all_roles_read_and_only_owners_change(open_shop: OpenShop, role: str, status: int) -> None:
    shop = await open_shop(sign_in="on")
    headers = await signed_in(shop, role, role)
    assert (await shop.http.get(PATH, headers=headers)).status_code == 200
    assert (await shop.http.put(PATH, json={"footer": "x"}, headers=headers)).status_code == status


async def test_another_process_sees_a_change_within_a_second(shop: Shop) -> None:
    now = 0.0
    home = shop.state["stores"].home
    other = ShopSettingsRepository(shop.database, shop.store, home.journal, FRESH, lambda: now)
    assert (await other.current()).version == 0
    await shop.ok("PUT", PATH, json={"footer": "x"})
    assert (await shop.state["shop_settings"].current()).footer == "x"
    assert (await other.current()).footer == ""
    now = 1.0
    assert (await other.current()).footer == "x"


@pytest.mark.parametrize("number", KNOWN_GOOD)
def test_known_tax_numbers_are_valid(number: str) -> None:
    assert is_gstin(number)


@given(st.sampled_from(KNOWN_GOOD), st.integers(0, 14), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_one_wrong_character_is_always_found(number: str, place: int, character: str) -> None:
    altered = number[:place] + character + number[place + 1 :]
    assert is_gstin(altered) == (altered == number)


@given(st.sampled_from(sorted(STATES)), st.from_regex(r"[A-Z]{3}P[A-Z][0-9]{4}[A-Z][1-9]Z", fullmatch=True))
def test_a_number_with_its_check_character_is_valid(state: str, rest: str) -> None:
    number = state + rest
    assert is_gstin(number + check_character(number))


@given(st.sampled_from(sorted(STATES)), st.sampled_from(["{code}", "{name}", "{code}-{name}", "{code} {name}"]))
def test_a_state_is_known_by_code_and_name(code: str, form: str) -> None:
    assert state_code(form.format(code=code, name=STATES[code].upper())) == code


@given(st.integers(1, 60_000), st.integers(1, 60_000))
def test_images_are_recognized_by_their_first_bytes(width: int, height: int) -> None:
    assert identify_image(png(width, height)) == Image(PNG, width, height)
    assert identify_image(jpeg(width, height)) == Image(JPEG, width, height)


@given(st.binary(max_size=60), st.integers(0, 30))
def test_the_image_check_accepts_any_bytes_without_an_error(tail: bytes, cut: int) -> None:
    for head in (png(9, 9)[:cut], jpeg(9, 9)[:cut]):
        found = identify_image(head + tail)
        assert found is None or found.media in (PNG, JPEG)


@given(st.integers(6_000_000_000, 9_999_999_999))
def test_an_indian_phone_number_is_normalized_from_any_notation(number: int) -> None:
    typed = (f"{number}", f"+91{number}", f"0{number}", f"+91-{number}", f" {str(number)[:5]} {str(number)[5:]}")
    assert len({normalize_phone(each) for each in typed}) == 1
    # Compares the fast path with the library: brackets bypass the fast path.
    assert normalize_phone(f"{number}") == normalize_phone(f"({number})")


@pytest.mark.parametrize("text", ["", "1234567890", "9999999999", "none", "12", "9" * 400])
def test_a_text_without_a_phone_number_gives_none(text: str) -> None:
    assert normalize_phone(text) is None


def test_other_countries() -> None:
    assert normalize_phone("+1 650 253 0000") == normalize_phone("650-253-0000", "US") == "+16502530000"
    assert normalize_phone("650 253 0000", NO_REGION) is None
    assert (currency_region("INR"), currency_region("USD"), currency_region("XCD")) == ("IN", "US", NO_REGION)
