"""The search for the smallest outage, and its smallest parts."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from dataclasses import replace
from itertools import combinations
from multiprocessing import Pipe
from pathlib import Path
from threading import Thread
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from paychain.analysis.money.parties import Parties
from paychain.cli.main import app
from paychain.declaration.yaml_text import parse
from paychain.environment.running_chain import pass_time
from paychain.environment.virtual import VirtualChain
from paychain.explore.actions import explore_actions
from paychain.explore.checks import SUCCESS, broken
from paychain.explore.findings import outage_lines, slug, write_outage
from paychain.explore.jobs import _collect, merged, search_with_jobs
from paychain.explore.minimise import (
    add_margin,
    find_limits,
    remove_unneeded_faults,
    simplify_kinds,
    size,
)
from paychain.explore.result import SearchResult
from paychain.explore.schedules import (
    SEARCHED,
    FaultChoice,
    Schedule,
    ScheduledFault,
    experiment_of,
    fault_choices,
)
from paychain.explore.search import minimise, search
from paychain.explore.spec import SearchSpec
from paychain.explore.trial import Candidate, Trial, broken_by_schedule
from paychain.load.traffic.arrivals import Arrival
from paychain.load.traffic.planning import load_plan
from paychain.load.traffic.schedule import count
from paychain.model.chain import Chain
from paychain.model.checks import check_experiment
from paychain.model.loading import load_chain, load_experiment
from paychain.model.tolerance import Limit
from paychain.payments.cards import TEST_CARDS
from paychain.payments.codes import APPROVED
from paychain.payments.errors import PartLost, UserError
from paychain.payments.journal import Movement
from paychain.processes.jobs import RECEIVED, STOP, RunningProcesses, serve
from paychain.processes.local import JobProcess
from paychain.protocol.message import PaymentRequest
from paychain.services.policies.call_end import SentRequest
from paychain.services.roles.merchant import Merchants
from paychain.services.state.book import Book
from paychain.simulation.simulate import Unhandled
from paychain.testing import broken_by, explore_chain, fault_schedules
from tests.support.chains import checked, shop
from tests.support.laws import examples
from tests.support.paths import PLANTED_CHAINS
from tests.support.tiers import thorough

PATIENT_S = 200.0  # the schedules bound a search, on a busy machine too
LOST = FaultChoice("lost_answer", ("link", "processor-a"), has_magnitude=False)
SLOW_ISSUER = FaultChoice("slow_answer", ("link", "issuer"), has_magnitude=True)
SLOW = FaultChoice("slow_answer", ("link", "processor-a"), has_magnitude=True)


def declared(on_unknown: str) -> str:
    """The YAML of a shop whose processors reverse what they do not know."""
    return shop(on_unknown=on_unknown, processor_authorise={"on_unknown": "reverse"})


def model(on_unknown: str = "give_up") -> Chain:
    return checked(declared(on_unknown))


# -- schedules ------------------------------------------------------------------------------------
def test_the_traffic_is_the_same_whatever_the_faults() -> None:
    chain = model()
    for schedule in (
        (),
        (ScheduledFault(LOST, 1_500, 3_000, 50),),
        (ScheduledFault(SLOW, 0, 50, 900),),
    ):
        experiment = experiment_of(schedule, payments=20, rate=10)
        assert count(load_plan(chain, experiment, 1)) == 20


def test_every_link_and_call_can_be_a_target_and_simple_kinds_come_first() -> None:
    found = fault_choices(model())
    assert found[0].kind == "down"
    assert FaultChoice("lost_answer", ("call", "gateway.authorise"), has_magnitude=False) in found
    assert len(set(found)) == len(found)
    assert {choice.kind for choice in fault_choices(model(), ["down"])} == {"down"}


def test_no_search_lets_an_isolated_link_die_and_keep_its_books() -> None:
    chain = model()
    chain.links["issuer"] = chain.links["issuer"].model_copy(update={"isolate": True})
    targets = [choice.target[1] for choice in fault_choices(chain, ["crash"])]
    assert targets == ["gateway", "processor-a", "processor-b"]


@pytest.mark.parametrize("name", ["card-ecommerce", "card-lifecycle"])
def test_what_is_searched_is_what_an_experiment_may_do(name: str) -> None:
    chain = load_chain(name).model
    for choice in fault_choices(chain):
        schedule = (ScheduledFault(choice, 0, 50, 50),)
        assert check_experiment(experiment_of(schedule, payments=2, rate=10), chain) == []


@given(fault_schedules(model()))
@examples(50)
def test_every_schedule_is_an_experiment(schedule: Schedule) -> None:
    experiment = experiment_of(schedule, payments=20, rate=10)
    windows = [
        (each.choice.kind, each.duration_ms / 1000) for each in schedule for _ in range(each.times)
    ]
    assert [(fault.kind, fault.lasts) for fault in experiment.faults] == windows


# -- minimise -------------------------------------------------------------------------------------
def test_faults_that_are_not_needed_go() -> None:
    needed, other = ScheduledFault(LOST, 0, 50, 50), ScheduledFault(SLOW, 0, 50, 50)
    assert remove_unneeded_faults((other, needed, other), lambda some: needed in some) == (needed,)
    assert remove_unneeded_faults((other,), lambda _: True) == ()


def test_a_simpler_kind_that_breaks_less_when_it_lasts_longer_is_tried_for_a_shorter_time() -> None:
    """An answer that is lost does its damage only where the repeat of the request is not."""
    slow = FaultChoice("latency", ("link", "a"), has_magnitude=True)
    lost = FaultChoice("lost_answer", ("link", "a"), has_magnitude=False)

    def breaks(schedule: Schedule) -> bool:
        (fault,) = schedule
        lasts_long = fault.duration_ms >= 1_100
        return lasts_long if fault.choice == slow else not lasts_long and fault.start_ms == 100

    (found,) = simplify_kinds((ScheduledFault(slow, 100, 3_000, 1_000),), [lost, slow], breaks)
    assert found.choice == lost
    assert found.duration_ms == 50


def test_a_fault_becomes_the_simplest_kind_for_its_target_that_still_breaks() -> None:
    choices = fault_choices(model(), ["down", "lost_answer", "slow_answer"])
    down, lost, slow = (choice for choice in choices if choice.target == LOST.target)

    def breaks(schedule: Schedule) -> bool:  # down never does, a lost answer from 300 ms on
        fault = schedule[0]
        return fault.choice == slow or (fault.choice == lost and fault.duration_ms >= 300)

    (found,) = simplify_kinds((ScheduledFault(slow, 400, 50, 600),), choices, breaks)
    assert (found.choice, found.duration_ms) == (lost, 300)
    assert simplify_kinds((ScheduledFault(down, 0, 50, 50),), choices, breaks) == (
        ScheduledFault(down, 0, 50, 50),
    )


def test_fewer_faults_are_simpler_than_simpler_kinds_and_those_than_shorter_faults() -> None:
    down = FaultChoice("down", ("link", "processor-a"), has_magnitude=False)  # the simplest kind
    order = [
        (),
        (ScheduledFault(down, 0, 3_000, 50),),
        (ScheduledFault(LOST, 0, 50, 50),),
        (ScheduledFault(LOST, 0, 100, 50),),
        (ScheduledFault(down, 0, 50, 50), ScheduledFault(down, 0, 50, 50)),
    ]
    assert [size(schedule) for schedule in order] == sorted(map(size, order))


@given(fault_schedules(model()), st.integers(0, 2**32))
@examples(50)
def test_every_pass_keeps_the_rule_broken_and_makes_the_schedule_simpler_or_keeps_it(
    schedule: Schedule, seed: int
) -> None:
    """Whatever breaks the rule: here what a hash of the schedule says, and the first schedule."""

    def breaks(other: Schedule) -> bool:
        return other == schedule or hash((seed, str(other))) % 3 == 0

    choices = fault_choices(model())
    fewer = remove_unneeded_faults(schedule, breaks)
    assert breaks(fewer)
    assert fewer == schedule or size(fewer) < size(schedule)
    simpler = simplify_kinds(fewer, choices, breaks)
    assert breaks(simpler)
    assert simpler == fewer or size(simpler) < size(fewer)


def test_what_is_written_has_room_where_it_still_breaks() -> None:
    def breaks(schedule: Schedule) -> bool:  # not when it lasts two seconds or longer
        return schedule[0].magnitude_ms >= 480 and schedule[0].duration_ms < 2_000

    (found,) = add_margin((ScheduledFault(SLOW, 0, 500, 500),), breaks)
    assert (found.duration_ms, found.magnitude_ms) == (1_500, 1_000)
    (found,) = add_margin((ScheduledFault(LOST, 0, 1_500, 500),), breaks)
    assert (found.duration_ms, found.magnitude_ms) == (1_800, 500)


@pytest.mark.slow
def test_two_faults_that_add_up_become_one_that_does_as_much_alone() -> None:
    # 300 ms is the processors' timeout. Two delays of 200 ms add up to 400; neither breaks alone.
    two = (ScheduledFault(SLOW_ISSUER, 0, 500, 200), ScheduledFault(SLOW_ISSUER, 0, 500, 200))
    all_of_them = Limit(comparison=">=", bound=1.0, text=">= 100%")
    order = SearchSpec(model("reverse"), payments=2, success=all_of_them, kinds=("slow_answer",))
    (broken,) = broken_by_schedule(order, two)
    assert not broken_by_schedule(order, two[:1])
    trial = Trial(order, SearchResult(), lambda: 0.0, lambda _: None)
    minimise(trial, Candidate(two, 0, broken), 1)
    (found,) = trial.result.found[SUCCESS].schedule
    assert found.magnitude_ms >= 300


def test_limits_are_exact_to_a_millisecond() -> None:
    # It breaks from 480 ms of delay on, when it lasts 120 ms or longer.
    def breaks(schedule: Schedule) -> bool:
        return schedule[0].magnitude_ms >= 480 and schedule[0].duration_ms >= 120

    (found,) = find_limits((ScheduledFault(SLOW, 0, 600, 1_000),), breaks, 2_000)
    assert (found.min_duration_ms, found.min_magnitude_ms) == (120, 480)
    assert found.start_ms is None
    assert str(found) == (
        "slow_answer of ≥ 480 ms on link processor-a, at any start, lasts ≥ 120 ms"
    )


def test_limits_hold_together_and_say_where_they_end() -> None:
    # Delay and duration add up: it breaks while 1,000 <= delay + duration < 2,000. Lasting
    # 600 ms it needs 400 ms of delay, up to 1,399; with 400 ms it lasts from 600 to 1,599 ms.
    def breaks(schedule: Schedule) -> bool:
        return 1_000 <= schedule[0].magnitude_ms + schedule[0].duration_ms < 2_000

    (found,) = find_limits((ScheduledFault(SLOW, 0, 600, 1_000),), breaks, 2_000)
    assert (found.min_magnitude_ms, found.min_duration_ms) == (400, 600)
    assert (found.max_magnitude_ms, found.max_duration_ms) == (1_399, 1_599)
    assert str(found) == (
        "slow_answer of 400 to 1399 ms on link processor-a, at any start, lasts 600 to 1599 ms"
    )


def test_a_limit_of_one_millisecond_is_reported_as_one() -> None:
    (found,) = find_limits(
        (ScheduledFault(LOST, 1_250, 50, 50),),
        lambda some: (some[0].start_ms, some[0].duration_ms) == (1_250, 50),
        2_000,
    )
    assert str(found) == "lost_answer on link processor-a, from 1.250 s on, lasts exactly 50 ms"


# -- search ---------------------------------------------------------------------------------------
RULE = ("no_double_charge",)
QUICK = SearchSpec(
    model(), max_schedules=60, rules=RULE, kinds=("lost_answer",), budget_s=PATIENT_S
)


@pytest.fixture(scope="module")
def searched() -> SearchResult:
    """What the quickest search finds, for the tests of what is done with it."""
    return search(QUICK, lambda _: None)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, *map(thorough, (2, 3))])
def test_failover_without_reversal_is_found_and_shrunk_to_one_fault(seed: int) -> None:
    order = SearchSpec(model(), seed=seed, max_schedules=400, budget_s=60, payments=3, rules=RULE)
    searched = search(order, lambda _: None)
    found = searched.found["no_double_charge"]
    assert len(found.schedule) == 1
    assert found.schedule[0].choice.target[1] in (
        "processor-a",
        "gateway.authorise",
        "issuer",
        "processor-a.authorise",
        "processor-b",
    )
    again = broken_by_schedule(order, found.schedule)
    assert "no_double_charge" in {each.rule for each in again}
    assert "held for an order of" in outage_lines(found)[0]
    assert [story.payment for story in found.stories] == [found.broken.payment]


def test_the_story_of_an_order_is_that_of_all_its_payments() -> None:
    """The customer orders again under a new key after an answer that was lost."""
    again = "customer: {retry: {after: 500ms, key: new}}\nentry:"
    chain = checked(declared("reverse").replace("entry:", again, 1))
    order = SearchSpec(chain, max_schedules=200, budget_s=60, payments=3, rules=RULE)
    found = search(order, lambda _: None).found["no_double_charge"]
    assert len(found.stories) == 2
    paid = [story.customer for story in found.stories if story.customer is not None]
    assert len({payment.order for payment in paid}) == 1
    assert "smallest outage affects 1 order" in outage_lines(found)[-1]


def test_two_links_that_try_anew_do_not_take_each_others_reference() -> None:
    """The processor stands in, its answer is lost, and the gateway fails over. Both make a new
    attempt of the same reference; undoing the first must not undo the second at the issuer."""
    text = declared("reverse")
    stands_in = "on_unknown: reverse, fallback: [{stand_in: {up_to: 9000.00}}]}}}"
    text = text.replace("on_unknown: reverse}}}", stands_in, 1)
    chain = Chain.model_validate(parse(text).value)
    issuer_down = FaultChoice("down", ("link", "issuer"), has_magnitude=False)
    schedule = (ScheduledFault(LOST, 0, 50, 50), ScheduledFault(issuer_down, 0, 400, 50))
    assert broken_by_schedule(SearchSpec(chain, payments=2), schedule) == []


def test_with_a_reversal_nobody_is_charged_twice() -> None:
    order = SearchSpec(
        model("reverse"), max_schedules=60, budget_s=PATIENT_S, payments=3, rules=RULE
    )
    searched = search(order, lambda _: None)
    assert searched.found == {}
    assert searched.schedules >= 60
    assert searched.virtual_s > 0


def test_the_same_seed_searches_the_same() -> None:
    orders = [SearchSpec(model(), max_schedules=40, budget_s=60, payments=2) for _ in range(2)]
    first, second = (search(order, lambda _: None) for order in orders)
    assert first.found == second.found
    assert first.schedules == second.schedules


@pytest.mark.slow
def test_what_was_found_once_is_tried_first_the_next_time(tmp_path: Path) -> None:
    def found_at(seed: int, *, kinds: tuple[str, ...] = ()) -> list[int]:
        order = SearchSpec(
            model(),
            seed_of_search=seed,
            max_schedules=60,
            budget_s=PATIENT_S,
            payments=2,
            kinds=kinds,
            database=tmp_path,
        )
        return [each.at_schedule for each in search(order, lambda _: None).found.values()]

    assert found_at(100)[0] > 1
    assert found_at(200)[0] == 1
    assert found_at(300, kinds=("latency",)) == []  # another question: what is kept stays
    assert found_at(400)[0] == 1


@pytest.mark.thorough  # another question forgets nothing above, with other kinds
def test_what_broke_only_what_else_was_asked_for_is_not_forgotten_by_another_search(
    tmp_path: Path,
) -> None:
    """Hypothesis deletes examples that break nothing: those of another question seldom do."""
    all_of_them = Limit(comparison=">=", bound=1.0, text=">= 100%")
    plain = SearchSpec(
        model("reverse"),
        seed_of_search=1,  # only drawn schedules are kept
        max_schedules=30,
        payments=4,
        kinds=("down",),
        database=tmp_path,
        budget_s=PATIENT_S,
    )
    asked = replace(plain, max_schedules=100, success=all_of_them)
    assert search(asked, lambda _: None).found[SUCCESS].at_schedule > 1
    assert not search(plain, lambda _: None).found
    assert search(asked, lambda _: None).found[SUCCESS].at_schedule == 1


def test_ctrl_c_keeps_what_was_found() -> None:
    def on_progress(searched: SearchResult) -> None:
        if searched.best:
            raise KeyboardInterrupt

    searched = search(
        SearchSpec(model(), max_schedules=400, budget_s=60, payments=3, rules=RULE), on_progress
    )
    assert searched.was_interrupted
    assert "no_double_charge" in searched.found


def test_a_spent_budget_ends_the_search_in_the_middle_of_a_round() -> None:
    clock = iter(range(10_000))
    searched = search(
        SearchSpec(model("reverse"), budget_s=5, payments=1),
        lambda _: None,
        clock=lambda: float(next(clock)),
    )
    assert searched.schedules < 10


def test_what_is_found_last_is_made_smaller_for_half_a_minute_and_kept_as_it_is_then() -> None:
    clock = iter(range(0, 100_000, 8))  # eight seconds a schedule
    order = SearchSpec(model(), budget_s=80, payments=2, rules=RULE, kinds=("lost_answer",))
    searched = search(order, lambda _: None, clock=lambda: float(next(clock)))
    assert not searched.was_interrupted
    assert searched.took_s < 80 + 30 + 5 * 8
    assert "limits unknown: the search ended first" in "".join(
        outage_lines(searched.found[RULE[0]])
    )


@pytest.mark.slow
def test_a_race_is_found_by_the_order_of_events_and_blamed_on_no_fault() -> None:
    """A merchant who cancels whatever is not marked as shipped, 1 ms after it should have been."""
    honest = Merchants.approved

    def approved(self: Merchants, sent: SentRequest, reference: str) -> None:
        shipped = asyncio.Event()

        async def ship() -> None:
            await asyncio.sleep(0.1)
            shipped.set()

        async def cancel() -> None:
            await asyncio.sleep(0.101)
            if not shipped.is_set():
                await asyncio.sleep(0.097)  # it is being captured
                await self._cancel(sent, reference, 0.0)

        honest(self, sent, reference)
        self._background.start(ship())
        self._background.start(cancel())

    chain = load_chain(str(PLANTED_CHAINS / "captures.yaml")).model
    order = SearchSpec(
        chain,
        max_schedules=60,
        budget_s=60,
        payments=5,
        rate=5,
        kinds=("latency",),
        rules=("captured_within_authorised",),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Merchants, "approved", approved)
        assert search(order, lambda _: None).found == {}
        found = search(replace(order, interleavings=True), lambda _: None).found[
            "captured_within_authorised"
        ]
        assert found.interleaving > 0
        assert found.schedule == ()
        assert broken_by_schedule(order, (), found.interleaving)
        # A fault that is not needed goes also where the same order is harmless without it.
        order = replace(order, interleavings=True)
        fault = (
            ScheduledFault(
                FaultChoice("latency", ("link", "issuer"), has_magnitude=True), 0, 300, 50
            ),
        )
        number, (broken, *_) = next(
            (number, seen)
            for number in range(1, 20)
            if (seen := broken_by_schedule(order, fault, number))
            and not broken_by_schedule(order, (), number)
        )
        trial = Trial(order, SearchResult(), lambda: 0.0, lambda _: None)
        minimise(trial, Candidate(fault, number, broken), 1)
        assert trial.result.found["captured_within_authorised"].schedule == ()


def test_a_found_schedule_is_an_ordinary_experiment_file(
    tmp_path: Path, searched: SearchResult
) -> None:
    found = searched.found["no_double_charge"]
    path = write_outage(found, QUICK, tmp_path)
    assert path.name == "shop-no-double-charge.yaml"
    loaded = load_experiment(str(path), QUICK.chain, needs_tolerances=True).model
    assert len(loaded.faults) == len(found.schedule)
    assert loaded.experiment == slug("shop", "no_double_charge")
    assert "# Fails when " in path.read_text()


def test_jobs_keep_the_smallest_of_each_rule(searched: SearchResult) -> None:
    whole = merged([searched, SearchResult(schedules=5, virtual_s=1.0, took_s=2.0)])
    assert whole.found == searched.found
    assert whole.schedules == searched.schedules + 5


@pytest.mark.thorough  # test_ended_from_outside.py for Ctrl-C, test_cluster.py for the progress
def test_progress_covers_all_jobs_together_and_ctrl_c_keeps_what_each_found() -> None:
    order = SearchSpec(
        model(), max_schedules=100_000, budget_s=60, payments=2, kinds=("lost_answer",)
    )
    heard: list[int] = []
    interrupts = iter([KeyboardInterrupt])

    def on_progress(searched: SearchResult) -> None:
        heard.append(searched.schedules)
        if "no_double_charge" in searched.found:
            for interrupt in interrupts:  # once
                raise interrupt

    searched = search_with_jobs(order, 2, on_progress)
    assert searched.was_interrupted
    assert "no_double_charge" in searched.found
    assert 0 < searched.schedules < 100_000
    assert heard == sorted(heard)


def test_a_job_that_found_all_that_is_looked_for_ends_the_others(searched: SearchResult) -> None:
    """One of the jobs finds nothing by itself: its budget is far beyond the test's patience."""
    ours, theirs = Pipe()
    slow, slows = Pipe()
    assert set(searched.found) == set(RULE)
    theirs.send((searched, True))
    answer = Thread(
        target=lambda: slows.send((SearchResult(schedules=int(slows.recv() == STOP)), True))
    )
    answer.start()
    parts = {0: SearchResult(), 1: SearchResult()}
    assert not _collect(RunningProcesses([ours, slow]), parts, lambda _: None, set(RULE))
    answer.join()
    assert parts[1].schedules == 1


