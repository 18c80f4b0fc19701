"""States of messages: status reports in any order only advance the state."""

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
def test_a_read_message_stays_read_for_any_order_of_reports(order: tuple[str, ...]) -> None:
    state = SENDING
    for status in order:
        state = status if is_progress(state, status) else state
    assert state == READ


def test_a_delivered_message_cannot_fail_and_an_unsent_one_has_no_status() -> None:
    assert is_progress(SENT, FAILED)
    assert not any(is_progress(state, FAILED) for state in (DELIVERED, READ, QUEUED, CANCELLED))
    assert not is_progress(QUEUED, "unknown status")


def test_retry_delays_double_up_to_the_last_attempt() -> None:
    assert [retry_delay(tries, 1.0) for tries in (1, 2, 3)] == [timedelta(seconds=s) for s in (5, 10, 20)]
    assert retry_delay(1, 0.0) == timedelta(seconds=2.5)
    assert retry_delay(MAX_ATTEMPTS, 0.5) is None
