"""Every measure of a generated run is what a slow and obvious second implementation gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle.measured import measured_differences, run_measured
from tests.support.tiers import only


@pytest.mark.slow
@pytest.mark.parametrize("number", only({1}, [1, *range(4, 25)]))
def test_the_measures_of_a_generated_run_are_those_counted_by_hand(
    number: int, tmp_path: Path
) -> None:
    assert measured_differences(*run_measured(number, tmp_path)) == []


def test_no_payment_of_the_warm_up_is_in_a_measure(tmp_path: Path) -> None:
    assert measured_differences(*run_measured(0, tmp_path, warm_up="1s")) == []
