"""The second search: what operators do, step by step, and money rules after all is settled.

A state machine pays, strikes, heals, restarts, refunds, lets time pass and settles; Hypothesis
makes the shortest script that breaks a rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from harness.analysis.reconcile import Parties
from harness.explore.judged import CONCLUSIVE, broken
from harness.explore.schedules import SLOT_MS, Strike, Strikes, strikes_of
from harness.explore.search import SMALLER_S, Order, Spent
from harness.load.arrivals import Arrival
from harness.model.fault import Fault
from harness.payments.cards import TEST_CARDS
from harness.payments.errors import UserError
from harness.simulation.ground import VirtualGround

STEPS = 12  # in one script
MOST_SCRIPTS = 100_000
RESTART = "crash"
AMOUNT_MINOR = 2_500


@dataclass(frozen=True)
class Script:
    """The shortest script of actions that broke a rule."""

    rule: str
    text: str
    steps: tuple[str, ...]


@dataclass
class Acted:
    """What a search of scripts did; Ctrl-C keeps the shortest that it had found."""

    found: Script | None = None
    scripts: int = 0
    took_s: float = 0.0
    was_interrupted: bool = False


class _Broke(AssertionError):
    """A script broke a rule."""


def explore_actions(
    order: Order, told: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Acted:  # fmt: skip
    """Search scripts of actions until one breaks a money rule or the budget is spent.

    `told` is called before each script; it raises KeyboardInterrupt to end the search.
    """
    if CONCLUSIVE in order.rules:
        raise UserError(f"scripts are judged by money rules, not by {CONCLUSIVE}")
    acted = Acted()
    begun_s = clock()
    is_cut_short = False

    def begin() -> None:
        nonlocal is_cut_short
        acted.took_s = clock() - begun_s
        try:
            told()
            if acted.took_s >= order.budget_s + (SMALLER_S if acted.found is not None else 0):
                raise Spent
        except KeyboardInterrupt:
            is_cut_short = True
            raise
        acted.scripts += 1

    machine = _machine(order, acted, begin)
    scripts = min(order.most or MOST_SCRIPTS, MOST_SCRIPTS)
    run = settings(
        max_examples=scripts, stateful_step_count=STEPS, deadline=None, database=None,
        phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False, print_blob=False,
    )  # fmt: skip
    try:
        run_state_machine_as_test(seed(order.seed)(machine), settings=run)
    except _Broke:
        pass
    except KeyboardInterrupt as end:
        acted.was_interrupted = not isinstance(end, Spent)
    except Flaky:
        if not is_cut_short:  # Hypothesis' last look at what it found
            raise
    acted.took_s = clock() - begun_s
    return acted


def _machine(order: Order, acted: Acted, begin: Callable[[], None]) -> type[RuleBasedStateMachine]:
    chain = order.chain
    parties = Parties.of(chain)
    choices = [one for one in strikes_of(chain, order.kinds) if one.kind != RESTART]
    links = list(chain.links)
    is_refunding = any(link.refunds is not None for link in chain.links.values())

    class Operators(RuleBasedStateMachine):
        """One script of actions on one chain."""

        def __init__(self) -> None:
            super().__init__()
            begin()
            self._ground = VirtualGround(chain, order.seed)
            self._ground.start()
            self._paid = 0
            self._on: dict[int, tuple[Strike, Fault]] = {}
            self._number = 0
            self._steps: list[str] = []

        @rule()
        def pay(self) -> None:
            self._steps.append("pay()")
            self._paid += 1
            card = TEST_CARDS[self._paid % len(TEST_CARDS)]
            payment = _named(self._paid)
            self._ground.pay(
                [Arrival(self._paid, 0.0, payment, AMOUNT_MINOR, card, "a script", warm_up=False)]
            )

        @precondition(lambda _: bool(choices))  # a crash alone is what `restart` does
        @rule(
            strike=st.sampled_from(choices) if choices else st.nothing(), slots=st.integers(1, 40)
        )
        def strike(self, strike: Strike, slots: int) -> None:
            self._steps.append(
                f"strike({strike}{f', {slots * SLOT_MS} ms' * strike.has_magnitude})"
            )
            self._put_on(strike, slots)

        @precondition(lambda self: self._on)
        @rule(data=st.data())
        def heal(self, data: Any) -> None:
            number = data.draw(st.sampled_from(sorted(self._on)))
            strike, fault = self._on.pop(number)
            self._steps.append(f"heal({strike})")
            self._ground.switch(fault, "heal")

        @precondition(lambda self: self._paid and is_refunding)
        @rule(data=st.data())
        def refund(self, data: Any) -> None:
            payment = _named(data.draw(st.integers(1, self._paid)))
            self._steps.append(f"refund({payment})")
            self._ground.give_back(payment)

        @rule(link=st.sampled_from(links))
        def restart(self, link: str) -> None:
            self._steps.append(f"restart({link})")
            strike = Strike(RESTART, ("link", link), has_magnitude=False)
            self._put_on(strike, 1)
            _, fault = self._on.pop(self._number)
            self._ground.switch(fault, "heal")

        @rule(slots=st.integers(1, 200))
        def advance(self, slots: int) -> None:
            self._steps.append(f"advance({slots * SLOT_MS} ms)")
            self._ground.advance(slots * SLOT_MS / 1000)

        @rule()
        def settle(self) -> None:
            self._steps.append("settle()")
            self._settle()

        def teardown(self) -> None:
            try:
                self._settle()
                wanted = set(order.rules)
                seen = [
                    one for one in broken(self._ground.records(), parties, None)
                    if not wanted or one.rule in wanted
                ]  # fmt: skip
            finally:
                self._ground.stop()
            if seen:
                acted.found = Script(seen[0].rule, seen[0].text, tuple(self._steps))
                raise _Broke(seen[0].rule)

        def _put_on(self, strike: Strike, slots: int) -> None:
            self._number += 1
            declared = Strikes(strike, 0, SLOT_MS, slots * SLOT_MS).declared(self._number)
            fault = Fault.model_validate(declared)
            self._ground.switch(fault, "apply")
            self._on[self._number] = (strike, fault)

        def _settle(self) -> None:
            for _, fault in self._on.values():
                self._ground.switch(fault, "heal")
            self._on.clear()
            self._ground.drain()

    return Operators


def _named(number: int) -> str:
    """The id of the script's n-th payment."""
    return f"p{number:07d}"
