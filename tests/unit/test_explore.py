"""The search for the smallest outage, and its smallest parts."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.context import SpawnProcess
from pathlib import Path
from threading import Thread
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

from harness.analysis.reconcile import Parties
from harness.cli.main import app
from harness.explore.actions import explore_actions
from harness.explore.found import found_lines, slug, write_found
from harness.explore.jobs import HEARD, STOP, _listen, _search, merged, search_with_jobs
from harness.explore.judged import SUCCESS, broken
from harness.explore.minimise import limits, simpler, sturdier, without_needless
from harness.explore.schedules import Schedule, Strike, Strikes, experiment_of, strikes_of
from harness.explore.search import Order, Searched, Trial, broken_by_schedule, make_smaller, search
from harness.load.arrivals import Arrival
from harness.load.plan import load_plan
from harness.load.schedule import count
from harness.model.chain import Chain
from harness.model.checks import check_experiment
from harness.model.loading import load_chain, load_experiment
from harness.model.text import parse
from harness.model.tolerance import Limit
from harness.payments.cards import TEST_CARDS
from harness.payments.codes import APPROVED
from harness.payments.errors import UserError
from harness.payments.journal import Movement
from harness.services.book import Book
from harness.services.call_end import Sent
from harness.services.merchant import Merchant
from harness.services.message import PaymentRequest
from harness.simulation.ground import VirtualGround
from harness.simulation.simulate import Unhandled
from harness.testing import broken_by, explore_chain, fault_schedules

CHAIN = """\
chain: shop
entry: gateway
deadline: 3s
links:
  gateway:
    role: gateway
    calls:
      authorise:
        to: processor-a
        timeout: 600ms
        on_unknown: ON_UNKNOWN
        fallback: [{to: processor-b}]
  processor-a: {role: processor, calls: {authorise: {to: issuer, timeout: 300ms, on_unknown: reverse}}}
  processor-b: {role: processor, calls: {authorise: {to: issuer, timeout: 300ms, on_unknown: reverse}}}
  issuer: {role: issuer}
