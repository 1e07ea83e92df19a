"""A limit names the start that it holds for, and that start is the one that needs least."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paychain.explore.minimise import find_limits
from paychain.explore.result import SearchResult, SmallestOutage
from paychain.explore.schedules import FaultChoice, Schedule, ScheduledFault
from paychain.explore.search import minimise, search
from paychain.explore.spec import SearchSpec
from paychain.explore.starts import with_best_starts, works_at_any_start
from paychain.explore.trial import Candidate, Trial, broken_by_schedule
from paychain.model.loading import load_chain

RULE = "no_double_charge"
LOST = FaultChoice("lost_answer", ("link", "processor-a"), has_magnitude=False)
DOWN = FaultChoice("down", ("link", "processor-a"), has_magnitude=False)


def minimised(spec: SearchSpec, fault: ScheduledFault) -> SmallestOutage:
    trial = Trial(spec, SearchResult(), lambda: 0.0, lambda _: None)
    broken = trial.breach_of(RULE, (fault,), 0)
    assert broken is not None
    minimise(trial, Candidate((fault,), 0, broken), 1)
    return trial.result.found[RULE]


@pytest.fixture(scope="module")
def gives_up() -> SearchSpec:
    return SearchSpec(load_chain("card-gives-up").model, payments=3, rules=(RULE,))


@pytest.fixture(scope="module")
def found(gives_up: SearchSpec) -> SmallestOutage:
    """From a start at which 22 ms are needed, which is what was once reported as the limit."""
    return minimised(gives_up, ScheduledFault(LOST, 0, 50, 50))


def breaks(spec: SearchSpec, fault: ScheduledFault) -> bool:
    return RULE in {broken.rule for broken in broken_by_schedule(spec, (fault,))}


def test_the_printed_limit_is_what_a_run_shows(gives_up: SearchSpec, found: SmallestOutage) -> None:
    (fault,), (limits,) = found.schedule, found.limits
    assert limits.min_duration_ms == 1  # 22 ms at the start of the load, 1 ms as a request arrives
    assert limits.start_ms == fault.start_ms
    assert f"from {fault.start_ms / 1000:.3f} s on, lasts ≥ 1 ms" in str(limits)
    assert breaks(gives_up, fault.with_duration(1))
    # One start later or earlier is not the same: 1 ms there affects no request.
    assert not breaks(gives_up, replace(fault, start_ms=fault.start_ms + 5, duration_ms=1))
    assert not breaks(gives_up, ScheduledFault(LOST, 0, 21, 50))
    assert breaks(gives_up, ScheduledFault(LOST, 0, 22, 50))


@pytest.mark.thorough  # the printed limit, above, at three starts
def test_a_millisecond_less_than_the_limit_passes_at_every_start() -> None:
    """The first try and its retry must both fail, which no start makes possible in 30 ms."""
    chain = load_chain("card-gives-up").model
    spec = SearchSpec(chain, payments=1, rules=(RULE,), kinds=("down",))
    outage = minimised(spec, ScheduledFault(DOWN, 45, 100, 50))
    (smallest,), (limits,) = outage.schedule, outage.limits
    start = f"from {smallest.start_ms / 1000:.3f} s on"
    assert str(limits) == f"down on link processor-a, {start}, lasts ≥ 31 ms"
    assert breaks(spec, smallest)
    for start_ms in range(100):
        assert not breaks(spec, ScheduledFault(DOWN, start_ms, 30, 50))


def by_start(least: dict[int, int]) -> object:
    def breaks_(schedule: Schedule) -> bool:
        return schedule[0].duration_ms >= least.get(schedule[0].start_ms, 1_000_000)

    return breaks_


@given(
    st.dictionaries(st.integers(0, 50), st.integers(1, 300), min_size=1, max_size=20),
    st.randoms(use_true_random=False),
)
@settings(max_examples=50, deadline=None)
def test_of_all_starts_that_are_tried_the_one_that_needs_least_is_found(
    least: dict[int, int], chance: object
) -> None:
    first = min(least)
    starts = sorted(least)
    chance.shuffle(starts)  # type: ignore[attr-defined]  # a Random
    schedule = (ScheduledFault(DOWN, first, 1_000, 50),)
    (found,) = with_best_starts(schedule, lambda *_: starts, by_start(least))  # type: ignore[arg-type]  # a stand-in
    assert found.duration_ms == min(least.values())
    assert least[found.start_ms] == found.duration_ms


def test_any_start_is_reported_only_when_every_one_that_is_tried_breaks() -> None:
    fault = ScheduledFault(DOWN, 100, 500, 50)
    assert works_at_any_start(fault, 2_000, lambda _: True)
    assert not works_at_any_start(fault, 2_000, lambda other: other.start_ms < 1_900)
    (limits,) = find_limits((fault,), lambda some: some[0].duration_ms >= 300, 2_000)
    assert str(limits) == "down on link processor-a, at any start, lasts ≥ 300 ms"


# -- the same seed, the same schedules ------------------------------------------------------------
def drawn(spec: SearchSpec, monkeypatch: pytest.MonkeyPatch, **kwargs: object) -> list[Schedule]:
    seen: list[Schedule] = []

    def note(self: Trial, schedule: Schedule, interleaving: int) -> list[object]:
        seen.append(schedule)
        self.result.schedules += 1
        self.result.took_s = self._passed_s()
        return []

    with monkeypatch.context() as patch:
        patch.setattr(Trial, "breaks", note)
        search(spec, lambda _: None, **kwargs)  # type: ignore[arg-type]  # of mixed types
    return seen


def test_a_count_and_a_time_draw_the_same_schedules(
    gives_up: SearchSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_count = drawn(replace(gives_up, max_schedules=60), monkeypatch)
    seconds = iter(range(10_000))
    by_time = drawn(replace(gives_up, budget_s=60), monkeypatch, clock=lambda: float(next(seconds)))
    assert len(by_count) == 60
    shorter = min(len(by_count), len(by_time))
    assert shorter > 50
    assert by_count[:shorter] == by_time[:shorter]


SEARCH = """\
import sys
if len(sys.argv) > 1:
    import constants_of_a_user
from paychain.explore.search import search
from paychain.explore.spec import SearchSpec
from paychain.explore.trial import Trial
from paychain.model.loading import load_chain

def note(self, schedule, interleaving):
    print(*schedule, sep="; ")
    self.result.schedules += 1
    return []

Trial.breaks = note
search(SearchSpec(load_chain("card-gives-up").model, max_schedules=60), lambda _: None)
"""


@pytest.mark.slow
def test_another_module_in_the_folder_changes_nothing_and_nothing_is_left_there(
    tmp_path: Path,
) -> None:
    (tmp_path / "search.py").write_text(SEARCH)
    numbers = ", ".join(map(str, range(1, 60, 3)))
    (tmp_path / "constants_of_a_user.py").write_text(f"NUMBERS = [{numbers}]")
    drawn_ = [
        subprocess.run(
            [sys.executable, "search.py", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for words in ([], ["with the module"])
    ]
    assert len(drawn_[0].splitlines()) == 60
    assert drawn_[0] == drawn_[1]
    assert not (tmp_path / ".hypothesis").exists()