def test_a_search_whose_process_died_is_a_part_that_was_lost_and_no_result() -> None:
    ours, theirs = Pipe()
    theirs.close()
    with pytest.raises(PartLost, match="a search process died unexpectedly"):
        _collect(RunningProcesses([ours]), {0: SearchResult()}, lambda _: None, set())


def test_a_finding_whose_limits_are_known_counts_more_than_one_cut_short(
    searched: SearchResult,
) -> None:
    (known,) = searched.found.values()
    shorter = replace(
        known, limits=(), schedule=tuple(each.with_duration(1) for each in known.schedule)
    )
    whole = merged(
        [SearchResult(found={known.rule: known}), SearchResult(found={known.rule: shorter})]
    )
    assert whole.found[known.rule] is known


def test_merged_parts_prefer_what_one_search_prefers(searched: SearchResult) -> None:
    (known,) = searched.found.values()
    simplest, *_, least_simple = (
        FaultChoice(kind, ("link", "issuer"), has_magnitude=False) for kind in SEARCHED
    )
    schedules: list[Schedule] = [
        (ScheduledFault(simplest, 0, 50, 0),),
        (ScheduledFault(simplest, 0, 900, 0),),
        (ScheduledFault(least_simple, 0, 20, 0),),
        (ScheduledFault(least_simple, 0, 20, 0, times=3, every_ms=200),),
        (ScheduledFault(simplest, 0, 1, 0), ScheduledFault(simplest, 50, 1, 0)),
    ]
    assert schedules == sorted(schedules, key=size)
    found = [replace(known, schedule=schedule) for schedule in schedules]
    for smaller, larger in combinations(found, 2):
        parts = [SearchResult(found={known.rule: each}) for each in (larger, smaller)]
        assert merged(parts).found == merged(parts[::-1]).found == {known.rule: smaller}


