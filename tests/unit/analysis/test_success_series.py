"""What `for n seconds in a row` means, by hand: recovery, and what cannot be seen."""

from __future__ import annotations

import pytest

from paychain.analysis.measures.success_series import NEVER, NotYet, SuccessSeries, longest
from tests.support.recorded import Recorded


def course(end_s: float, bad: set[int], per_second: int = 10) -> SuccessSeries:
    """`per_second` payments in every second, one of them failed in each of the bad seconds."""
    cells = [
        (second * 100 + number * (100 // per_second), 1, int(second not in bad or number > 0))
        for second in range(int(end_s))
        for number in range(per_second)
    ]
    return SuccessSeries(cells, end_s)


def test_all_well_from_the_first_moment_takes_no_time() -> None:
    assert course(30, set()).steady_after(10, 30, 0.99, 10) == 0.0


def test_it_counts_from_the_end_of_the_last_second_that_was_not_well() -> None:
    # The failure at 12.0 s: from 2.1 s after 10 s on, no second has it any more.
    assert course(30, {10, 12}).steady_after(10, 30, 0.99, 10) == pytest.approx(2.1)


def test_one_failure_in_ten_is_well_at_a_goal_of_ninety_percent() -> None:
    assert course(30, set(range(30))).steady_after(10, 30, 0.9, 10) == 0.0
    assert course(30, set(range(30))).steady_after(10, 30, 0.91, 10) == NEVER


def test_nine_seconds_are_not_ten() -> None:
    # From 12.1 s on all is well, until 21.1 s: 9 s. Then until 31 s: 9.9 s, and who knows.
    assert course(31, {12, 21}).steady_after(12, 31, 0.99, 10) == NotYet(
        9.1, "too short to tell: only the last 9.9 s were good, 10 s needed"
    )
    assert course(32, {12, 21}).steady_after(12, 32, 0.99, 10) == pytest.approx(9.1)


def test_too_short_a_look_is_marked_and_is_not_never() -> None:
    assert course(30, set()).steady_after(25, 30, 0.99, 10) == ("only 5.0 s observed, 10 s needed")


def test_half_of_a_stretch_at_the_end_might_have_become_a_whole_one() -> None:
    # The failure at 24.0 s is 5.9 s before the end, that at 25.0 s 4.9 s: half of 10 s is between.
    seen = course(30, {12, 20, 24}).steady_after(12, 30, 0.99, 10)
    assert isinstance(seen, NotYet)
    assert seen.at_least_s == 12.1
    assert course(30, {12, 20, 25}).steady_after(12, 30, 0.99, 10) == NEVER


def test_too_few_payments_say_nothing() -> None:
    # One a second: 10 in ten seconds, and 20 are needed.
    assert course(60, set(), per_second=1).steady_after(10, 60, 0.99, 10) == "too few payments"


def test_a_second_in_which_nothing_came_up_is_neither_well_nor_not() -> None:
    # 30 payments in second 3, 30 in second 7, none between: ten seconds with 60 good ones.
    assert SuccessSeries([(300, 30, 30), (700, 30, 30)], 20).steady_after(0, 20, 0.99, 10) == 0.0


def test_the_longest_of_several_is_never_when_one_never_came() -> None:
    assert longest([1.0, 3.0]) == 3.0
    assert longest([1.0, NEVER]) == NEVER
    assert longest([1.0, "too few payments"]) == 1.0
    assert longest([9.0, NotYet(2.0, "a"), NotYet(4.0, "b")]) == NotYet(9.0, "b")
    assert longest([NotYet(2.0, "a"), NEVER]) == NEVER
    assert longest(["too few payments"]) == "too few payments"
    assert longest([]) == "not used"


def steady_load(ends_s: float, bad: tuple[float, float]) -> Recorded:
    """Ten payments a second, all unanswered between two moments."""
    run = Recorded(ends_s=ends_s)
    for number in range(int(ends_s * 10)):
        at_s = number / 10
        run.pay(at_s, "unknown" if bad[0] <= at_s < bad[1] else "approved", took_ms=50)
    return run


def test_recovery_counts_from_the_last_heal_until_success_is_back_to_normal() -> None:
    run = steady_load(40, (10, 23.2))
    run.fault("first", 10, 15)
    run.fault("second", 12, 20)
    # Healed at 20 s; the last failed payment was offered at 23.1 s.
    analysis = run.analysed()
    assert analysis.recovery.healed_s == 20
    assert analysis.recovery.recovery_s == pytest.approx(3.2, abs=0.11)
    after = next(phase for phase in analysis.phases if phase.name == "after")
    assert after.technical_success == 1.0


def test_each_fault_recovers_from_its_own_heal_when_no_other_is_on() -> None:
    run = steady_load(60, (10, 16))
    run.fault("first", 10, 15)
    run.fault("second", 35, 40)
    run.fault("inside", 36, 38)
    first, second, inside = run.analysed().faults
    assert first.recovery_s == pytest.approx(1.0, abs=0.11)
    assert second.recovery_s == 0.0
    assert (inside.recovery_s, inside.absent) == (
        None,
        {"recovery_s": "another fault was still active"},
    )


def test_recovery_that_the_next_fault_cut_short_was_not_seen() -> None:
    run = steady_load(60, (10, 12))
    run.fault("first", 10, 12)
    run.fault("second", 15, 20)
    first, _ = run.analysed().faults
    assert first.absent == {"recovery_s": "only 3.0 s observed, 10 s needed"}


def test_a_chain_that_stays_broken_never_recovers() -> None:
    run = steady_load(40, (10, 40))
    run.fault("first", 10, 15)
    analysis = run.analysed(recovery="<= 10s")
    assert analysis.recovery.absent["recovery_s"] == NEVER
    assert [tolerance.passed for tolerance in analysis.tolerances] == [False]
    assert not [phase for phase in analysis.phases if phase.name == "after"]


def recovering(limit: str) -> tuple[str, bool | None]:
    """Healed at 15 s, normal from 21 s on, and the load ends at 28 s: 7 s of the 10 s needed."""
    run = steady_load(28, (10, 21))
    run.fault("first", 10, 15)
    analysis = run.analysed(recovery=limit)
    (tolerance,) = analysis.tolerances
    assert analysis.recovery.recovery_s is None
    assert analysis.faults[0].absent == analysis.recovery.absent
    return analysis.recovery.absent["recovery_s"], tolerance.passed


def test_a_run_that_ends_too_soon_after_all_is_well_cannot_tell() -> None:
    words, passed = recovering("<= 10s")
    assert words == "too short to tell: only the last 7.0 s were good, 10 s needed"
    assert passed is None


def test_what_took_too_long_already_broke_the_limit_however_short_the_run_was() -> None:
    assert recovering("<= 5s")[1] is False


def test_without_a_baseline_nobody_can_say_what_normal_is() -> None:
    run = steady_load(40, (1, 2))
    run.fault("first", 1, 2)  # ten payments before it
    recovery = run.analysed().recovery
    assert recovery.absent["recovery_s"] == "too few payments before the faults"


def test_a_fault_that_could_not_be_healed_has_no_recovery() -> None:
    run = steady_load(40, (10, 40))
    run.fault("first", 10, None)
    analysis = run.analysed()
    assert analysis.faults[0].healed_s is None
    assert analysis.recovery.absent["recovery_s"] == "not healed"


def test_a_poor_baseline_is_the_normal_that_is_come_back_to() -> None:
    run = Recorded(ends_s=40)
    # 4 of 5 payments are answered, always: normal is 80 %, and it is so from the heal on.
    for number in range(400):
        run.pay(number / 10, "unknown" if number % 5 == 0 else "approved", took_ms=10)
    run.fault("first", 10, 15)
    assert run.analysed().recovery.recovery_s == 0.0
