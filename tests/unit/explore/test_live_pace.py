"""How fast a search pays, and how large its batches are, as payments without a script show it."""

from __future__ import annotations

import pytest

from paychain.explore.live.pace import BASE, FIRST_RATE, MIN_RATE, SLOWED, WINDOW, Pace
from paychain.payments.errors import UserError

ALONE_S = 0.05
AT_MOST, BATCH, DEADLINE_S = 40.0, 64, 10.0


def measured(at_most: float = AT_MOST) -> Pace:
    """The pace of a search that knows what a payment takes where nothing else happens."""
    pace = Pace(at_most, BATCH, DEADLINE_S)
    assert not pace.is_measured
    paid(pace, BASE, ALONE_S)
    assert pace.is_measured
    return pace


def paid(pace: Pace, number: int, took_s: float) -> None:
    for _ in range(number):
        pace.note_paid(took_s, pace.rate)


def test_batches_are_short_until_it_is_known_what_the_service_can_do() -> None:
    pace = measured()
    assert pace.rate == FIRST_RATE
    seconds = []
    while pace.rate < AT_MOST:
        seconds.append(pace.scripts_at_once / pace.rate)
        paid(pace, WINDOW, ALONE_S)
    assert seconds
    assert max(seconds) <= 2.0
    assert pace.scripts_at_once == BATCH


def test_a_service_that_was_too_slow_once_gets_long_batches_and_fewer_controls() -> None:
    pace = measured(6.0)
    short = pace.scripts_at_once
    paid(pace, WINDOW, 10 * SLOWED * ALONE_S)
    slower = pace.rate
    assert slower < 6.0
    assert pace.scripts_at_once > 2 * short
    paid(pace, WINDOW, ALONE_S)
    assert pace.rate > slower
    assert pace.scripts_at_once > 2 * short


def test_what_a_payment_of_an_earlier_rate_took_says_nothing_about_the_rate_now() -> None:
    pace = measured()
    for _ in range(2 * WINDOW):
        pace.note_paid(10 * SLOWED * ALONE_S, pace.rate + 1)
    assert pace.rate == FIRST_RATE


def test_a_search_that_was_spaced_is_not_fast_again() -> None:
    pace = measured()
    assert pace.space()
    paid(pace, 2 * WINDOW, ALONE_S)
    assert pace.rate == FIRST_RATE / 2
    while pace.space():
        pass
    assert pace.rate == MIN_RATE


def test_a_search_ends_when_payments_get_no_answer_where_nothing_fails() -> None:
    pace = Pace(AT_MOST, BATCH, DEADLINE_S)
    for took_s in (0.1, 0.1, 0.1, *[DEADLINE_S - 0.1] * 4):
        pace.note_paid(took_s, 4.0)
    with pytest.raises(UserError, match=r"got no answer within 10 s.*paychain up"):
        pace.note_paid(DEADLINE_S, 4.0)