def test_a_job_goes_only_when_its_last_word_was_heard() -> None:
    ours, theirs = Pipe()
    job = Thread(
        target=serve,
        args=(search, SearchSpec(model(), max_schedules=1, budget_s=PATIENT_S), theirs),
        daemon=True,
    )
    job.start()
    is_done = False
    while not is_done:
        _, is_done = ours.recv()
    ours.send(STOP)  # crosses its last word: whoever closes upon it may lose what was sent
    job.join(0.2)
    assert job.is_alive()
    ours.send(RECEIVED)
    job.join(10)
    assert not job.is_alive()


@pytest.mark.thorough  # test_ended_from_outside.py sends it to all jobs of a search
def test_ctrl_c_while_jobs_start_reaches_none_and_is_heard_afterwards() -> None:
    order = SearchSpec(
        model(), max_schedules=100_000, budget_s=60, payments=2, kinds=("lost_answer",)
    )
    begin = JobProcess.__init__

    def begin_and_press(self: JobProcess) -> None:
        begin(self)
        assert os.getpgid(self.pid) != os.getpgid(0)  # a terminal sends it to a whole group
        os.kill(os.getpid(), signal.SIGINT)

    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))

    def on_progress(searched: SearchResult) -> None:
        if heard and searched.schedules:
            heard.clear()
            raise KeyboardInterrupt

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(JobProcess, "__init__", begin_and_press)
            searched = search_with_jobs(order, 2, on_progress)
    finally:
        signal.signal(signal.SIGINT, before)
    assert searched.was_interrupted
    assert 0 < searched.schedules < 100_000


