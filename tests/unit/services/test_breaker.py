from __future__ import annotations

from typing import Any

from paychain.model.policy import Breaker
from paychain.services.policies.breaker import BreakerState, CircuitBreaker


def breaker(clock: list[float], **declared: Any) -> CircuitBreaker:
    given = {
        "failure_rate": "50%",
        "window": "10s",
        "minimum_calls": 4,
        "open_for": "5s",
        "probes": 2,
        **declared,
    }
    return CircuitBreaker(
        Breaker.model_validate(given), lambda: clock[0], lambda _state, _reason: None
    )


def admitted(tested: CircuitBreaker) -> int:
    ticket = tested.admit()
    assert ticket is not None
    return ticket


def called(tested: CircuitBreaker, times: int, *, failed: bool = True, took_s: float = 0.0) -> None:
    for _ in range(times):
        tested.record(admitted(tested), failed=failed, took_s=took_s)


def test_it_opens_at_the_failure_rate_but_not_before_the_minimum_of_calls() -> None:
    tested = breaker([0.0])
    called(tested, 3)
    assert tested.state is BreakerState.CLOSED
    called(tested, 1)
    assert tested.state is BreakerState.OPEN
    assert tested.refuses
    assert tested.admit() is None


def test_failures_older_than_the_window_do_not_count() -> None:
    clock = [0.0]
    tested = breaker(clock)
    called(tested, 3)
    clock[0] = 11.0
    called(tested, 1)
    assert tested.state is BreakerState.CLOSED


def test_half_open_admits_its_probes_only_and_closes_when_all_succeed() -> None:
    clock = [0.0]
    tested = breaker(clock)
    called(tested, 4)
    clock[0] = 5.0
    first, second = admitted(tested), admitted(tested)
    assert tested.admit() is None
    tested.record(first, failed=False)
    assert tested.admit() is None  # two probes were sent, whether or not they are back
    tested.record(second, failed=False)
    assert tested.state is BreakerState.CLOSED


def test_a_failed_probe_opens_it_again() -> None:
    clock = [0.0]
    tested = breaker(clock)
    called(tested, 4)
    clock[0] = 5.0
    called(tested, 1)
    assert tested.state is BreakerState.OPEN
    clock[0] = 9.9  # the five seconds count from the probe's failure
    assert tested.refuses
    clock[0] = 10.0
    assert not tested.refuses


def test_a_late_result_of_a_call_from_before_it_opened_is_no_probe() -> None:
    clock = [0.0]
    tested = breaker(clock)
    late, later = admitted(tested), admitted(tested)
    called(tested, 4)
    clock[0] = 5.0
    probe = admitted(tested)
    tested.record(late, failed=True)  # opens nothing
    assert tested.state is BreakerState.HALF_OPEN
    tested.record(later, failed=False)  # and closes nothing: one probe of two is out, none is back
    admitted(tested)
    assert tested.admit() is None
    tested.record(probe, failed=False)
    assert tested.state is BreakerState.HALF_OPEN


def test_a_call_that_ended_without_a_result_gives_its_probe_back() -> None:
    clock = [0.0]
    tested = breaker(clock, probes=1)
    called(tested, 4)
    clock[0] = 5.0
    tested.withdraw(admitted(tested))
    assert tested.admit() is not None


def test_it_opens_on_failures_in_a_row_whatever_the_rate() -> None:
    tested = breaker([0.0], consecutive=3, minimum_calls=100)
    called(tested, 2)
    called(tested, 1, failed=False)
    called(tested, 2)
    assert tested.state is BreakerState.CLOSED
    called(tested, 1)
    assert tested.state is BreakerState.OPEN


def test_it_opens_when_too_many_calls_are_slow_although_they_work() -> None:
    tested = breaker([0.0], slow_after="1s", slow_rate="50%")
    called(tested, 2, failed=False, took_s=0.1)
    called(tested, 1, failed=False, took_s=1.0)  # as slow as declared is slow
    assert tested.state is BreakerState.CLOSED
    called(tested, 1, failed=False, took_s=2.0)  # 2 of 4
    assert tested.state is BreakerState.OPEN


def test_a_slow_probe_opens_it_again() -> None:
    clock = [0.0]
    tested = breaker(clock, slow_after="1s")
    called(tested, 4)
    clock[0] = 5.0
    called(tested, 1, failed=False, took_s=1.5)
    assert tested.state is BreakerState.OPEN


def test_what_was_counted_before_it_opened_is_forgotten_when_it_closes() -> None:
    clock = [0.0]
    tested = breaker(clock)
    called(tested, 4)
    clock[0] = 5.0
    called(tested, 2, failed=False)
    assert tested.state is BreakerState.CLOSED
    called(tested, 3)
    assert tested.state is BreakerState.CLOSED


def test_calls_that_time_out_open_it_beside_quick_ones_that_end_with_them() -> None:
    """What the review of rates allows for: 15 calls are sent in each window of 10 s."""
    for rate, state in ((1.5, BreakerState.OPEN), (1.3, BreakerState.CLOSED)):
        clock = [0.0]
        tested = breaker(clock, minimum_calls=20, open_for="1h")
        sent = [number / rate for number in range(int(80 * rate))]
        # From 20 s to 60 s no answer comes within 4 s.
        is_failed = [20 <= at_s < 60 for at_s in sent]
        ends = [
            at_s + (4.0 if failed else 0.05) for at_s, failed in zip(sent, is_failed, strict=True)
        ]
        for clock[0], failed in sorted(zip(ends, is_failed, strict=True)):
            ticket = tested.admit()
            if ticket is not None:
                tested.record(ticket, failed=failed)
        assert tested.state is state
