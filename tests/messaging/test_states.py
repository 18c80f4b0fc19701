"""How a message stands: a provider's news come in any order, and only ever take it further."""

from datetime import timedelta
from itertools import permutations

import pytest

from schemas.messaging.states import (
    CANCELLED,
    DELIVERED,
    FAILED,
    MAX_ATTEMPTS,
    QUEUED,
    READ,
    SENDING,
    SENT,
    is_progress,
    retry_delay,
)


@pytest.mark.parametrize("order", tuple(permutations((SENT, DELIVERED, READ, SENT))))
def test_in_whatever_order_news_come_a_message_that_was_read_stays_read(order: tuple[str, ...]) -> None:
    state = SENDING
    for told in order:
        state = told if is_progress(state, told) else state
    assert state == READ


def test_what_has_arrived_cannot_fail_and_what_was_never_sent_has_no_news() -> None:
    assert is_progress(SENT, FAILED)
    assert not any(is_progress(state, FAILED) for state in (DELIVERED, READ, QUEUED, CANCELLED))
    assert not is_progress(QUEUED, "no status of theirs")


def test_pauses_double_between_half_and_whole_and_come_to_an_end() -> None:
    assert [retry_delay(tries, 1.0) for tries in (1, 2, 3)] == [timedelta(seconds=s) for s in (5, 10, 20)]
    assert retry_delay(1, 0.0) == timedelta(seconds=2.5)
    assert retry_delay(MAX_ATTEMPTS, 0.5) is None
