"""Weak passwords, beside those in the tests of the API."""

import pytest

from schemas.accounts.password_policy import password_error

NAMES = ("owner", "Asha Rao", "main", "")


@pytest.mark.parametrize(
    "password",
    [
        *("owner-owner-2024", "OwnerOwnerOwner", "owner2024owner", "asha.rao.owner", "main-owner-main-1"),
        "Asha Rao 2024!",
    ],
)
def test_names_alone_are_refused_as_a_password(password: str) -> None:
    assert password_error(password, NAMES) == "must not be your name or the shop's"


@pytest.mark.parametrize("password", ["owner of three mango trees", "asha rao 98765432", "remains of the main road"])
def test_a_password_may_contain_a_name_among_other_words(password: str) -> None:
    assert password_error(password, NAMES) is None