STANDS_IN = """\
chain: stands-in
entry: gateway
deadline: 3s
links:
  gateway:
    role: gateway
    cancels: {share: 100%, after: 300ms}
    calls: {authorise: {to: scheme, timeout: 600ms, on_unknown: reverse}}
  scheme:
    role: scheme
    calls:
      authorise: {to: issuer, timeout: 300ms, on_unknown: reverse, fallback: [{stand_in: {up_to: 1000}}]}
  issuer: {role: issuer}
"""  # noqa: E501  (a link a line)


def test_an_advice_of_what_was_undone_meanwhile_comes_to_an_end() -> None:
    chain = Chain.model_validate(parse(STANDS_IN).value)
    declines = FaultChoice("decline", ("link", "issuer"), has_magnitude=False)
    order = SearchSpec(chain, payments=10, rules=("authorisations_settled", "run_ends"))
    for lasts_ms in (200, 300, 400):
        assert broken_by_schedule(order, (ScheduledFault(declines, 0, lasts_ms, 50),)) == []


@pytest.mark.slow
# -- in tests of users ----------------------------------------------------------------------------
def test_exploration_fails_an_ordinary_test_with_the_smallest_outage(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(declared("give_up"))
    with pytest.raises(AssertionError, match=r"no double charge: .* held for an order of"):
        explore_chain(str(path), schedules=400, rules=RULE, payments=2)
    path.write_text(declared("reverse"))
    assert explore_chain(str(path), schedules=20, rules=RULE, payments=2).schedules >= 20


@given(fault_schedules(model("reverse"), kinds=["lost_answer"]))
@examples(8)
def test_schedules_work_with_given(schedule: Schedule) -> None:
    assert "no_double_charge" not in {
        finding.rule for finding in broken_by(model("reverse"), schedule)
    }


@pytest.mark.slow
def test_a_success_that_was_asked_for_is_looked_for_beside_a_rule(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(declared("reverse"))
    done = CliRunner().invoke(
        app,
        [
            "explore",
            str(path),
            "--rule",
            "no_double_charge",
            "--success",
            ">= 99%",
            "--budget",
            "60",
            "--kind",
            "down",
            "--payments",
            "2",
            "--out",
            str(tmp_path / "found"),
        ],
    )
    assert done.exit_code == 1
    assert "technical success" in done.stdout
    assert "timeline of p000000" in done.stdout
    assert "customer: saw " in done.stdout


def test_ctrl_c_in_a_users_test_is_no_passed_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(declared("reverse"))
    monkeypatch.setattr("paychain.explore.trial.simulate_run", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        explore_chain(str(path), schedules=20)


# -- operators' actions ---------------------------------------------------------------------------
@pytest.fixture
def short_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts of a few steps: what is looked for needs two, and longer ones take longer."""
    monkeypatch.setattr("paychain.explore.actions.STEPS", 4)


@pytest.mark.slow
@pytest.mark.usefixtures("short_scripts")
def test_a_script_of_actions_that_charges_twice_is_found_and_ctrl_c_keeps_it() -> None:
    order = SearchSpec(
        model(),
        seed=3,
        max_schedules=200,
        rules=RULE,
        kinds=("lost_answer",),
        budget_s=PATIENT_S,
    )
    acted = explore_actions(order)
    script = acted.found
    assert script is not None
    assert acted.scripts > 1
    assert script.rule == "no_double_charge"
    assert [step.partition("(")[0] for step in script.steps] == ["inject", "pay"]
    for last in (acted.scripts - 2, acted.scripts - 1):
        on_progress = Mock(side_effect=[None] * last + [KeyboardInterrupt])
        cut_short = explore_actions(order, on_progress)
        assert cut_short.scripts == last
        assert cut_short.found is not None


def refunding() -> Chain:
    text = (PLANTED_CHAINS / "captures.yaml").read_text("utf-8")
    return Chain.model_validate(
        parse(text.replace("role: gateway", "role: gateway\n    refunds: {share: 1%}")).value
    )


def test_an_error_that_reaches_nobody_fails_a_users_test() -> None:
    running = VirtualChain(refunding(), 1)
    running.start()
    paid = Arrival(
        number=1,
        at_s=0.0,
        payment="p0000001",
        amount_minor=2_500,
        instrument=TEST_CARDS[0],
        merchant="a test",
        warm_up=False,
    )

    honest = Book.acknowledged

    def acknowledged(self: Book, operation: str, asked: PaymentRequest) -> None:
        if self._context.link == "gateway":  # in a task; in a handler it would be a 500
            raise ZeroDivisionError(f"planted: {asked.payment}")
        honest(self, operation, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Book, "acknowledged", acknowledged)
        running.pay([paid])
        running.drain()
        with pytest.raises(Unhandled, match="planted: p0000001"):
            running.stop()


def test_a_refund_by_hand_gives_back_what_was_captured_once() -> None:
    chain = refunding()
    running = VirtualChain(chain, 1)
    running.start()
    paid = Arrival(
        number=1,
        at_s=0.0,
        payment="p0000001",
        amount_minor=2_500,
        instrument=TEST_CARDS[0],
        merchant="a test",
        warm_up=False,
    )
    running.pay([paid])
    running.refund("p0000001")  # nothing is captured yet
    running.drain()
    for _ in range(2):
        running.refund("p0000001")
    running.drain()
    moved = [record for record in running.journal if isinstance(record, Movement)]
    running.stop()
    refunded = {each.link: each.amount_minor for each in moved if each.kind == "refunded"}
    assert refunded == dict.fromkeys(chain.links, 2_500)
    assert len([each for each in moved if each.kind == "refunded"]) == len(chain.links)
    assert broken(running.journal, Parties.of(chain), None) == []


def test_refunds_by_hand_between_two_captures_are_two() -> None:
    chain = load_chain("card-sound").model  # captures after 400 ms in two parts
    running = VirtualChain(chain, 1)
    running.start()
    paid = Arrival(
        number=1,
        at_s=0.0,
        payment="p0000002",
        amount_minor=2_500,
        instrument=TEST_CARDS[0],
        merchant="a test",
        warm_up=False,
    )
    running.pay([paid])
    pass_time(running, 0.5)  # the first part: 90 % of 25.00 in halves
    running.refund("p0000002")
    running.drain()
    running.refund("p0000002")
    running.drain()
    moved = [record for record in running.journal if isinstance(record, Movement)]
    running.stop()
    refunds = [
        each.amount_minor for each in moved if (each.link, each.kind) == ("issuer", "refunded")
    ]
    assert refunds == [1_125, 1_125]
    assert broken(running.journal, Parties.of(chain), None) == []


@pytest.mark.slow
def test_a_script_refunds_where_something_is_captured() -> None:
    """The bug: an issuer refunds, and keeps no book of it."""
    chain = refunding()
    order = SearchSpec(
        chain,
        max_schedules=200,
        kinds=("lost_answer",),
        rules=("money_conserved",),
        budget_s=PATIENT_S,
    )
    honest = Book.refund

    def forget(self: Book, asked: PaymentRequest) -> str:
        return APPROVED if self._context.link == "issuer" else honest(self, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Book, "refund", forget)
        script = explore_actions(order).found
    assert script is not None
    pay, wait, refund = (step.partition("(")[0] for step in script.steps)
    assert (pay, refund) == ("pay", "refund")
    assert wait in ("advance", "settle")  # both let it be captured


def test_a_search_of_actions_ends_with_its_budget_of_time() -> None:
    clock = iter(range(1_000))  # a second a script
    order = SearchSpec(model("reverse"), budget_s=5, rules=RULE, kinds=("latency",))
    acted = explore_actions(order, clock=lambda: float(next(clock)))
    assert (acted.found, acted.scripts, acted.was_interrupted) == (None, 4, False)


def test_scripts_restart_where_a_crash_is_the_only_kind_and_are_judged_by_money_rules() -> None:
    acted = explore_actions(
        SearchSpec(
            model("reverse"), max_schedules=3, rules=RULE, kinds=("crash",), budget_s=PATIENT_S
        )
    )
    assert acted.scripts >= 3
    with pytest.raises(UserError, match="not by run_ends"):
        explore_actions(
            SearchSpec(model("reverse"), max_schedules=3, rules=("run_ends",), budget_s=PATIENT_S)
        )


# -- what cannot be searched ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"rules": ("no_double_charg",)}, "did you mean 'no_double_charge'"),
        ({"rules": (SUCCESS,)}, "unknown money rule 'technical_success'"),
        ({"kinds": ("lost_answr",)}, "did you mean 'lost_answer'"),
        ({"max_schedules": 0}, "empty search budget"),
        ({"budget_s": 0.0}, "empty search budget"),
        # 20 payments at 10/s: nobody pays two seconds after anything was healed
        ({"works_again_s": 2.0}, "no payment starts 2 s after the last heal: the load lasts 2 s"),
    ],
)
def test_a_search_that_can_find_nothing_is_refused(asked: dict[str, object], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        SearchSpec(model(), **asked)  # type: ignore[arg-type]  # of mixed types


def test_a_mistyped_name_does_not_let_a_users_test_pass(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(declared("give_up"))
    with pytest.raises(UserError, match="unknown money rule 'no_double_charg'; did you mean"):
        explore_chain(str(path), rules=["no_double_charg"])
    with pytest.raises(UserError, match="no fault kind 'lost_answr'"):
        fault_schedules(str(path), kinds=["lost_answr"])
    with pytest.raises(UserError, match="empty search budget"):
        explore_chain(str(path), schedules=0)


@pytest.mark.slow
def test_what_actions_cannot_do_is_refused_and_a_replay_can_be_pasted(tmp_path: Path) -> None:
    path = tmp_path / "my chain.yaml"
    path.write_text(declared("give_up"))
    words = ["explore", str(path), "--budget", "200", "--kind", "lost_answer", "--payments", "2"]
    refused = CliRunner().invoke(app, [*words, "--actions", "--confirm", "--success", ">= 90%"])
    assert isinstance(refused.exception, UserError)
    assert "cannot be combined with --confirm, --success" in str(refused.exception)
    found = CliRunner().invoke(app, [*words, "--rule", RULE[0], "--out", str(tmp_path / "a b")])
    (replay,) = [line for line in found.stdout.splitlines() if "reproduce: " in line]
    command = shlex.split(replay.partition("reproduce: ")[2])
    assert command[:3] == ["paychain", "run", str(path)]
    again = CliRunner().invoke(app, [*command[1:], "--out", str(tmp_path / "runs"), "--quiet"])
    assert again.exit_code == 1  # the rule is broken
