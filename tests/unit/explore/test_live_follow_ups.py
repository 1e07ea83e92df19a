"""What becomes of a rule that orders break: followed up on a chain that a test makes up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from paychain.explore.live.follow_ups import FollowUps
from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.orders import FEW, LiveOrder, Settling
from paychain.explore.live.result import LiveResult, LiveSpec
from paychain.explore.live.steps import StepChoice, Steps
from paychain.payments.rules import Finding

RULE, OTHER_RULE = "no_double_charge", "completed"
STRIPE, ADYEN, OTHER = (
    StepChoice(("link", link, "authorise"), "lost_answer", 2, keys=(("lost_answer", {}),))
    for link in ("one", "two", "three")
)

MEETS = StepChoice(
    ("webhook", "one"), "during capture", 35, keys=(("during", {"operation": "capture"}),)
)


class Overloaded:
    """A chain on which everything breaks the rule as long as much fails at once.

    In quiet only `guilty` does, and whatever has all its steps.
    """

    scripts_at_once = 64

    def __init__(self, guilty: Steps) -> None:
        self.guilty = set(guilty)
        self.payments = 0
        self.fresh = 0
        self.alone = 0  # scripts that were followed alone
        self.suspects: list[tuple[Steps, frozenset[str]]] = []
        self.begun: list[Batch] = []
        self.waited: list[Batch | None] = []

    def has_room(self, _: int) -> bool:
        return True

    def has_stirred(self, _: Batch) -> bool:
        return False

    def begin(self, scripts: Sequence[Steps], controls: int) -> Batch:
        self.begun.append(Batch(number=len(scripts) + controls, rate=1.0))
        return self.begun[-1]

    @property
    def now(self) -> Overloaded:
        return self

    def start_afresh(self) -> None:
        self.fresh += 1

    def run_alone(self, steps: Steps, times: int, *, at_rest: bool = False) -> Batch:
        self.alone += 1
        return self.run([steps] * times, is_quiet=True)

    def run(
        self,
        scripts: Sequence[Steps],
        controls: int = 0,
        *,
        is_quiet: bool = False,
        is_enough: Callable[[Batch], bool] = lambda _: False,
        begun: Batch | None = None,
    ) -> Batch:
        self.waited += [begun]
        batch = Batch(number=len(scripts), rate=1.0)
        for steps in scripts:
            self.payments += 1
            name = f"p{self.payments:07}"
            breaks = not is_quiet or self.guilty <= set(steps)
            finding = Finding(name, 1, "money is wrong", ())
            batch.orders.append(
                Judged(
                    steps=steps,
                    payment=name,
                    broken={RULE: finding} if breaks else {},
                    met=frozenset(),
                    asked={},
                    failed=False,
                    took_s=0.1,
                )
            )
            batch.stories[name] = ()
        return batch


def follow_ups_on(
    chain: Overloaded,
    result: LiveResult,
    is_late: Callable[[], bool] = lambda: False,
    choices: Sequence[StepChoice] = (STRIPE, ADYEN),
) -> FollowUps:
    chains: Any = chain
    return FollowUps(
        LiveSpec(),
        result,
        chains,
        choices,
        begin=chain.begin,
        run=chain.run,
        on_alone=lambda _: None,
        is_late=is_late,
    )


def followed_up(
    chain: Overloaded, scripts: Sequence[Steps], choices: Sequence[StepChoice] = (STRIPE, ADYEN)
) -> LiveResult:
    result = LiveResult()
    follow_ups = follow_ups_on(chain, result, choices=choices)
    batch = chain.run(scripts)
    for order in batch.orders:
        follow_ups.note(order)
    follow_ups.judge([batch])
    return result


def test_what_only_a_service_that_is_behind_breaks_does_not_hide_what_breaks_by_itself() -> None:
    chain = Overloaded((STRIPE, ADYEN))
    result = followed_up(chain, [(STRIPE,), (STRIPE, ADYEN), (ADYEN,)])
    found = result.found[RULE]
    assert (found.steps, found.is_minimal, found.reproduced) == ((STRIPE, ADYEN), True, 3)
    assert result.doubtful == {}


def test_what_nothing_breaks_in_quiet_is_doubted() -> None:
    result = followed_up(Overloaded((OTHER,)), [(STRIPE,), (ADYEN,)])
    assert result.found == {}
    assert "the first authorise at one" in result.doubtful[RULE]


def test_what_was_not_reproduced_is_doubted_though_no_time_is_left_to_try_it_more_gently() -> None:
    chain, result = Overloaded((OTHER,)), LiveResult()
    follow_ups = follow_ups_on(chain, result, is_late=lambda: chain.alone > 0)
    follow_ups.judge([chain.run([(STRIPE,)])])
    assert chain.alone == 1
    assert result.found == {}
    assert "the first authorise at one" in result.doubtful[RULE]


def test_what_was_not_reproduced_when_the_search_is_stopped_is_said_to_be_tried() -> None:
    class Stopped(Overloaded):
        def start_afresh(self) -> None:
            if self.alone:
                raise KeyboardInterrupt
            super().start_afresh()

    chain, result = Stopped((OTHER,)), LiveResult()
    with pytest.raises(KeyboardInterrupt):
        follow_ups_on(chain, result).judge([chain.run([(STRIPE,)])])
    assert result.found[RULE].reproduced == 0


class Racy(Overloaded):
    """One script breaks the rule now and then, another one always; alone it shows how often."""

    def __init__(self, sure: Steps = ()) -> None:
        super().__init__(sure)
        self.at_rest: list[bool] = []

    def run_alone(self, steps: Steps, times: int, *, at_rest: bool = False) -> Batch:
        self.at_rest.append(at_rest)
        batch = super().run_alone(steps, times)
        if not self.guilty or self.guilty != set(steps):
            batch.orders[1:] = [replace(order, broken={}) for order in batch.orders[1:]]
        return batch

    def run(
        self,
        scripts: Sequence[Steps],
        controls: int = 0,
        *,
        is_quiet: bool = False,
        is_enough: Callable[[Batch], bool] = lambda _: False,
        begun: Batch | None = None,
    ) -> Batch:
        return super().run(scripts, controls, is_quiet=is_quiet and bool(self.guilty))


def test_what_breaks_now_and_then_is_tried_once_more_and_said_to_be() -> None:
    chain = Racy()
    found = followed_up(chain, [(STRIPE,)]).found[RULE]
    assert chain.at_rest == [False, True]
    assert (found.is_minimal, found.reproduced, found.alone) == (True, 2, 6)
    assert not found.is_certain


def test_a_script_as_short_that_always_breaks_the_rule_is_preferred() -> None:
    chain = Racy((ADYEN,))
    found = followed_up(chain, [(STRIPE,), (ADYEN,)]).found[RULE]
    assert (found.steps, found.is_minimal, found.is_certain) == ((ADYEN,), True, True)


class Meeting(Racy):
    """What meets by chance breaks the rule for the first of those who follow it alone."""

    def run_alone(self, steps: Steps, times: int, *, at_rest: bool = False) -> Batch:
        batch = Overloaded.run(self, [steps] * times)
        if self.guilty != set(steps):
            batch.orders[1:] = [replace(order, broken={}) for order in batch.orders[1:]]
        return batch


@pytest.mark.parametrize(("guilty", "preferred"), [(MEETS, MEETS), (OTHER, STRIPE)])
def test_a_webhook_during_a_request_is_preferred_to_what_meets_it_by_chance(
    guilty: StepChoice, preferred: StepChoice
) -> None:
    """Nobody has tried it before."""
    found = followed_up(Meeting((guilty,)), [(STRIPE,)], [STRIPE, MEETS]).found[RULE]
    assert (found.steps, found.is_minimal) == ((preferred,), True)
    assert found.is_certain is (preferred is MEETS)


LATE = StepChoice(("link", "one", "authorise"), "late_answer", 4, keys=(("late_answer", {}),))


class Several(Meeting):
    """Two scripts always break the rule where others fail beside them."""

    def run(self, scripts: Sequence[Steps], *arguments: Any, **more: Any) -> Batch:
        batch = super().run(scripts, *arguments, **more)
        if {(LATE,), (MEETS,)} <= set(scripts):
            for place, order in enumerate(batch.orders):
                is_sure = order.steps in ((LATE,), (MEETS,))
                finding = Finding(order.payment, 1, "money is wrong", ())
                batch.orders[place] = replace(order, broken={RULE: finding} if is_sure else {})
        return batch


def test_a_script_that_minimises_to_the_unsure_one_does_not_hide_another_sure_one() -> None:
    """It is a simpler one to look at, and what it is about breaks the rule by chance as well."""
    chain = Several((MEETS,))
    found = followed_up(chain, [(STRIPE,), (LATE,)], [STRIPE, LATE, MEETS]).found[RULE]
    assert (found.steps, found.is_minimal, found.is_certain) == ((MEETS,), True, True)


class Declining(Overloaded):
    """Of those who follow a script alone, so many are declined whatever it does."""

    def __init__(self, guilty: Steps, declined: int) -> None:
        super().__init__(guilty)
        self.declined = declined

    def run_alone(self, steps: Steps, times: int, *, at_rest: bool = False) -> Batch:
        batch = super().run_alone(steps, times)
        for place, order in enumerate(batch.orders):
            if self.declined:
                self.declined -= 1
                batch.orders[place] = replace(order, broken={}, declined_at=frozenset({"issuer"}))
        return batch


@pytest.mark.parametrize(("declined", "times", "payments"), [(1, 2, 4), (4, 3, 7), (0, 1, 3)])
def test_another_payment_takes_the_place_of_one_that_was_declined_anyway(
    declined: int, times: int, payments: int
) -> None:
    chain = Declining((STRIPE,), declined)
    before = len(chain.waited)
    found = followed_up(chain, [(STRIPE,)]).found[RULE]
    assert (found.reproduced, found.alone, found.is_certain) == (3, 3, True)
    assert chain.alone == times
    alone = chain.payments - 1 - 3  # the first one, and those beside its variants
    assert (before, alone) == (0, payments)


@pytest.mark.parametrize("is_cut", [False, True])
def test_what_is_always_declined_alone_is_not_reproduced_unless_time_has_ended(
    is_cut: bool,
) -> None:
    chain, result = Declining((STRIPE,), 1_000), LiveResult()
    follow_ups = follow_ups_on(chain, result, is_late=lambda: is_cut and chain.alone > 0)
    follow_ups.judge([chain.run([(STRIPE,)])])
    assert list(result.doubtful) == ([] if is_cut else [RULE])
    assert [found.reproduced for found in result.found.values()] == ([None] if is_cut else [])


def test_a_decline_that_a_script_asks_for_shows_what_it_does() -> None:
    order = Overloaded((OTHER,)).run([(STRIPE,)], is_quiet=True).orders[0]
    assert order.tells
    assert replace(order, declined_at=frozenset({"one"})).tells
    assert not replace(order, declined_at=frozenset({"issuer"})).tells


class Unsettled(Overloaded):
    """What breaks the rule while scripts are minimised is not settled when that is over."""

    def __init__(self, guilty: Steps) -> None:
        super().__init__(guilty)
        self.ended: list[bool] = []

    def run(
        self,
        scripts: Sequence[Steps],
        controls: int = 0,
        *,
        is_quiet: bool = False,
        is_enough: Callable[[Batch], bool] = lambda _: False,
        begun: Batch | None = None,
    ) -> Batch:
        batch = super().run(scripts, is_quiet=True)
        if len(set(scripts)) == 1:  # at first, and alone
            return batch
        broke = [order for order in batch.orders if order.broken]
        batch.orders = [order for order in batch.orders if not order.broken]
        batch.suspects = {order.payment: (order.steps, frozenset([RULE])) for order in broke}
        self.ended.append(is_enough(batch))
        if not self.ended[-1]:  # it waits
            batch.orders += broke
            batch.suspects = {}
        return batch


def test_what_a_script_has_broken_once_need_not_be_settled_again_for_it_to_be_minimal() -> None:
    chain = Unsettled((STRIPE, ADYEN))
    found = followed_up(chain, [(STRIPE, ADYEN)]).found[RULE]
    assert chain.ended == [True]
    assert (found.steps, found.is_minimal, found.reproduced) == ((STRIPE, ADYEN), True, 3)


def test_a_simpler_script_that_may_be_settled_yet_is_waited_for() -> None:
    chain = Unsettled((STRIPE,))
    found = followed_up(chain, [(STRIPE, ADYEN)]).found[RULE]
    assert chain.ended[0] is False
    assert (found.steps, found.is_minimal) == ((STRIPE,), True)


def test_what_is_to_be_judged_again_is_waited_for() -> None:
    class Stirred(Unsettled):
        def has_stirred(self, _: Batch) -> bool:
            return not self.ended

    chain = Stirred((STRIPE, ADYEN))
    found = followed_up(chain, [(STRIPE, ADYEN)]).found[RULE]
    assert chain.ended == [False]
    assert found.is_minimal


@pytest.mark.parametrize("is_cut", [False, True])
def test_nothing_is_minimal_while_something_is_to_be_judged_again(is_cut: bool) -> None:
    """No time is left for it, or its chain has died."""

    class Left(Overloaded):
        def has_stirred(self, batch: Batch) -> bool:
            return not is_cut and not batch.is_cut

        def run(self, *args: Any, **more: Any) -> Batch:
            batch = super().run(*args, **more)
            batch.is_cut = is_cut
            return batch

    chain, result = Left((STRIPE, ADYEN)), LiveResult()
    follow_ups = follow_ups_on(chain, result, is_late=lambda: len(chain.waited) > 1)
    follow_ups.judge([Overloaded(()).run([(STRIPE, ADYEN)])])
    assert not result.found[RULE].is_minimal


def test_nothing_is_minimal_while_something_simpler_looks_wrong() -> None:
    class Late(Unsettled):
        def run(
            self,
            *args: Any,
            is_enough: Callable[[Batch], bool] = lambda _: False,
            **more: Any,
        ) -> Batch:
            return super().run(*args, is_enough=lambda batch: is_enough(batch) or True, **more)

    chain, result = Late((STRIPE,)), LiveResult()
    follow_ups = follow_ups_on(chain, result, is_late=lambda: bool(chain.ended))
    follow_ups.judge([Overloaded(()).run([(STRIPE, ADYEN)])])
    assert chain.ended == [True]
    assert not result.found[RULE].is_minimal


@pytest.mark.parametrize(
    ("suspect", "broken", "is_decided"),
    [
        ((STRIPE, ADYEN), {RULE}, True),  # one of the scripts, and its rule
        ((STRIPE,), {OTHER_RULE}, True),
        ((STRIPE,), {RULE}, False),  # a script of one rule is simpler than that of another
        ((ADYEN,), {OTHER_RULE}, False),
        ((STRIPE, ADYEN), {OTHER_RULE}, True),  # it is known that less is enough
    ],
)
def test_what_looks_wrong_confirms_what_was_found_or_has_to_be_waited_for(
    suspect: Steps, broken: set[str], is_decided: bool
) -> None:
    batch = Batch(number=1, rate=1.0)
    scripts = {RULE: (STRIPE, ADYEN), OTHER_RULE: (STRIPE,)}
    assert not batch.is_decided(scripts)
    batch.suspects["p1"] = (suspect, frozenset(broken))
    assert batch.is_decided(scripts) is is_decided


def test_what_payments_without_a_script_break_now_and_then_is_tried_without_any_but_once() -> None:
    chain, result = Overloaded((STRIPE,)), LiveResult()
    follow_ups = follow_ups_on(chain, result)
    for _ in range(3):
        follow_ups.judge([chain.run([()])])
    assert chain.fresh == 1
    assert (result.found, result.coupled) == ({}, {RULE: 3})


def test_what_looks_wrong_is_minimised_before_it_is_known_to_last() -> None:
    chain, result = Overloaded((STRIPE,)), LiveResult()
    follow_ups = follow_ups_on(chain, result)
    assert not follow_ups.foresee()
    chain.suspects = [((STRIPE,), frozenset({RULE}))]
    assert follow_ups.foresee()
    assert not follow_ups.foresee()  # it has begun
    batch = chain.run([(STRIPE,)], is_quiet=True)
    follow_ups.note(batch.orders[0])
    follow_ups.judge([batch])
    assert chain.begun[0] in chain.waited
    assert result.found[RULE].is_minimal


def test_what_looked_wrong_on_a_chain_that_has_stopped_is_minimised_on_the_next_one() -> None:
    class Restarted(Overloaded):
        @property
        def now(self) -> Overloaded:
            return self.later or self

        later: Overloaded | None = None

    chain = Restarted((STRIPE,))
    follow_ups = follow_ups_on(chain, LiveResult())
    chain.suspects = [((STRIPE,), frozenset({RULE}))]
    assert follow_ups.foresee()
    chain.later = Overloaded((STRIPE,))
    assert not follow_ups.foresee()  # nothing looks wrong there yet
    chain.later.suspects = chain.suspects
    assert follow_ups.foresee()


def test_what_services_have_settled_twice_is_waited_for() -> None:
    chain = Overloaded((STRIPE,))
    follow_ups = follow_ups_on(chain, LiveResult())
    for number, steps in enumerate([(ADYEN,), (OTHER,), (STRIPE,)]):
        chain.suspects = [(steps, frozenset({RULE}))]
        assert follow_ups.foresee() == (number < 2)
        follow_ups.note(chain.run([steps], is_quiet=True).orders[0])


def test_services_are_behind_when_they_settle_late_and_much_is_left() -> None:
    batch = Batch(number=10, rate=1.0)
    orders = [
        LiveOrder(steps=(), payment=f"p{number}", batch=batch, begun_ns=0, active_ns=0, over_ns=0)
        for number in range(2 * FEW + 2)
    ]
    names = [order.payment for order in orders]
    settling = Settling()
    settling.note(orders, set(names), 1_000_000_000)
    assert settling.lag_s(1_000_000_000) == 0.0  # nothing is known yet
    settling.note(orders, set(names[FEW + 1 :]), 4_000_000_000)
    assert settling.lag_s(4_000_000_000) == 4.0
    settling.note(orders, set(names[-FEW:]), 5_000_000_000)
    assert settling.lag_s(5_000_000_000) == 0.0  # few are left: they may have their own reasons