"""  # noqa: E501
LOST = Strike("lost_answer", ("link", "processor-a"), has_magnitude=False)
SLOW_ISSUER = Strike("slow_answer", ("link", "issuer"), has_magnitude=True)
SLOW = Strike("slow_answer", ("link", "processor-a"), has_magnitude=True)


def shop(on_unknown: str = "give_up") -> Chain:
    return Chain.model_validate(parse(CHAIN.replace("ON_UNKNOWN", on_unknown)).value)


# -- schedules ------------------------------------------------------------------------------------
def test_the_traffic_is_the_same_whatever_the_faults() -> None:
    chain = shop()
    for schedule in ((), (Strikes(LOST, 1_500, 3_000, 50),), (Strikes(SLOW, 0, 50, 900),)):
        experiment = experiment_of(schedule, payments=20, rate=10)
        assert count(load_plan(chain, experiment, 1)) == 20


def test_every_link_and_call_can_be_struck_and_simple_kinds_come_first() -> None:
    found = strikes_of(shop())
    assert found[0].kind == "down"
    assert Strike("lost_answer", ("call", "gateway.authorise"), has_magnitude=False) in found
    assert len(set(found)) == len(found)
    assert {one.kind for one in strikes_of(shop(), ["down"])} == {"down"}


def test_no_search_lets_an_isolated_link_die_and_keep_its_books() -> None:
    chain = shop()
    chain.links["issuer"] = chain.links["issuer"].model_copy(update={"isolate": True})
    struck = [one.target[1] for one in strikes_of(chain, ["crash"])]
    assert struck == ["gateway", "processor-a", "processor-b"]


@pytest.mark.parametrize("name", ["card-ecommerce", "card-lifecycle"])
def test_what_is_searched_is_what_an_experiment_may_do(name: str) -> None:
    chain = load_chain(name).model
    for strike in strikes_of(chain):
        schedule = (Strikes(strike, 0, 50, 50),)
        assert check_experiment(experiment_of(schedule, payments=2, rate=10), chain) == []


@given(fault_schedules(shop()))
@settings(max_examples=50, deadline=None)
def test_every_schedule_is_an_experiment(schedule: Schedule) -> None:
    experiment = experiment_of(schedule, payments=20, rate=10)
    assert [one.kind for one in experiment.faults] == [one.strike.kind for one in schedule]


# -- minimise -------------------------------------------------------------------------------------
def test_faults_that_are_not_needed_go() -> None:
    needed, other = Strikes(LOST, 0, 50, 50), Strikes(SLOW, 0, 50, 50)
    assert without_needless((other, needed, other), lambda some: needed in some) == (needed,)
    assert without_needless((other,), lambda _: True) == ()


def test_a_fault_becomes_the_simplest_kind_for_its_target_that_still_breaks() -> None:
    strikes = strikes_of(shop(), ["down", "lost_answer", "slow_answer"])
    down, lost, slow = (one for one in strikes if one.target == LOST.target)

    def breaks(schedule: Schedule) -> bool:  # down never does, a lost answer from 300 ms on
        one = schedule[0]
        return one.strike == slow or (one.strike == lost and one.lasts_ms >= 300)

    (found,) = simpler((Strikes(slow, 400, 50, 600),), strikes, breaks)
    assert (found.strike, found.lasts_ms) == (lost, 300)
    assert simpler((Strikes(down, 0, 50, 50),), strikes, breaks) == (Strikes(down, 0, 50, 50),)


def test_what_is_written_has_room_where_it_still_breaks() -> None:
    def breaks(schedule: Schedule) -> bool:  # not when it lasts two seconds or longer
        return schedule[0].magnitude_ms >= 480 and schedule[0].lasts_ms < 2_000

    (found,) = sturdier((Strikes(SLOW, 0, 500, 500),), breaks)
    assert (found.lasts_ms, found.magnitude_ms) == (1_500, 1_000)
    (found,) = sturdier((Strikes(LOST, 0, 1_500, 500),), breaks)
    assert (found.lasts_ms, found.magnitude_ms) == (1_800, 500)


def test_two_faults_that_add_up_become_one_that_does_as_much_alone() -> None:
    # 300 ms is the processors' timeout. Two delays of 200 ms add up to 400; neither breaks alone.
    two = (Strikes(SLOW_ISSUER, 0, 500, 200), Strikes(SLOW_ISSUER, 0, 500, 200))
    all_of_them = Limit(comparison=">=", bound=1.0, text=">= 100%")
    order = Order(shop("reverse"), payments=2, success=all_of_them, kinds=("slow_answer",))
    (broken,) = broken_by_schedule(order, two)
    assert not broken_by_schedule(order, two[:1])
    trial = Trial(order, Searched(), lambda: 0.0, lambda _: None)
    make_smaller(trial, (two, 0, broken), 1)
    (found,) = trial.searched.found[SUCCESS].schedule
    assert found.magnitude_ms >= 300


def test_limits_are_exact_to_a_millisecond() -> None:
    # It breaks from 480 ms of delay on, when it lasts 120 ms or longer.
    def breaks(schedule: Schedule) -> bool:
        return schedule[0].magnitude_ms >= 480 and schedule[0].lasts_ms >= 120

    (found,) = limits((Strikes(SLOW, 0, 600, 1_000),), breaks)
    assert (found.lasts_from_ms, found.magnitude_from_ms) == (120, 480)
    assert str(found) == ("slow_answer on link processor-a from 480 ms on, for 120 ms or longer")


def test_limits_hold_together_and_say_where_they_end() -> None:
    # Delay and duration add up: it breaks while 1,000 <= delay + duration < 2,000. Lasting
    # 600 ms it needs 400 ms of delay, up to 1,399; with 400 ms it lasts from 600 to 1,599 ms.
    def breaks(schedule: Schedule) -> bool:
        return 1_000 <= schedule[0].magnitude_ms + schedule[0].lasts_ms < 2_000

    (found,) = limits((Strikes(SLOW, 0, 600, 1_000),), breaks)
    assert (found.magnitude_from_ms, found.lasts_from_ms) == (400, 600)
    assert (found.magnitude_to_ms, found.lasts_to_ms) == (1_399, 1_599)
    assert str(found).endswith(" from 400 to 1399 ms, for 600 to 1599 ms")


def test_a_limit_of_one_millisecond_is_said_to_be_one() -> None:
    (found,) = limits((Strikes(LOST, 0, 50, 50),), lambda some: some[0].lasts_ms == 50)
    assert str(found) == "lost_answer on link processor-a, for 50 ms only"


# -- search ---------------------------------------------------------------------------------------
RULE = ("no_double_charge",)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_failover_without_reversal_is_found_and_shrunk_to_one_fault(seed: int) -> None:
    order = Order(shop(), seed=seed, most=400, budget_s=60, payments=3, rules=RULE)
    searched = search(order, lambda _: None)
    found = searched.found["no_double_charge"]
    assert len(found.schedule) == 1
    assert found.schedule[0].strike.target[1] in (
        "processor-a", "gateway.authorise", "issuer", "processor-a.authorise", "processor-b",
    )  # fmt: skip
    again = broken_by_schedule(order, found.schedule)
    assert "no_double_charge" in {one.rule for one in again}
    assert "held for an order of" in found_lines(found)[0]
    assert found.story is not None
    assert found.story.payment == found.broken.payment


def test_two_links_that_try_anew_do_not_take_each_others_reference() -> None:
    """The processor stands in, its answer is lost, and the gateway fails over. Both make a new
    attempt of the same reference; undoing the first must not undo the second at the issuer."""
    text = CHAIN.replace("ON_UNKNOWN", "reverse")
    stands_in = "on_unknown: reverse, fallback: [{stand_in: {up_to: 9000.00}}]}}}"
    text = text.replace("on_unknown: reverse}}}", stands_in, 1)
    chain = Chain.model_validate(parse(text).value)
    issuer_down = Strike("down", ("link", "issuer"), has_magnitude=False)
    schedule = (Strikes(LOST, 0, 50, 50), Strikes(issuer_down, 0, 400, 50))
    assert broken_by_schedule(Order(chain, payments=2), schedule) == []


def test_with_a_reversal_nobody_is_charged_twice() -> None:
    order = Order(shop("reverse"), most=60, budget_s=60, payments=3, rules=RULE)
    searched = search(order, lambda _: None)
    assert searched.found == {}
    assert searched.schedules >= 60
    assert searched.virtual_s > 0


def test_the_same_seed_searches_the_same() -> None:
    orders = [Order(shop(), most=40, budget_s=60, payments=2) for _ in range(2)]
    first, second = (search(order, lambda _: None) for order in orders)
    assert first.found == second.found
    assert first.schedules == second.schedules


def test_what_was_found_once_is_tried_first_the_next_time(tmp_path: Path) -> None:
    def found_at(seed: int, *, kinds: tuple[str, ...] = ()) -> list[int]:
        order = Order(shop(), seed_of_search=seed, most=60, budget_s=60, payments=2, kinds=kinds,
                      database=tmp_path)  # fmt: skip
        return [one.at_schedule for one in search(order, lambda _: None).found.values()]

    assert found_at(100)[0] > 1
    assert found_at(200)[0] == 1
    assert found_at(300, kinds=("latency",)) == []  # another question: what is kept stays
    assert found_at(400)[0] == 1


def test_what_broke_only_what_else_was_asked_for_is_not_forgotten_by_another_search(
    tmp_path: Path,
) -> None:
    """Hypothesis deletes examples that break nothing: those of another question seldom do."""
    all_of_them = Limit(comparison=">=", bound=1.0, text=">= 100%")
    plain = Order(shop("reverse"), most=30, payments=4, kinds=("down",), database=tmp_path)
    asked = replace(plain, most=100, success=all_of_them)
    assert search(asked, lambda _: None).found[SUCCESS].at_schedule > 1
    assert not search(plain, lambda _: None).found
    assert search(asked, lambda _: None).found[SUCCESS].at_schedule == 1


def test_ctrl_c_keeps_what_was_found() -> None:
    def told(searched: Searched) -> None:
        if searched.best:
            raise KeyboardInterrupt

    searched = search(Order(shop(), most=400, budget_s=60, payments=3, rules=RULE), told)
    assert searched.was_interrupted
    assert "no_double_charge" in searched.found


def test_a_spent_budget_ends_the_search_in_the_middle_of_a_round() -> None:
    clock = iter(range(10_000))
    searched = search(Order(shop("reverse"), budget_s=5, payments=1), lambda _: None,
                      clock=lambda: float(next(clock)))  # fmt: skip
    assert searched.schedules < 10


def test_what_is_found_last_is_made_smaller_for_half_a_minute_and_kept_as_it_is_then() -> None:
    clock = iter(range(0, 100_000, 8))  # eight seconds a schedule
    order = Order(shop(), budget_s=80, payments=2, rules=RULE, kinds=("lost_answer",))
    searched = search(order, lambda _: None, clock=lambda: float(next(clock)))
    assert not searched.was_interrupted
    assert searched.took_s < 80 + 30 + 5 * 8
    assert "its limits were not looked for" in "".join(found_lines(searched.found[RULE[0]]))


def test_a_race_is_found_by_the_order_of_events_and_blamed_on_no_fault() -> None:
    """A merchant who cancels whatever is not marked as shipped, 1 ms after it should have been."""
    honest = Merchant.approved

    def approved(self: Merchant, sent: Sent, reference: str) -> None:
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

    chain = load_chain(str(Path(__file__).parents[1] / "planted" / "captures.yaml")).model
    order = Order(chain, most=60, budget_s=60, payments=5, rate=5, kinds=("latency",),
                  rules=("money_conserved",))  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Merchant, "approved", approved)
        assert search(order, lambda _: None).found == {}
        found = search(replace(order, interleavings=True), lambda _: None).found["money_conserved"]
        assert found.interleaving > 0
        assert found.schedule == ()
        assert broken_by_schedule(order, (), found.interleaving)
        # A fault that is not needed goes also where the same order is harmless without it.
        order = replace(order, interleavings=True)
        fault = (Strikes(Strike("latency", ("link", "issuer"), has_magnitude=True), 0, 300, 50),)
        number, (broken, *_) = next(
            (number, seen) for number in range(1, 20)
            if (seen := broken_by_schedule(order, fault, number))
            and not broken_by_schedule(order, (), number)
        )  # fmt: skip
        trial = Trial(order, Searched(), lambda: 0.0, lambda _: None)
        make_smaller(trial, (fault, number, broken), 1)
        assert trial.searched.found["money_conserved"].schedule == ()


def test_a_found_schedule_is_an_ordinary_experiment_file(tmp_path: Path) -> None:
    chain = shop()
    order = Order(chain, most=400, budget_s=60, payments=3, rules=RULE)
    found = search(order, lambda _: None).found["no_double_charge"]
    path = write_found(found, order, tmp_path)
    assert path.name == "shop-no-double-charge.yaml"
    loaded = load_experiment(str(path), chain).model
    assert len(loaded.faults) == len(found.schedule)
    assert loaded.experiment == slug("shop", "no_double_charge")
    assert "# Breaks with " in path.read_text()


def test_jobs_keep_the_smallest_of_each_rule() -> None:
    order = Order(shop(), most=400, budget_s=60, payments=2, rules=RULE)
    one = search(order, lambda _: None)
    whole = merged([one, Searched(schedules=5, virtual_s=1.0, took_s=2.0)])
    assert whole.found == one.found
    assert whole.schedules == one.schedules + 5


def test_progress_is_told_of_all_jobs_together_and_ctrl_c_keeps_what_each_found() -> None:
    order = Order(shop(), most=100_000, budget_s=60, payments=2, kinds=("lost_answer",))
    heard: list[int] = []
    interrupts = iter([KeyboardInterrupt])

    def told(searched: Searched) -> None:
        heard.append(searched.schedules)
        if "no_double_charge" in searched.found:
            for interrupt in interrupts:  # once
                raise interrupt

    searched = search_with_jobs(order, 2, told)
    assert searched.was_interrupted
    assert "no_double_charge" in searched.found
    assert 0 < searched.schedules < 100_000
    assert heard == sorted(heard)


def test_a_job_that_found_all_that_is_looked_for_ends_the_others() -> None:
    """One of the jobs finds nothing by itself: its budget is far beyond the test's patience."""
    ours, theirs = Pipe()
    slow, slows = Pipe()
    found = search(Order(shop(), most=60, rules=RULE, kinds=("lost_answer",)), lambda _: None)
    assert set(found.found) == set(RULE)
    theirs.send((found, True))
    answer = Thread(
        target=lambda: slows.send((Searched(schedules=int(slows.recv() == STOP)), True))
    )
    answer.start()
    parts = {ours: Searched(), slow: Searched()}
    assert not _listen(parts, lambda _: None, set(RULE))
    answer.join()
    assert parts[slow].schedules == 1


