"""Normalization of usernames, PINs and setup tokens: whitespace, case, width and script."""

import secrets

import pytest
from marshmallow import ValidationError

from schemas.accounts.accounts import LoginBody, UserBody
from schemas.core.principals import OWNER
from schemas.fields.validation import load_body
from tests.support.accounts import PASSWORD, PIN, add, as_, enrol, login, signed_in_shop
from tests.support.shop import OpenShop
from tests.support.shop_setup import SETUP_TOKEN

AROUND = [
    " {} ",
    "{}\n",
    "\t{}",
    "\u00a0{}\u00a0",
    "\u2003{}",
    "{}\u3000",
    "\u200b{}",
    "{}\ufeff",
    "\u202a{}\u202c",
    "{}\u2028",
]
WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
DEVANAGARI = str.maketrans("0123456789", "०१२३४५६७८९")


@pytest.mark.parametrize("around", AROUND)
def test_a_username_is_trimmed_and_casefolded_at_sign_in_as_at_creation(around: str) -> None:
    for typed in ("asha.p", "ASHA.P", "Asha.P".translate(WIDE), "as\u200dha.p"):
        body = {"username": around.format(typed), "password": PASSWORD}
        assert load_body(LoginBody(), body)["username"] == "asha.p"
        made = load_body(UserBody(), {**body, "name": "Asha", "role": "owner"})
        assert made["username"] == "asha.p"


@pytest.mark.parametrize("typed", ["", "  ", "\u200b", "\u00a0"])
def test_a_username_of_whitespace_is_refused(typed: str) -> None:
    with pytest.raises(ValidationError):
        LoginBody().load({"username": typed, "password": PASSWORD})


async def test_whitespace_around_a_username_is_no_failed_sign_in(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    user = await add(shop)
    for around in AROUND:
        for typed in (user["login"], user["login"].upper(), user["login"].translate(WIDE)):
            answer = await login(shop, around.format(typed))
            assert answer.status_code == 200, (around, typed, answer.text)


async def test_a_pin_may_have_whitespace_and_digits_of_any_script(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    user = await add(shop, pin=PIN)
    _, key = await enrol(shop, await as_(shop, OWNER))
    for typed in (
        f" {PIN} ",
        f"{PIN[:3]} {PIN[3:]}",
        PIN.translate(WIDE),
        PIN.translate(DEVANAGARI),
        f"\u00a0{PIN}\u200b",
    ):
        body = {"username": f" {user['login']}\u00a0", "pin": typed}
        answer = await shop.http.post("/api/auth/pin", json=body, headers=key)
        assert answer.status_code == 200, (typed, answer.text)


async def test_setup_accepts_a_username_and_a_token_with_whitespace(open_shop: OpenShop) -> None:
    shop = await open_shop(
        sign_in="on",
        is_set_up=False,
        database_name=f"pos_setup_{secrets.token_hex(4)}",
        setup_token=SETUP_TOKEN,
        secret_key="4f9c1d7e2a8b5c3f6e0d9a1b8c7f2e5d",
    )
    body = {"username": "\u00a0Meera ", "name": "\u3000Meera ", "password": PASSWORD}
    completed = await shop.http.post("/api/setup", json={**body, "token": f" {SETUP_TOKEN}\n"})
    assert completed.status_code < 300, completed.text
    assert (await login(shop, " MEERA", PASSWORD)).status_code == 200
