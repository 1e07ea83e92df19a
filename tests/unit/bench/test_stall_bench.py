"""The computed truth and the correction of `python -m bench stall`."""

from __future__ import annotations

import pytest

from bench.stall import answered_s, corrected, exact, truth


@pytest.mark.parametrize(
    ("arrived_s", "answered"),
    [
        (0.0, 0.1),  # 100 ms of work
        (7.9, 8.0),  # ready in the moment in which the server stops
        (7.94, 10.04),  # 60 ms of work before it stops at 8 s, 40 ms after it goes on at 10 s
        (8.0, 10.1),
        (9.9, 10.1),
        (10.0, 10.1),
        (19.0, 19.1),
    ],
)
def test_a_server_that_stalls_goes_on_with_its_work_afterwards(
    arrived_s: float, answered: float
) -> None:
    assert answered_s(arrived_s) == pytest.approx(answered, abs=1e-9)


def test_the_truth_is_computed_from_the_schedule() -> None:
    waits_ms = truth()
    # 200/s for 20 s. Those of 7.905, 7.910, … 8.000 s wait 2,100 ms: 20. Those of 8.005 to 9.995 s
    # wait until 10.1 s: 399, each 5 ms less than the one before. Above the nearest rank of p99,
    # 3,960 of 4,000, are 40: those 20 and 20 more, so p99 is 2,100 - 21 x 5 = 1,995 ms.
    assert len(waits_ms) == 4_000
    assert sum(wait_ms > 100.001 for wait_ms in waits_ms) == 419
    assert exact(waits_ms) == pytest.approx((100, 1_995, 2_100))


def test_a_long_wait_is_filled_with_the_requests_that_it_kept_from_being_made() -> None:
    # One each 100 ms was expected: while one waited 350 ms, others would have waited 250 and 150.
    # The next, at 50 ms, is no whole interval. A wait of 100 ms or less kept none away.
    assert corrected([5, 350, 100, 5], 100) == [5, 350, 250, 150, 100, 5]


def test_figures_are_by_nearest_rank() -> None:
    # of 200 values p50 is the 100th, p99 the 198th
    assert exact([float(each) for each in range(200, 0, -1)]) == (100, 198, 200)
