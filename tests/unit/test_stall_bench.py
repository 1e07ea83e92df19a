"""The computed truth and the correction of `python -m bench stall`."""

from __future__ import annotations

import pytest

from bench.stall import answered_s, corrected, exact, truth


@pytest.mark.parametrize(
    ("arrived_s", "answered"),
    [
        (0.0, 0.005),  # 5 ms of work
        (7.995, 8.0),  # ready in the moment in which the server stops
        (7.998, 10.003),  # 2 ms of work before it stops at 8 s, 3 ms after it goes on at 10 s
        (8.0, 10.005),
        (9.9, 10.005),
        (10.0, 10.005),
        (19.0, 19.005),
    ],
)
def test_a_server_that_stands_still_goes_on_with_its_work_afterwards(
    arrived_s: float, answered: float
) -> None:
    assert answered_s(arrived_s) == pytest.approx(answered, abs=1e-9)


def test_the_truth_is_computed_from_the_schedule() -> None:
    waits_ms = truth()
    # 200/s for 20 s. Those of 8.000, 8.005, … 9.995 s wait until 10.005 s: 400 of 4,000. The
    # longest 2,005 ms; above the nearest rank of p99, 3,960, are 40: 2,005 - 40 x 5 = 1,805 ms.
    assert len(waits_ms) == 4_000
    assert sum(wait_ms > 5.001 for wait_ms in waits_ms) == 400
    assert exact(waits_ms) == pytest.approx((5, 1_805, 2_005))


def test_a_long_wait_is_filled_with_the_requests_that_it_kept_from_being_made() -> None:
    # One each 100 ms was expected: while one waited 350 ms, others would have waited 250 and 150.
    # The next, at 50 ms, is no whole interval. A wait of 100 ms or less kept none away.
    assert corrected([5, 350, 100, 5], 100) == [5, 350, 250, 150, 100, 5]


def test_figures_are_by_nearest_rank() -> None:
    # of 200 values p50 is the 100th, p99 the 198th
    assert exact([float(one) for one in range(200, 0, -1)]) == (100, 198, 200)
