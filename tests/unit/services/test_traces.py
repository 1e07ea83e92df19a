"""Trace numbers: a repeat has its request's number, and another request the same one later."""

from __future__ import annotations

import pytest

from paychain.model.trace import Trace
from paychain.services import traces
from paychain.services.traces import TraceNumbers

S = 1_000_000_000


def test_numbers_begin_anew_and_repeats_keep_theirs() -> None:
    numbers = TraceNumbers(Trace(digits=1, with_time=False), "acquirer")
    sent = [numbers.of(f"p{number}", number * S) for number in range(11)]
    assert sent[9] == "acquirer 9"
    assert sent[10] == sent[0] == "acquirer 0"
    assert numbers.of("p3", 60 * S) == "acquirer 3"


def test_the_time_of_the_first_try_tells_two_of_one_number_apart() -> None:
    numbers = TraceNumbers(Trace(digits=1), "acquirer")
    sent = [numbers.of(f"p{number}", number * S) for number in range(11)]
    assert len(set(sent)) == 11
    assert numbers.of("p10", 60 * S) == sent[10]


def test_what_it_knows_of_repeats_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MAX_KNOWN", 2)
    numbers = TraceNumbers(Trace(digits=2, with_time=False), "acquirer")
    assert [numbers.of(key, 0) for key in "abca"] == [f"acquirer 0{each}" for each in range(4)]
