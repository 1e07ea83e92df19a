from __future__ import annotations

from harness.model.policy import Breaker as Declared
from harness.services.breaker import Breaker, State


def breaker(clock: list[float]) -> Breaker:
    declared = Declared.model_validate(
        {"failure_rate": "50%", "window": "10s", "minimum_calls": 4, "open_for": "5s", "probes": 2}
    )
    return Breaker(declared, lambda: clock[0], lambda _state, _reason: None)


def failed(one: Breaker, times: int) -> None:
    for _ in range(times):
        assert one.admits()
        one.record(failed=True)


def test_it_opens_at_the_failure_rate_but_not_before_the_minimum_of_calls() -> None:
    one = breaker([0.0])
    failed(one, 3)
    assert one.state is State.CLOSED
    failed(one, 1)
    assert one.state is State.OPEN
    assert not one.admits()


def test_failures_older_than_the_window_do_not_count() -> None:
    clock = [0.0]
    one = breaker(clock)
    failed(one, 3)
    clock[0] = 11.0
    failed(one, 1)
    assert one.state is State.CLOSED


def test_half_open_admits_its_probes_only_and_closes_when_all_succeed() -> None:
    clock = [0.0]
    one = breaker(clock)
    failed(one, 4)
    clock[0] = 5.0
    assert one.admits()
    assert one.admits()
    assert not one.admits()
    one.record(failed=False)
    one.record(failed=False)
    assert one.state is State.CLOSED


def test_a_failed_probe_opens_it_again() -> None:
    clock = [0.0]
    one = breaker(clock)
    failed(one, 4)
    clock[0] = 5.0
    assert one.admits()
    one.record(failed=True)
    assert one.state is State.OPEN
