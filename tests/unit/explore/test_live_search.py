"""The search on a running chain; here the chain runs in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from paychain.environment.running_chain import OwnState
from paychain.environment.virtual import VirtualChain
from paychain.explore.live.batch import Batches
from paychain.explore.live.chains import MAX_DEATHS
from paychain.explore.live.files import write_found
from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.outages import AT_S, BURST_S, outage_choices, simpler_outages
from paychain.explore.live.parts import tried, write_live_part
from paychain.explore.live.result import LiveResult, LiveSpec, words_of
from paychain.explore.live.search import LiveSearch
from paychain.explore.live.steps import StepChoice, Steps, simpler, step_choices
from paychain.explore.live.through import Through
from paychain.explore.parts import merge_parts
from paychain.model.chain import Chain
from paychain.model.loading import load_chain
from paychain.payments.errors import UserError
from paychain.payments.rules import RULES
from paychain.processes.part import Part
from tests.support.chains import checked, corner_shop, shop

GIVES_UP = load_chain("card-gives-up").model
MAX_SCRIPTS = 200


def search(
    chain: Chain,
    *,
    known: tuple[Steps, ...] = (),
    on_progress: Callable[[LiveResult], None] = lambda _: None,
    **spec: object,
) -> LiveSearch:
    wanted = {"max_scripts": MAX_SCRIPTS, "budget_s": 1_000.0, **spec}
    return LiveSearch(
        chain,
        LiveSpec(**wanted),  # type: ignore[arg-type]  # of mixed types
        lambda: VirtualChain(chain, 1),
        known=known,
        on_progress=on_progress,
    )


def whole(batches: Batches, scripts: Sequence[Steps], controls: int = 0) -> Batch:
    """A batch that has ended."""
    batch = batches.begin(scripts, controls)
    while not batch.is_whole:
        batches.look()
    return batch


def step(
    chain: Chain, place: tuple[str, ...], name: str, number: int = 1, ms: int = 0
) -> StepChoice:
    return next(
        each
        for each in step_choices(chain)
        if (each.place, each.name, each.number, each.ms) == (place, name, number, ms)
    )


def test_the_planted_double_charge_is_found_minimal_and_reproduced() -> None:
    made = search(GIVES_UP, rules=("no_double_charge",), max_scripts=64)
    result = made.run()
    found = result.found["no_double_charge"]
    assert words_of(found.steps) == "the first authorise at processor-a: works, its answer is lost"
    assert (found.is_minimal, found.reproduced) == (True, 3)
    assert found.stories[0].customer is not None
    assert result.controls >= 8
    # Checked once more: none of the simpler variants breaks the rule.
    running = VirtualChain(GIVES_UP, 1)
    running.start()
    try:
        variants = simpler(found.steps, made.choices)
        batch = whole(Batches(GIVES_UP, running, 1, 32.0), variants)
        assert batch.breaking("no_double_charge") == []
    finally:
        running.stop()


@pytest.mark.slow
def test_a_failing_script_of_several_steps_is_minimised() -> None:
    fat = (
        step(GIVES_UP, ("link", "processor-b", "authorise"), "duplicate_answer"),
        step(GIVES_UP, ("link", "processor-a", "authorise"), "slow_answer", 1, 4_000),
        step(GIVES_UP, ("customer", "presses_twice"), "presses_twice same"),
    )
    result = search(
        GIVES_UP, known=(fat,), rules=("no_double_charge",), max_scripts=1, batch=8
    ).run()
    found = result.found["no_double_charge"]
    assert words_of(found.steps) == "the first authorise at processor-a: works, its answer is lost"
    assert found.is_minimal


@pytest.mark.slow
def test_a_sound_chain_breaks_no_rule_about_money_taken_twice() -> None:
    chain = checked(corner_shop(timeout="300ms", processor_timeout="200ms", on_unknown="reverse"))
    result = search(chain, rules=("no_double_charge",), max_scripts=300).run()
    assert result.found == {}
    assert result.coupled == {}
    assert result.scripts == 300
    assert result.met > 20


def test_a_rule_that_breaks_without_any_failure_points_at_the_chain() -> None:
    """A chain that scales amounts wrongly breaks a rule whatever happens."""
    chain = load_chain("card-wrong-decimals").model
    result = search(chain, max_scripts=16, batch=16).run()
    without = [found for found in result.found.values() if not found.steps]
    assert without
    assert all(found.is_minimal and found.reproduced == 3 for found in without)
    assert {found.rule for found in without} <= set(RULES)


def test_ctrl_c_keeps_what_was_found_and_stops_the_chain() -> None:
    chains: list[VirtualChain] = []

    def opened() -> VirtualChain:
        chains.append(VirtualChain(GIVES_UP, 1))
        return chains[-1]

    def interrupt(result: LiveResult) -> None:
        if result.found:
            raise KeyboardInterrupt

    made = LiveSearch(GIVES_UP, LiveSpec(budget_s=1_000.0), opened, on_progress=interrupt)
    result = made.run()
    assert result.was_interrupted
    assert result.found
    assert all(found.reproduced is None for found in result.found.values())
    assert all(chain._loop.is_closed() for chain in chains)


def test_batches_overlap_and_each_ends_with_its_own_orders() -> None:
    lost = (step(GIVES_UP, ("link", "processor-a", "authorise"), "lost_answer"),)
    running = VirtualChain(GIVES_UP, 1)
    running.start()
    judged: list[Judged] = []
    try:
        batches = Batches(GIVES_UP, running, 1, 32.0, lambda order, _: judged.append(order))
        first = batches.begin([lost] * 30, 2)
        assert not batches.has_room(8)  # the payments of the first one have not begun
        second = batches.begin([lost] * 4)
        assert batches.in_flight == 36
        ended: list[Batch] = []
        while batches.in_flight:
            ended += batches.look()
        assert sorted(map(id, ended)) == sorted(map(id, (first, second)))
        assert (len(first.breaking("no_double_charge")), len(first.controls)) == (30, 2)
        assert not any(control.broken for control in first.controls)
        assert len(second.breaking("no_double_charge")) == 4
        assert len(judged) == 36
        assert batches.has_room(8)
    finally:
        running.stop()


def test_what_is_in_flight_can_be_abandoned_and_its_scripts_are_known() -> None:
    lost = (step(GIVES_UP, ("link", "processor-a", "authorise"), "lost_answer"),)
    running = VirtualChain(GIVES_UP, 1)
    running.start()
    try:
        batches = Batches(GIVES_UP, running, 1, 1.0)  # a payment a second: not all begin at once
        batch = batches.begin([lost] * 20)
        while not batch.orders:
            assert batches.look() == []
        ended, left = batches.abandon()
        assert ended == [batch]
        assert not batch.is_whole
        assert left == [lost] * (20 - len(batch.orders))
    finally:
        running.stop()  # who still pays is waited for: nothing is left behind


def test_all_payments_of_a_batch_meet_an_outage_and_the_next_ones_do_not() -> None:
    chain = checked(shop())  # without a breaker, which would open
    (down,) = (each for each in outage_choices(chain) if str(each) == "processor-a is down for 3s")
    backup = ("link", "processor-b", "authorise")
    running = VirtualChain(chain, 1)
    running.start()
    try:
        batches = Batches(chain, running, 1, 32.0)
        before = batches.begin([], 8)
        (through,) = Through(chain, running, batches).run([(down, [()] * 96)])
        after = whole(batches, [], 8)
        assert before.is_whole  # it had to be over before the outage began
        # Of the half that begins within four and a half seconds two thirds meet the outage: they go
        # to the backup. The others have begun just before.
        failed_over = [order for order in through.orders if order.asked.get(backup)]
        assert 28 <= len(failed_over) <= 48
        assert not any(order.asked.get(backup) for order in before.orders + after.orders)
        assert through.outage is down
    finally:
        running.stop()


def test_half_of_the_payments_are_on_their_way_when_an_outage_begins() -> None:
    outage = outage_choices(GIVES_UP)[0]
    times = outage.times(32)
    assert sum(AT_S - BURST_S <= at_s < AT_S for at_s in times) >= 16
    assert sum(at_s >= AT_S for at_s in times) >= 8
    assert (min(times), len(times)) == (0.0, 32)


def test_a_simpler_outage_is_of_a_simpler_kind_or_shorter_at_the_same_link() -> None:
    choices = outage_choices(load_chain("examples/shop-python/chain-naive.yaml").model)
    killed = choices[-1]
    assert str(killed) == "shop is killed and stays down for 3s"
    assert list(map(str, simpler_outages(killed, choices))) == [
        "shop is frozen for 1s",
        "shop is frozen for 3s",
        "shop is killed and stays down for 1s",
    ]
    assert simpler_outages(choices[0], choices) == []


def test_a_service_that_is_killed_comes_before_other_outages_that_are_as_short() -> None:
    chain = load_chain("examples/shop-python/chain-naive.yaml").model
    made = LiveSearch(chain, LiveSpec(outage_share=0.1), lambda: VirtualChain(chain, 1))
    in_turn = [made._next_outage() for _ in made._outages]
    assert str(in_turn[0]) == "shop is killed and stays down for 1s"
    assert sorted(in_turn, key=lambda outage: outage.lasts_ms) == in_turn
    assert len(set(map(str, in_turn))) == len(in_turn)


def test_the_declared_share_of_batches_meets_an_outage() -> None:
    result = search(
        GIVES_UP, max_scripts=52, batch=8, rules=("captured_within_authorised",), outage_share=0.25
    ).run()
    # Of eight, one in four is due; the first one at once, when nothing follows a script yet.
    assert (result.outages, result.batches - result.outages) == (2, 6)
    assert result.scripts == 52  # half of the payments of the second one follow a script


def test_a_few_scripts_are_tried_though_the_first_batch_meets_an_outage() -> None:
    result = search(
        GIVES_UP, max_scripts=6, batch=8, rules=("captured_within_authorised",), outage_share=0.2
    ).run()
    assert (result.outages, result.batches, result.scripts) == (1, 2, 6)


class _Poisoned(VirtualChain):
    """A chain on which, from its first start on, every payment is held twice; never again later."""

    is_first = True

    def __init__(self, chain: Chain, seed: int) -> None:
        super().__init__(GIVES_UP if _Poisoned.is_first else chain, seed)
        _Poisoned.is_first = False


def test_what_only_a_used_service_breaks_is_a_warning_and_no_finding() -> None:
    """The first chain gives up on unknown outcomes, those that are started afresh reverse them."""
    sound = load_chain("card-sound").model
    _Poisoned.is_first = True
    spec = LiveSpec(budget_s=1_000.0, max_scripts=64, rules=("no_double_charge",))
    result = LiveSearch(sound, spec, lambda: _Poisoned(sound, 1)).run()
    assert result.found == {}
    assert list(result.doubtful) == ["no_double_charge"]


class _DyingService:
    are_ready = True
    failure_words = "shop ended with exit code 3"

    @property
    def broken(self) -> str:
        _Dying.left -= 1
        return "shop" if _Dying.left >= 0 else ""


class _Dying(VirtualChain):
    """A chain whose service has ended by itself as often as is left."""

    left = 0

    own: OwnState = _DyingService()


def test_a_service_that_dies_is_started_again() -> None:
    spec = LiveSpec(budget_s=1_000.0, max_scripts=8, rules=("captured_within_authorised",))
    _Dying.left = 2
    result = LiveSearch(GIVES_UP, spec, lambda: _Dying(GIVES_UP, 1)).run()
    assert result.deaths == ["shop ended with exit code 3"] * 2
    assert result.scripts == 8


def test_a_search_ends_when_a_service_dies_before_any_payment_is_over() -> None:
    made = search(GIVES_UP)
    for judged in (0, 8):
        made.result.scripts = judged
        for _ in range(MAX_DEATHS - 1):
            made._chains._note_death("shop ended with exit code 3")
    with pytest.raises(UserError, match=r"shop ended with exit code 3.*paychain up"):
        made._chains._note_death("shop ended with exit code 3")


@pytest.mark.slow
def test_batches_are_spaced_then_the_chain_is_restarted_when_controls_fail() -> None:
    """A processor behind nothing else that refuses nearly all: every payment fails technically."""
    text = corner_shop(timeout="300ms", processor_timeout="1ms")
    result = search(
        checked(text), max_scripts=128, batch=8, rules=("captured_within_authorised",)
    ).run()
    assert result.spaced >= 3  # 12, 6, 3, 2 payments per second
    assert result.restarts >= 1


@pytest.mark.thorough  # test_explore_parts.py for the parts of a search
def test_one_and_two_parts_find_the_same(tmp_path: Path) -> None:
    """The same rules, each with a script as simple, whichever part comes across it."""
    rules = ("no_double_charge", "no_orphaned_authorisation")
    found = []
    for of in (1, 2):
        paths, scripts = [], 0
        for number in range(1, of + 1):
            part = Part(number, of)
            made = search(GIVES_UP, rules=rules, max_scripts=160, batch=32, part=part)
            result, folder = made.run(), tmp_path / part.slug
            assert set(result.found) == set(rules)
            scripts += result.scripts
            paths.append(
                write_live_part(
                    result,
                    made._spec,
                    GIVES_UP.chain,
                    files={
                        rule: (write_found(script, GIVES_UP, folder), [script.words])
                        for rule, script in result.found.items()
                    },
                    warnings=[],
                    search={},
                    folder=folder,
                )
            )
        merged = merge_parts(paths, tmp_path / f"of-{of}")
        assert tried(merged).scripts == scripts
        found.append([(each.rule, each.size[:2], path.name) for each, path in merged.written])
    assert found[0] == found[1]
    assert {rule for rule, *_ in found[0]} == set(rules)


def test_a_search_ends_once_all_rules_that_were_asked_for_are_broken() -> None:
    result = search(GIVES_UP, rules=("no_double_charge",), max_scripts=None).run()
    assert result.found["no_double_charge"].reproduced == 3
    assert not result.was_interrupted


def test_a_search_ends_with_its_number_of_scripts() -> None:
    result = search(GIVES_UP, max_scripts=10, batch=8, rules=("captured_within_authorised",)).run()
    assert (result.scripts, result.batches) == (10, 2)
    assert not result.was_interrupted
