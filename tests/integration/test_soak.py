"""Nothing grows but by what is recorded and by what the links must know of each payment."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak import REAL_S, VIRTUAL_S, Course, Soaked, real, virtual

needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="measures through /proc")


def soaked(name: str, values: list[float]) -> Soaked:
    """100 samples, 10 payments each, of a thing and of books with 3 entries per payment."""
    course = Course()
    for number, value in enumerate(values):
        course.add(number * 10, {name: value, "services entries": number * 30})
    return Soaked("made up", course, recorded=1_000, seconds=100)


@pytest.mark.parametrize(
    ("name", "per_payment", "is_well"),
    [
        ("engine memory", 1_000, True),
        ("engine memory", 1_400, False),  # 1.3 times what is recorded may be
        ("conductor memory", 1_800, True),  # 1.3 times records and their indexes, 1.4 of those
        ("conductor memory", 1_850, False),
        ("services memory", 7_100, True),  # 1.3 * (1000 recorded + 3 entries * 1500) = 7150
        ("services memory", 7_200, False),
        ("run.db disk", 1_850, False),
    ],
)
def test_what_grows_beyond_what_is_recorded_is_found(
    name: str, per_payment: float, is_well: bool
) -> None:
    values = [number * 10 * per_payment for number in range(100)]
    assert (soaked(name, values).grown() == []) is is_well


def test_a_level_that_rises_is_found_and_one_that_swings_is_not() -> None:
    swings = [20.0 + number % 7 for number in range(100)]
    assert soaked("engine fds", swings).grown() == []
    rises = [20.0 + number for number in range(100)]  # at most 79 in the first half, 119 then
    assert soaked("engine fds", rises).grown() == []  # within a half more and 10
    assert soaked("engine fds", [20.0 + 3 * number for number in range(100)]).grown() != []


@needs_proc
@pytest.mark.slow
def test_links_that_forget_hold_no_more_the_longer_they_run() -> None:
    # Half of it is longer than anything is remembered: twice the longest wait, and a quarter more.
    # What memory grows by shows only when it goes on for far longer, as below.
    found = virtual(300, window_s=30)
    print("\n".join(found.lines()))
    assert found.course.payments[-1] > 17 * 300
    assert [each for each in found.grown() if not each.startswith("memory")] == []


@needs_proc
@pytest.mark.thorough
@pytest.mark.long(50)
@pytest.mark.timeout(600)
def test_time_that_passes_virtually_grows_nothing_but_what_is_recorded() -> None:
    found = virtual(VIRTUAL_S)
    print("\n".join(found.lines()))
    assert found.course.payments[-1] > 17 * VIRTUAL_S
    assert found.grown() == []


@needs_proc
@pytest.mark.thorough
@pytest.mark.long(320)
@pytest.mark.timeout(600)
def test_five_minutes_of_real_payments_grow_by_what_is_recorded(tmp_path: Path) -> None:
    found = real(REAL_S, folder=tmp_path)
    print("\n".join(found.lines()))
    assert found.course.payments[-1] > 5_000
    assert found.grown() == []
