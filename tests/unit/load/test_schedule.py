"""When payments arrive, by the declared shape of the load."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.load.traffic.arrivals import arrivals, with_merchants
from paychain.load.traffic.plan import AmountPlan, EntryPlan, LoadPlan
from paychain.load.traffic.planning import load_plan
from paychain.load.traffic.schedule import count, moments
from paychain.model.loading import FileMistakes, load_chain, load_experiment

HEAD = "experiment: shaped\n"


def plan_of(tmp_path: Path, load: str, *, seed: int = 1) -> LoadPlan:
    path = tmp_path / "shaped.yaml"
    path.write_text(f"{HEAD}{load}\ntolerances: {{}}\n")
    chain = load_chain("card-single-provider").model
    return load_plan(chain, load_experiment(str(path), chain).model, seed)


def times(plan: LoadPlan) -> list[float]:
    return [moment.at_s for moment in moments(plan)]


def mistakes(tmp_path: Path, load: str) -> str:
    with pytest.raises(FileMistakes) as caught:
        plan_of(tmp_path, load)
    return str(caught.value)


def test_a_rate_is_evenly_spaced(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "load: {arrivals: 4/s, warm_up: 0s, before: 1s, after: 1s}")
    assert times(plan) == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75])


@pytest.mark.parametrize("merchants", ["", ", merchants: {a shop: 60%, another shop: 40%}"])
def test_who_knows_the_merchants_names_pays_the_same(tmp_path: Path, merchants: str) -> None:
    load = f"load: {{arrivals: 4/s, warm_up: 0s, before: 1s, after: 1s{merchants}}}"
    plan = plan_of(tmp_path, load)
    named = with_merchants(plan)
    assert named.merchants
    assert list(arrivals(named)) == list(arrivals(plan))


def test_a_ramp_offers_the_area_under_it(tmp_path: Path) -> None:
    # From 0/s to 10/s over 10 s: n = t^2 / 2, so the n-th comes at sqrt(2 n), 50 in all.
    load = "load: {arrivals: {ramp: {from: 0/s, to: 10/s}}, warm_up: 0s, before: 5s, after: 5s}"
    found = times(plan_of(tmp_path, load))
    assert found == pytest.approx([(2 * n) ** 0.5 for n in range(50)], abs=1e-6)


def test_steps_hold_their_rate_until_the_next(tmp_path: Path) -> None:
    load = (
        "load: {arrivals: {steps: [{at: 0s, rate: 2/s}, {at: 2s, rate: 10/s}]}, "
        "warm_up: 0s, before: 2s, after: 1s}"
    )
    found = times(plan_of(tmp_path, load))
    # 2/s for 2 s, then 10/s for 1 s
    assert found == pytest.approx([0, 0.5, 1, 1.5, *(2 + n / 10 for n in range(10))])


def test_a_day_offers_its_mean_rate_and_peaks_in_the_evening(tmp_path: Path) -> None:
    load = "load: {arrivals: {daily: {mean: 100/s}}, warm_up: 0s, before: 12s, after: 12s}"
    found = times(plan_of(tmp_path, load))
    assert len(found) == pytest.approx(2_400, rel=0.01)  # 100/s over 24 s
    by_hour = [sum(int(at) == hour for at in found) for hour in range(24)]
    assert by_hour.index(max(by_hour)) == 18
    assert by_hour.index(min(by_hour)) in (3, 4)


def test_poisson_arrivals_have_the_rate_and_the_spread(tmp_path: Path) -> None:
    load = "load: {arrivals: 200/s, spacing: poisson, warm_up: 0s, before: 25s, after: 25s}"
    found = times(plan_of(tmp_path, load))
    gaps = [later - earlier for earlier, later in pairwise(found)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    # 10,000 draws: the mean is within 4 standard errors (1 % each); exponential: sd = mean.
    assert mean == pytest.approx(1 / 200, rel=0.04)
    assert variance**0.5 == pytest.approx(mean, rel=0.06)
    assert times(plan_of(tmp_path, load)) == found
    assert times(plan_of(tmp_path, load, seed=2)) != found


def test_recorded_arrivals_come_as_recorded_and_end_with_the_load(tmp_path: Path) -> None:
    (tmp_path / "friday.csv").write_text("at_s,note\n0.5,b\n0.1,a\n9.0,too late\n")
    load = "load: {arrivals: {replay: friday.csv}, warm_up: 0s, before: 1s, after: 1s}"
    assert times(plan_of(tmp_path, load)) == [0.1, 0.5]


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ("arrivals: 40", "2:18: '40' has no unit; write 40/s"),
        ("arrivals: {}", "2:18: arrivals have no shape"),
        ("arrivals: {ramp: {from: 1/s}}", "'to' is missing"),
        ("arrivals: {ramp: {from: 1/s, to: 2/s}, replay: x.csv}", "arrivals have 2 shapes"),
        ("arrivals: {steps: [{at: 1s, rate: 1/s}]}", "does not begin at 0s"),
        ("arrivals: {steps: [{at: 0s, rate: 1/s}, {at: 0s, rate: 2/s}]}", "not in order"),
        ("arrivals: {steps: [{at: 0s, rate: 1/s}, {at: 9s, rate: 2/s}]}", "the load ends at 4 s"),
        ("arrivals: {rampp: {}}", "unknown key 'rampp'; did you mean 'ramp'?"),
        ("arrivals: {replay: none.csv}", "none.csv: No such file"),
        ("arrivals: {replay: bad.csv}", "bad.csv:3: 'x' is not a time in seconds"),
        ("arrivals: {replay: nameless.csv}", "nameless.csv:1: no column 'at_s'"),
        ("arrivals: {replay: late.csv}", "no recorded arrival lies within the 4 s of the load"),
        ("arrivals: 1/s, spacing: odd", "unknown spacing 'odd'"),
    ],
)
def test_a_mistake_in_a_load_has_its_place(tmp_path: Path, load: str, message: str) -> None:
    (tmp_path / "bad.csv").write_text("at_s\n1\nx\n")
    (tmp_path / "nameless.csv").write_text("when\n1\n")
    (tmp_path / "late.csv").write_text("at_s\n99\n")
    text = f"load: {{{load}, warm_up: 2s, before: 1s, after: 1s}}"
    assert message in mistakes(tmp_path, text)


corners = st.lists(st.integers(0, 40), min_size=2, max_size=6)


@given(corners, st.booleans())
def test_arrivals_are_in_order_and_inside_the_load(rates: list[int], is_random: bool) -> None:
    plan = LoadPlan(
        entries=(EntryPlan(link="edge"),),
        corners=tuple((float(at), float(rate)) for at, rate in enumerate(rates)),
        is_random=is_random,
        times=(),
        warm_up_s=0.0,
        lasts_s=float(len(rates) - 1),
        deadline_s=1.0,
        seed=1,
        epoch_ns=0,
        currency="EUR",
        amounts=AmountPlan(median=1, least=1, most=1),
    )
    found = times(plan)
    assert found == sorted(found)
    assert all(0 <= at <= plan.lasts_s for at in found)
    if not is_random:
        area = sum((a + b) / 2 for a, b in pairwise(rates))
        assert abs(count(plan) - area) <= 1
