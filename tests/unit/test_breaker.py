from __future__ import annotations

from typing import Any

from harness.model.policy import Breaker as Declared
from harness.services.breaker import Breaker, State


def breaker(clock: list[float], **declared: Any) -> Breaker:
    given = {"failure_rate": "50%", "window": "10s", "minimum_calls": 4, "open_for": "5s",
             "probes": 2, **declared}  # fmt: skip
    return Breaker(Declared.model_validate(given), lambda: clock[0], lambda _state, _reason: None)


def admitted(one: Breaker) -> int:
    ticket = one.admit()
    assert ticket is not None
    return ticket


def called(one: Breaker, times: int, *, failed: bool = True, took_s: float = 0.0) -> None:
    for _ in range(times):
        one.record(admitted(one), failed=failed, took_s=took_s)


def test_it_opens_at_the_failure_rate_but_not_before_the_minimum_of_calls() -> None:
    one = breaker([0.0])
    called(one, 3)
    assert one.state is State.CLOSED
    called(one, 1)
    assert one.state is State.OPEN
    assert one.refuses
    assert one.admit() is None


def test_failures_older_than_the_window_do_not_count() -> None:
    clock = [0.0]
    one = breaker(clock)
    called(one, 3)
    clock[0] = 11.0
    called(one, 1)
    assert one.state is State.CLOSED


def test_half_open_admits_its_probes_only_and_closes_when_all_succeed() -> None:
    clock = [0.0]
    one = breaker(clock)
    called(one, 4)
    clock[0] = 5.0
    first, second = admitted(one), admitted(one)
    assert one.admit() is None
    one.record(first, failed=False)
    assert one.admit() is None  # two probes were sent, whether or not they are back
    one.record(second, failed=False)
    assert one.state is State.CLOSED


def test_a_failed_probe_opens_it_again() -> None:
    clock = [0.0]
    one = breaker(clock)
    called(one, 4)
    clock[0] = 5.0
    called(one, 1)
    assert one.state is State.OPEN
    clock[0] = 9.9  # the five seconds count from the probe's failure
    assert one.refuses
    clock[0] = 10.0
    assert not one.refuses


def test_a_late_result_of_a_call_from_before_it_opened_is_no_probe() -> None:
    clock = [0.0]
    one = breaker(clock)
    late, later = admitted(one), admitted(one)
    called(one, 4)
    clock[0] = 5.0
    probe = admitted(one)
    one.record(late, failed=True)  # opens nothing
    assert one.state is State.HALF_OPEN
    one.record(later, failed=False)  # and closes nothing: one probe of two is out, none is back
    admitted(one)
    assert one.admit() is None
    one.record(probe, failed=False)
    assert one.state is State.HALF_OPEN


def test_a_call_that_ended_without_a_result_gives_its_probe_back() -> None:
    clock = [0.0]
    one = breaker(clock, probes=1)
    called(one, 4)
    clock[0] = 5.0
    one.withdraw(admitted(one))
    assert one.admit() is not None


def test_it_opens_on_failures_in_a_row_whatever_the_rate() -> None:
    one = breaker([0.0], consecutive=3, minimum_calls=100)
    called(one, 2)
    called(one, 1, failed=False)
    called(one, 2)
    assert one.state is State.CLOSED
    called(one, 1)
    assert one.state is State.OPEN


def test_it_opens_when_too_many_calls_are_slow_although_they_work() -> None:
    one = breaker([0.0], slow_after="1s", slow_rate="50%")
    called(one, 2, failed=False, took_s=0.1)
    called(one, 1, failed=False, took_s=1.0)  # as slow as declared is slow
    assert one.state is State.CLOSED
    called(one, 1, failed=False, took_s=2.0)  # 2 of 4
    assert one.state is State.OPEN


def test_a_slow_probe_opens_it_again() -> None:
    clock = [0.0]
    one = breaker(clock, slow_after="1s")
    called(one, 4)
    clock[0] = 5.0
    called(one, 1, failed=False, took_s=1.5)
    assert one.state is State.OPEN


def test_what_was_counted_before_it_opened_is_forgotten_when_it_closes() -> None:
    clock = [0.0]
    one = breaker(clock)
    called(one, 4)
    clock[0] = 5.0
    called(one, 2, failed=False)
    assert one.state is State.CLOSED
    called(one, 3)
    assert one.state is State.CLOSED
