"""The closed model: users who pay, wait for the answer, think, and pay again."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path
from statistics import median

import msgspec
import pytest

from paychain.environment.simulated_run import simulate_run
from paychain.load.traffic.plan import LoadPlan
from paychain.load.traffic.planning import load_plan
from paychain.load.traffic.schedule import count
from paychain.load.traffic.users import turns
from paychain.model.loading import FileMistakes, load_chain, load_experiment
from paychain.payments.journal import PaymentRecord
from paychain.report.ci.junit import junit_xml
from paychain.report.html.page import render
from paychain.report.text.summary import summary_md
from paychain.report.text.terminal import terminal_lines
from tests.support.report_results import result

CHAIN = load_chain("card-single-provider").model
LOAD = "load: {users: 5, think_time: 1s, warm_up: 0s, before: 8s, after: 2s}"


def declared(tmp_path: Path, load: str) -> Path:
    path = tmp_path / "closed.yaml"
    path.write_text(f"experiment: closed\n{load}\ntolerances: {{}}\n")
    return path


def plan_of(tmp_path: Path, load: str, seed: int = 1) -> LoadPlan:
    experiment = load_experiment(str(declared(tmp_path, load)), CHAIN).model
    return load_plan(CHAIN, experiment, seed)


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (
            "arrivals: 4/s, users: 5",
            "a load has either arrivals or users; remove users or arrivals",
        ),
        ("arrivals: 4/s, think_time: 1s", "think_time is for users, and this load has arrivals"),
        ("amounts: {median: 5, least: 1, most: 9}", "the load has neither arrivals nor users"),
        ("users: 5", "users need a think_time; add think_time: 1s"),
        ("think_time: 1s", "think_time needs users; add users: 50"),
        ("users: 5, think_time: 2", "'2' has no unit; write 2s or 2ms"),
        ("users: 0, think_time: 2s", "out of range; write at least 1"),
        ("users: 1001, think_time: 2s", "out of range; write at most 1000"),
        ("users: 5, think_time: {median: 2s, p99: 1s}", "p99 is shorter than the median"),
        (
            "users: 5, think_time: 1s, spacing: poisson",
            "spacing is for arrivals",
        ),
    ],
)
def test_a_mistake_in_a_load_of_users_has_its_place(
    tmp_path: Path, load: str, message: str
) -> None:
    with pytest.raises(FileMistakes) as caught:
        plan_of(tmp_path, f"load: {{{load}, before: 1s, after: 1s}}")
    assert message in str(caught.value)
    assert "closed.yaml:2:" in str(caught.value)


def test_a_fixed_think_time_is_the_same_after_every_answer(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, LOAD)
    pauses = [pause_s for _, pause_s in islice(turns(plan, 3), 1, 20)]
    assert pauses == [1.0] * 19


def test_users_begin_apart_and_no_two_payments_share_a_number(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, LOAD)
    begun = [next(turns(plan, user))[1] for user in range(5)]
    assert len(set(begun)) == 5
    assert all(0 <= at < 1 for at in begun)
    # user u's n-th payment is number 5 n + u: the first four of all five users are 0 to 19
    numbers = [number for user in range(5) for number, _ in islice(turns(plan, user), 4)]
    assert sorted(numbers) == list(range(20))


def test_a_think_time_with_a_spread_is_drawn_through_its_quantiles(tmp_path: Path) -> None:
    load = "load: {users: 1, think_time: {median: 2s, p99: 8s}, before: 1s, after: 1s}"
    plan = plan_of(tmp_path, load)
    pauses = [pause_s for _, pause_s in islice(turns(plan, 0), 1, 10_001)]
    assert median(pauses) == pytest.approx(2, rel=0.05)
    assert sum(pause_s > 8 for pause_s in pauses) == pytest.approx(100, abs=40)  # 1 % of 10,000
    assert pauses != [
        pause_s for _, pause_s in islice(turns(plan_of(tmp_path, load, 2), 0), 10_000)
    ]


def test_nobody_knows_beforehand_how_many_payments_users_will_make(tmp_path: Path) -> None:
    assert count(plan_of(tmp_path, LOAD)) is None


def test_each_user_waits_for_the_answer_and_thinks_before_paying_again(tmp_path: Path) -> None:
    experiment = load_experiment(str(declared(tmp_path, LOAD)), CHAIN).model
    played = simulate_run(CHAIN, experiment, 1)
    paid = [record for record in played.records if isinstance(record, PaymentRecord)]
    assert played.offered == len(paid) > 40  # 5 users, 10 s, a good second for each payment
    by_user: dict[int, list[PaymentRecord]] = {}
    for payment in sorted(paid, key=lambda payment: payment.started_ns):
        by_user.setdefault(int(payment.payment[1:]) % 5, []).append(payment)
    assert set(by_user) == set(range(5))
    for its in by_user.values():
        assert all(each.intended_ns == each.started_ns for each in its)
        for before, after in pairwise(its):
            assert after.started_ns - before.ended_ns == pytest.approx(1e9, abs=2)
    again = simulate_run(CHAIN, experiment, 1)
    assert again.records == played.records
    assert simulate_run(CHAIN, experiment, 2).records != played.records


def test_a_slow_chain_slows_its_own_load(tmp_path: Path) -> None:
    fault = "faults: [{at: 0s, for: 2s, target: {link: issuer}, slow_answer: {delay: 2s}}]"

    def started(text: str) -> int:
        """Payments of the 2 s from 8 s on: while the fault holds, where there is one."""
        experiment = load_experiment(str(declared(tmp_path, text)), CHAIN).model
        paid = [
            record
            for record in simulate_run(CHAIN, experiment, 1).records
            if isinstance(record, PaymentRecord)
        ]
        begun_ns = min(payment.started_ns for payment in paid)
        return sum(8e9 <= payment.started_ns - begun_ns < 10e9 for payment in paid)

    # A user who waits 2 s and thinks 1 s pays once in 2 s at most: 5 payments. One who has answers
    # within a quarter of a second pays again and again.
    assert started(f"{LOAD}\n{fault}") <= 5 < started(LOAD)


def test_every_report_names_the_model_and_what_it_hides() -> None:
    plain = result()
    load = msgspec.structs.replace(
        plain.load,
        planned=None,
        lag_p99_ms=None,
        users=50,
        caveat="figures hide the queue",
        arrivals="closed model: 50 users, 1 s think time",
    )
    closed = msgspec.structs.replace(plain, load=load)
    message = "closed model: 50 users, 1 s think time; figures hide the queue"
    for text in (render(closed), junit_xml(closed), summary_md(closed)):
        assert message in text.replace("\u00a0", " ")
    assert message in " ".join(" ".join(terminal_lines(closed)).split())
    for text in (render(plain), junit_xml(plain), summary_md(plain), *terminal_lines(plain)):
        assert "closed model" not in text