def test_a_finding_whose_limits_are_known_counts_more_than_one_cut_short() -> None:
    (known,) = search(
        Order(shop(), most=60, rules=RULE, kinds=("lost_answer",)), lambda _: None
    ).found.values()
    shorter = replace(known, limits=(), schedule=tuple(one.lasting(1) for one in known.schedule))
    whole = merged([Searched(found={known.rule: known}), Searched(found={known.rule: shorter})])
    assert whole.found[known.rule] is known


def test_a_job_goes_only_when_its_last_word_was_heard() -> None:
    ours, theirs = Pipe()
    job = Thread(target=_search, args=(Order(shop(), most=1), theirs), daemon=True)
    job.start()
    is_done = False
    while not is_done:
        _, is_done = ours.recv()
    ours.send(STOP)  # crosses its last word: whoever closes upon it may lose what was said
    job.join(0.2)
    assert job.is_alive()
    ours.send(HEARD)
    job.join(10)
    assert not job.is_alive()


def test_ctrl_c_while_jobs_start_kills_none_and_is_heard_afterwards() -> None:
    order = Order(shop(), most=100_000, budget_s=60, payments=2, kinds=("lost_answer",))
    start = SpawnProcess.start

    def start_and_press(self: SpawnProcess) -> None:
        start(self)
        assert self.pid is not None
        os.kill(self.pid, signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))

    def told(searched: Searched) -> None:
        if heard and searched.schedules:
            heard.clear()
            raise KeyboardInterrupt

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SpawnProcess, "start", start_and_press)
            searched = search_with_jobs(order, 2, told)
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
"""  # noqa: E501


def test_an_advice_of_what_was_undone_meanwhile_comes_to_an_end() -> None:
    chain = Chain.model_validate(parse(STANDS_IN).value)
    declines = Strike("decline", ("link", "issuer"), has_magnitude=False)
    order = Order(chain, payments=10, rules=("authorisations_settled", "run_ends"))
    for lasts_ms in (200, 300, 400):
        assert broken_by_schedule(order, (Strikes(declines, 0, lasts_ms, 50),)) == []


# -- in tests of users ----------------------------------------------------------------------------
def test_exploration_fails_an_ordinary_test_with_the_smallest_outage(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(CHAIN.replace("ON_UNKNOWN", "give_up"))
    with pytest.raises(AssertionError, match=r"no double charge: .* held for an order of"):
        explore_chain(str(path), schedules=400, rules=RULE, payments=2)
    path.write_text(CHAIN.replace("ON_UNKNOWN", "reverse"))
    assert explore_chain(str(path), schedules=20, rules=RULE, payments=2).schedules >= 20


@given(fault_schedules(shop("reverse"), kinds=["lost_answer"]))
@settings(max_examples=8, deadline=None)
def test_schedules_work_with_given(schedule: Schedule) -> None:
    assert "no_double_charge" not in {one.rule for one in broken_by(shop("reverse"), schedule)}


def test_a_success_that_was_asked_for_is_looked_for_beside_a_rule(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(CHAIN.replace("ON_UNKNOWN", "reverse"))
    done = CliRunner().invoke(app, [
        "explore", str(path), "--rule", "no_double_charge", "--success", ">= 99%", "--budget", "60",
        "--kind", "down", "--payments", "2", "--out", str(tmp_path / "found"),
    ])  # fmt: skip
    assert done.exit_code == 1
    assert "technical success" in done.stdout
    assert "the story of p000000" in done.stdout
    assert "customer: told: " in done.stdout


def test_ctrl_c_in_a_users_test_is_no_passed_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(CHAIN.replace("ON_UNKNOWN", "reverse"))
    monkeypatch.setattr("harness.explore.search.play", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        explore_chain(str(path), schedules=20)


# -- operators' actions ---------------------------------------------------------------------------
def test_a_script_of_actions_that_charges_twice_is_found() -> None:
    order = Order(shop(), most=200, rules=RULE, kinds=("lost_answer",))
    acted = explore_actions(order)
    script = acted.found
    assert script is not None
    assert acted.scripts > 1
    assert script.rule == "no_double_charge"
    assert [step.partition("(")[0] for step in script.steps] == ["strike", "pay"]


def refunding() -> Chain:
    text = (Path(__file__).parents[1] / "planted" / "captures.yaml").read_text("utf-8")
    return Chain.model_validate(
        parse(text.replace("role: gateway", "role: gateway\n    refunds: {share: 1%}")).value
    )


def test_an_error_that_reaches_nobody_fails_a_users_test() -> None:
    ground = VirtualGround(refunding(), 1)
    ground.start()
    paid = Arrival(1, 0.0, "p0000001", 2_500, TEST_CARDS[0], "a test", warm_up=False)

    honest = Book.capture

    def capture(self: Book, asked: PaymentRequest) -> str:
        if self._context.link == "gateway":  # in a task; in a handler it would be a 500
            raise ZeroDivisionError(f"planted: {asked.payment}")
        return honest(self, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Book, "capture", capture)
        ground.pay([paid])
        ground.drain()
        with pytest.raises(Unhandled, match="planted: p0000001"):
            ground.stop()


def test_a_refund_by_hand_gives_back_what_was_captured_once() -> None:
    chain = refunding()
    ground = VirtualGround(chain, 1)
    ground.start()
    paid = Arrival(1, 0.0, "p0000001", 2_500, TEST_CARDS[0], "a test", warm_up=False)
    ground.pay([paid])
    ground.give_back("p0000001")  # nothing is captured yet
    ground.drain()
    for _ in range(2):
        ground.give_back("p0000001")
    ground.drain()
    moved = [one for one in ground.records() if isinstance(one, Movement)]
    ground.stop()
    refunded = {one.link: one.amount_minor for one in moved if one.kind == "refunded"}
    assert refunded == dict.fromkeys(chain.links, 2_500)
    assert len([one for one in moved if one.kind == "refunded"]) == len(chain.links)
    assert broken(ground.records(), Parties.of(chain), None) == []


def test_refunds_by_hand_between_two_captures_are_two() -> None:
    chain = load_chain("card-sound").model  # captures after 400 ms in two parts
    ground = VirtualGround(chain, 1)
    ground.start()
    paid = Arrival(1, 0.0, "p0000002", 2_500, TEST_CARDS[0], "a test", warm_up=False)
    ground.pay([paid])
    ground.advance(0.5)  # the first part: 90 % of 25.00 in halves
    ground.give_back("p0000002")
    ground.drain()
    ground.give_back("p0000002")
    ground.drain()
    moved = [one for one in ground.records() if isinstance(one, Movement)]
    ground.stop()
    refunds = [one.amount_minor for one in moved if (one.link, one.kind) == ("issuer", "refunded")]
    assert refunds == [1_125, 1_125]
    assert broken(ground.records(), Parties.of(chain), None) == []


def test_a_script_refunds_where_something_is_captured() -> None:
    """The bug: an issuer refunds, and keeps no book of it."""
    chain = refunding()
    order = Order(chain, most=200, kinds=("lost_answer",), rules=("money_conserved",))
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
    order = Order(shop("reverse"), budget_s=5, rules=RULE, kinds=("latency",))
    acted = explore_actions(order, clock=lambda: float(next(clock)))
    assert (acted.found, acted.scripts, acted.was_interrupted) == (None, 4, False)


def test_scripts_restart_where_a_crash_is_the_only_kind_and_are_judged_by_money_rules() -> None:
    acted = explore_actions(Order(shop("reverse"), most=3, rules=RULE, kinds=("crash",)))
    assert acted.scripts >= 3
    with pytest.raises(UserError, match="not by run_ends"):
        explore_actions(Order(shop("reverse"), most=3, rules=("run_ends",)))


@pytest.mark.slow
def test_ctrl_c_keeps_the_shortest_script_so_far_also_in_the_last_replay() -> None:
    order = Order(shop(), most=200, rules=RULE, kinds=("lost_answer",))
    scripts = explore_actions(order).scripts
    for last in (scripts - 2, scripts - 1):
        told = Mock(side_effect=[None] * last + [KeyboardInterrupt])
        acted = explore_actions(order, told)
        assert acted.scripts == last
        assert acted.found is not None


# -- what cannot be searched ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"rules": ("no_double_charg",)}, "did you mean 'no_double_charge'"),
        ({"rules": (SUCCESS,)}, "no rule 'technical_success'"),
        ({"kinds": ("lost_answr",)}, "did you mean 'lost_answer'"),
        ({"most": 0}, "nothing would be searched"),
        ({"budget_s": 0.0}, "nothing would be searched"),
        # 20 payments at 10/s: nobody pays two seconds after anything was healed
        ({"works_again_s": 2.0}, "nobody pays 2 s after the last heal: the load lasts 2 s"),
    ],
)
def test_a_search_that_can_find_nothing_is_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Order(shop(), **asked)  # type: ignore[arg-type]


def test_a_mistyped_name_does_not_let_a_users_test_pass(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(CHAIN.replace("ON_UNKNOWN", "give_up"))
    with pytest.raises(UserError, match="no rule 'no_double_charg'"):
        explore_chain(str(path), rules=["no_double_charg"])
    with pytest.raises(UserError, match="no fault kind 'lost_answr'"):
        fault_schedules(str(path), kinds=["lost_answr"])
    with pytest.raises(UserError, match="nothing would be searched"):
        explore_chain(str(path), schedules=0)


def test_what_actions_cannot_do_is_refused_and_a_replay_can_be_pasted(tmp_path: Path) -> None:
    path = tmp_path / "my chain.yaml"
    path.write_text(CHAIN.replace("ON_UNKNOWN", "give_up"))
    words = ["explore", str(path), "--budget", "200", "--kind", "lost_answer", "--payments", "2"]
    refused = CliRunner().invoke(app, [*words, "--actions", "--confirm", "--success", ">= 90%"])
    assert isinstance(refused.exception, UserError)
    assert "does not go with --confirm, --success" in str(refused.exception)
    found = CliRunner().invoke(app, [*words, "--rule", RULE[0], "--out", str(tmp_path / "a b")])
    (replay,) = [line for line in found.stdout.splitlines() if "replay: " in line]
    command = shlex.split(replay.partition("replay: ")[2])
    assert command[:3] == ["paychain", "run", str(path)]
    again = CliRunner().invoke(app, [*command[1:], "--out", str(tmp_path / "runs"), "--quiet"])
    assert again.exit_code == 1  # the rule is broken
