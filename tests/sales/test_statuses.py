"""Statuses and payment modes."""

import itertools

import pytest

from schemas.core.errors import IllegalTransition
from schemas.sales.statuses import ORDER_STATUSES, PAYMENT_GROUPS, check_transition, payment_group

LEGAL = {
    ("Pending", "Processing"),
    ("Pending", "Completed"),
    ("Pending", "Cancelled"),
    ("Processing", "Completed"),
    ("Processing", "Cancelled"),
    ("Completed", "Cancelled"),
    ("Completed", "Refunded"),
}


@pytest.mark.parametrize(("current", "wanted"), list(itertools.permutations(ORDER_STATUSES, 2)))
def test_only_the_listed_transitions_are_legal(current: str, wanted: str) -> None:
    if (current, wanted) in LEGAL:
        check_transition(current, wanted)
        return
    with pytest.raises(IllegalTransition) as refusal:
        check_transition(current, wanted)
    assert {(current, to) for to in refusal.value.members["allowed"]} == {
        (came, to) for came, to in LEGAL if came == current
    }


@pytest.mark.parametrize(
    ("mode", "group"),
    [
        ("Cash", "cash"),
        ("CARD", "card"),
        ("Credit Card", "card"),
        ("Online", "online"),
        ("UPI", "upi"),
        ("UPI: Asha Patil", "upi"),
        ("upi - Ravi", "upi"),
        ("Bank Transfer", "bank_transfer"),
        ("bank_transfer", "bank_transfer"),
        ("Cheque", "cheque"),
        ("Other", "other"),
        ("Barter", "other"),
        ("Upington voucher", "other"),
    ],
)
def test_a_free_payment_mode_belongs_to_a_group(mode: str, group: str) -> None:
    assert payment_group(mode) == group
    assert group in PAYMENT_GROUPS
