"""The second search: what operators do, step by step, and money rules after all is settled.

A state machine pays, injects, heals, restarts, refunds, lets time pass and settles; Hypothesis
makes the shortest script that breaks a rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from paychain.analysis.money.parties import Parties
from paychain.engine.timeline import Action, switch_of
from paychain.environment.running_chain import pass_time
from paychain.environment.virtual import VirtualChain
from paychain.explore.checks import CONCLUSIVE, broken
from paychain.explore.draws import draws_by_seed_alone
from paychain.explore.schedules import SLOT_MS, FaultChoice, ScheduledFault, fault_choices
from paychain.explore.spec import SearchSpec
from paychain.explore.trial import MINIMISE_S, BudgetSpent
from paychain.faults.fault import Fault
from paychain.load.traffic.arrivals import Arrival
from paychain.payments.errors import UserError
from paychain.payments.instrument import published

STEPS = 12  # in one script
MAX_SCRIPTS = 100_000
RESTART = "crash"
AMOUNT_MINOR = 2_500


@dataclass(frozen=True)
class ActionScript:
    """The shortest script of actions that broke a rule."""

    rule: str
    text: str
    steps: tuple[str, ...]


@dataclass
class ActionsResult:
    """What a search of scripts did; Ctrl-C keeps the shortest that it had found."""

    found: ActionScript | None = None
    scripts: int = 0
    took_s: float = 0.0
    was_interrupted: bool = False


class _Broke(AssertionError):
    """A script broke a rule."""


def explore_actions(
    spec: SearchSpec,
    on_script: Callable[[], None] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> ActionsResult:
    """Search scripts of actions until one breaks a money rule or the budget is spent.

    `on_script` is called before each script; it may raise KeyboardInterrupt to end the search.
    Raises UserError for rules that no script can break.
    """
    if CONCLUSIVE in spec.rules:
        raise UserError(f"scripts are judged by money rules, not by {CONCLUSIVE}")
    acted = ActionsResult()
    begun_s = clock()
    is_cut_short = False

    def begin() -> None:
        nonlocal is_cut_short
        acted.took_s = clock() - begun_s
        try:
            on_script()
            if acted.took_s >= spec.budget_s + (MINIMISE_S if acted.found is not None else 0):
                raise BudgetSpent
        except KeyboardInterrupt:
            is_cut_short = True
            raise
        acted.scripts += 1

    machine = _operators(_Search(spec, acted, begin))
    scripts = min(spec.max_schedules or MAX_SCRIPTS, MAX_SCRIPTS)
    run = settings(
        max_examples=scripts,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    try:
        with draws_by_seed_alone():
            run_state_machine_as_test(seed(spec.seed)(machine), settings=run)
    except _Broke:
        pass
    except KeyboardInterrupt as end:
        acted.was_interrupted = not isinstance(end, BudgetSpent)
    except Flaky:
        if not is_cut_short:  # Hypothesis' last look at what it found
            raise
    acted.took_s = clock() - begun_s
    return acted


@dataclass(frozen=True)
class _Search:
    """What every script of one search shares. `begin` is called before each."""

    spec: SearchSpec
    acted: ActionsResult
    begin: Callable[[], None]

    @cached_property
    def parties(self) -> Parties:
        return Parties.of(self.spec.chain)

    @cached_property
    def choices(self) -> list[FaultChoice]:
        found = fault_choices(self.spec.chain, self.spec.kinds)
        return [choice for choice in found if choice.kind != RESTART]

    @cached_property
    def links(self) -> list[str]:
        return list(self.spec.chain.links)

    @cached_property
    def is_refunding(self) -> bool:
        return any(link.refunds is not None for link in self.spec.chain.links.values())


# What there is to choose from depends on the chain, which the machine knows.
_CHOICES = st.runner().flatmap(lambda machine: st.sampled_from(machine.search.choices))
_LINKS = st.runner().flatmap(lambda machine: st.sampled_from(machine.search.links))


class Operators(RuleBasedStateMachine):
    """One script of actions on one chain. `_operators` makes the class of one search of it."""

    search: ClassVar[_Search]

    def __init__(self) -> None:
        super().__init__()
        self.search.begin()
        spec = self.search.spec
        self._running = VirtualChain(spec.chain, spec.seed, home=spec.home)
        self._running.start()
        self._paid = 0
        self._on: dict[int, tuple[FaultChoice, Fault]] = {}
        self._number = 0
        self._steps: list[str] = []

    @rule()
    def pay(self) -> None:
        """The customer pays once more."""
        self._steps.append("pay()")
        self._paid += 1
        instruments = published(self.search.spec.chain.addressed)
        payment = _named(self._paid)
        self._running.pay(
            [
                Arrival(
                    number=self._paid,
                    at_s=0.0,
                    payment=payment,
                    amount_minor=AMOUNT_MINOR,
                    instrument=instruments[self._paid % len(instruments)],
                    merchant="a script",
                    warm_up=False,
                )
            ]
        )

    @precondition(lambda self: bool(self.search.choices))  # a crash alone is what `restart` does
    @rule(choice=_CHOICES, slots=st.integers(1, 40))
    def inject(self, choice: FaultChoice, slots: int) -> None:
        """Switch a fault on, with a magnitude of so many slots; it stays until it is healed."""
        self._steps.append(f"inject({choice}{f', {slots * SLOT_MS} ms' * choice.has_magnitude})")
        self._apply(choice, slots)

    @precondition(lambda self: self._on)
    @rule(data=st.data())
    def heal(self, data: Any) -> None:
        """Heal one of the active faults."""
        number = data.draw(st.sampled_from(sorted(self._on)))
        choice, fault = self._on.pop(number)
        self._steps.append(f"heal({choice})")
        self._switch(fault, "heal")

    @precondition(lambda self: self._paid and self.search.is_refunding)
    @rule(data=st.data())
    def refund(self, data: Any) -> None:
        """The merchant refunds one of the payments so far."""
        payment = _named(data.draw(st.integers(1, self._paid)))
        self._steps.append(f"refund({payment})")
        self._running.refund(payment)

    @rule(link=_LINKS)
    def restart(self, link: str) -> None:
        """A link crashes and is back at once."""
        self._steps.append(f"restart({link})")
        choice = FaultChoice(RESTART, ("link", link), has_magnitude=False)
        self._apply(choice, 1)
        _, fault = self._on.pop(self._number)
        self._switch(fault, "heal")

    @rule(slots=st.integers(1, 200))
    def advance(self, slots: int) -> None:
        """Let time pass: so many slots of `SLOT_MS`."""
        self._steps.append(f"advance({slots * SLOT_MS} ms)")
        pass_time(self._running, slots * SLOT_MS / 1000)

    @rule()
    def settle(self) -> None:
        """Heal every fault, and let all that is under way end."""
        self._steps.append("settle()")
        self._settle()

    def teardown(self) -> None:
        """Settle, and judge the script by the money rules. Raises _Broke."""
        try:
            self._settle()
            search, wanted = self.search, set(self.search.spec.rules)
            seen = [
                breach
                for breach in broken(self._running.journal, search.parties, None)
                if not wanted or breach.rule in wanted
            ]
        finally:
            self._running.stop()
        if seen:
            search.acted.found = ActionScript(seen[0].rule, seen[0].text, tuple(self._steps))
            raise _Broke(seen[0].rule)

    def _apply(self, choice: FaultChoice, slots: int) -> None:
        self._number += 1
        declared = ScheduledFault(choice, 0, SLOT_MS, slots * SLOT_MS).declare(self._number)
        fault = Fault.model_validate(declared)
        self._switch(fault, "apply")
        self._on[self._number] = (choice, fault)

    def _switch(self, fault: Fault, action: Action) -> None:
        record = self._running.switch(
            switch_of(self.search.spec.chain, fault, action), self._running.now_ns()
        )
        assert not record.error, f"fault {fault.id} was not {record.action}: {record.error}"

    def _settle(self) -> None:
        for _, fault in self._on.values():
            self._switch(fault, "heal")
        self._on.clear()
        self._running.drain()


def _operators(search: _Search) -> type[Operators]:
    """The state machine of one search: Hypothesis makes its instances, and gives them nothing."""
    return type("Operators", (Operators,), {"search": search})


def _named(number: int) -> str:
    """The id of the script's n-th payment."""
    return f"p{number:07d}"
