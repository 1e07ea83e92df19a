"""The search: batches of scripts on a running chain, and from a failing script to the smallest.

known scripts, single steps, then combinations ─> batch, batch, … ─> orders break rules
    ─> minimise: all simpler variants in one batch, until none breaks them ─> three times alone

Batches overlap: while the orders of one come to rest, those of the next ones are paid.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from random import Random

from paychain.explore.live.candidates import Candidates
from paychain.explore.live.chains import Chains, OpenChain
from paychain.explore.live.follow_ups import PAYMENTS_EACH, FollowUps
from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.outages import LiveOutage, outage_choices, simpler_outages
from paychain.explore.live.result import (
    REPRODUCTIONS,
    LiveResult,
    LiveSpec,
    OnProgress,
    controls_beside,
)
from paychain.explore.live.steps import StepChoice, Steps, size, step_choices
from paychain.explore.live.through import Met
from paychain.model.chain import Chain

# What is found in the budget's last moment may be minimised for so long, and for so many times what
# the chain needs to settle: each round takes as long.
MINIMISE_S, MINIMISE_TIMES = 45.0, 3
QUIET_RATE = 16.0  # payments per second, where a service has to keep up with what fails
OUTAGE_PAYMENTS = 32  # that meet an outage while it is minimised: not each is hit in the middle


class LiveSearch:
    """One search. `open_chain` starts a chain; the search stops it.

    `known`: scripts that broke something before: they are tried first. `choices`: the steps that
    scripts are made of, the simplest first; None: all that the chain can have. `clock` gives
    seconds.
    """

    def __init__(
        self,
        chain: Chain,
        spec: LiveSpec,
        open_chain: OpenChain,
        *,
        known: Sequence[Steps] = (),
        choices: Sequence[StepChoice] | None = None,
        on_progress: OnProgress = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.result = LiveResult()
        self.choices = step_choices(chain) if choices is None else list(choices)
        self._spec = spec
        self._on_progress, self._clock = on_progress, clock
        self._random = Random(spec.seed_of_search)  # noqa: S311  (seeded: it has to repeat)
        self._candidates = Candidates(self.choices, known, self._random, spec.part)
        self._outages = outage_choices(chain) if spec.outage_share else []
        self._coming: deque[LiveOutage] = deque()
        self._more_s = max(MINIMISE_S, MINIMISE_TIMES * chain.settles_within)
        self._plain_batches = 0  # that were begun, without an outage
        self._breaking: list[Batch] = []  # with broken rules that were not followed up yet
        self._begun = 0  # scripts, as far as they were not left
        self._interrupted: set[Steps] = set()  # scripts that were left when their chain was stopped
        self._chains = Chains(
            chain,
            spec,
            open_chain,
            self.result,
            on_judged=self._note,
            on_changed=self._note_break,
            on_left=self._try_again,
            on_moment=self._report,
        )
        self._follow_ups = FollowUps(
            spec,
            self.result,
            self._chains,
            self.choices,
            begin=self._begin_batch,
            run=self._run,
            on_alone=self._note_alone,
            is_late=self._is_late,
        )
        self._began_s = clock()

    def run(self) -> LiveResult:
        """Search until the budget is spent, all requested rules are broken, or Ctrl-C.

        Raises UserError.
        """
        result, chains = self.result, self._chains
        try:
            chains.start()
            self._began_s = self._clock()  # what is searched is not the start of the chain
            while not (self._is_late() or self._has_found_all):
                if not (self._begin() or chains.now.in_flight or chains.ended):
                    break
                chains.look()
                self._take_up()
        except KeyboardInterrupt:
            result.was_interrupted = True
        finally:
            chains.stop()
            result.took_s = self._clock() - self._began_s
        return result

    @property
    def _has_found_all(self) -> bool:
        """Whether every requested rule is broken: nothing is left to find."""
        return bool(self._spec.rules) and self.result.found.keys() >= set(self._spec.rules)

    @property
    def _is_spent(self) -> bool:
        most = self._spec.share
        is_counted = most is not None and self._begun >= most
        is_over = is_counted or self._clock() - self._began_s >= self._spec.budget_s
        return is_over or self._has_found_all

    def _begin(self) -> bool:
        """Begin the next batch, if it is time for one; whether there is more to begin."""
        if self._is_spent:
            return False
        if self._is_outage_due:
            self._try_outage()
        elif not self._follow_ups.foresee():
            self._begin_scripts()
        return True

    def _begin_scripts(self) -> None:
        number = self._chains.scripts_at_once
        controls = controls_beside(number)
        if self._spec.share is not None:
            number = min(number, self._spec.share - self._begun)
        if self._chains.has_room(number + controls):
            scripts = self._candidates.next(number)
            if not scripts:
                return  # not before it is known what payments ask for
            self._begin_batch(scripts, controls)
            self._plain_batches += 1

    def _begin_batch(
        self, scripts: Sequence[Steps], controls: int, rate: float = math.inf
    ) -> Batch:
        self._begun += len(scripts)
        return self._chains.now.begin(scripts, controls, rate)

    def _try_again(self, scripts: Sequence[Steps]) -> None:
        """Try what was left once more, but only once: a service that dies of it dies again."""
        self._begun -= len(scripts)
        self._candidates.put_back(steps for steps in scripts if steps not in self._interrupted)
        self._interrupted |= set(scripts)

    def _take_up(self) -> None:
        """Evaluate batches that have ended, and follow up broken rules."""
        while self._breaking or self._chains.ended:
            # The other orders of its batch may take much longer.
            while self._breaking:
                breaking, self._breaking = self._breaking, []
                self._follow_ups.judge(breaking)
            if self._chains.ended:
                batch = self._chains.ended.popleft()
                self._count(batch)
                self._chains.look_after(batch)

    def _run(
        self,
        scripts: Sequence[Steps],
        controls: int = 0,
        *,
        is_quiet: bool = False,
        is_enough: Callable[[Batch], bool] = lambda _: False,
        begun: Batch | None = None,
    ) -> Batch:
        """Run a batch to its end, or until it is enough. Unless `is_quiet`, the search goes on.

        `begun`: that batch, if it has begun before.
        """
        chains = self._chains
        batches = chains.now
        rate = QUIET_RATE if is_quiet else math.inf
        batch = begun or self._begin_batch(scripts, controls, rate)
        while not (batches.is_settled(batch) or is_enough(batch) or self._is_late()):
            if not is_quiet and not self._is_spent:
                self._begin_scripts()
            chains.look()
            if chains.now is not batches:  # the service died: what was judged until then
                break
        if batch in chains.ended:  # if not, others will see its end
            chains.ended.remove(batch)
            self._count(batch)
        return batch

    def _note_alone(self, batch: Batch) -> None:
        self._begun += batch.scripts
        self._count(batch)

    def _note(self, order: Judged, batch: Batch) -> None:
        """Count an order, and know what its script has led to."""
        result = self.result
        if batch.outage is not None:  # what it led to is the outage's
            result.scripts += bool(order.steps)
            result.met += bool(order.steps)
            return
        if order.steps:
            result.scripts += 1
            result.met += bool(order.met) or any(step.is_customers for step in order.steps)
        else:
            result.controls += 1
            result.controls_s.append(order.took_s)
        self._candidates.learn(order.steps, order.asked)
        self._note_break(order, batch)

    def _note_break(self, order: Judged, batch: Batch) -> None:
        """Follow up what an order has broken."""
        self._follow_ups.note(order)
        if (
            batch.outage is None
            and self._follow_ups.new_rules([order])
            and batch not in self._breaking
        ):
            self._breaking.append(batch)

    def _count(self, batch: Batch) -> None:
        self.result.batches += batch.scripts > 0 or batch.outage is not None
        self.result.undecided += batch.undecided
        self._report()

    def _report(self) -> None:
        result = self.result
        result.requests = self._chains.requests
        result.took_s = self._clock() - self._began_s
        self._on_progress(result)

    @property
    def _is_outage_due(self) -> bool:
        """Whether the next batch is one of the declared share. The first one is.

        Later it would have to wait until services have settled what scripts leave unknown.
        """
        result = self.result
        due = self._spec.outage_share * (result.outages + self._plain_batches)
        is_due = bool(self._outages) and result.outages <= int(due)
        return is_due and self._candidates.knows_payments

    def _try_outage(self) -> None:
        """Half of the payments of a batch follow a script, and all of them meet an outage.

        In the first one none follows any: the simplest scripts are first tried by themselves. Only
        what follows a script counts as one.
        """
        outage = self._next_outage()
        half = max(1, self._spec.batch // 2)
        number = half if self._spec.share is None else min(half, self._spec.share - self._begun)
        is_first = not (self._plain_batches or self.result.outages)
        scripts = [] if is_first else self._candidates.next(number)
        self._begun += len(scripts)
        scripts += [()] * (half - len(scripts))
        both = [each for steps in scripts for each in (steps, ())]
        simpler = self._simpler_than(outage)

        def further(rules: Collection[str]) -> Sequence[Met]:
            """What minimises it: only where nothing but the outage can have broken a rule."""
            is_wrong = any(map(self._follow_ups.is_new, rules))
            return simpler if is_wrong and not any(both) else ()

        batch, *beside = self._through([(outage, both)], further)
        for rule in self._follow_ups.new_rules(batch.orders):
            smallest = _smallest(rule, batch)
            if smallest.steps:
                without = self._run([smallest.steps] * PAYMENTS_EACH, self._spec.controls)
                if without.breaking(rule):  # the script is enough
                    self._follow_ups.follow_up([rule], [without])
                    continue
            self._follow_ups.keep(rule, smallest, batch)
            self._minimise_outage(rule, beside)
            self._reproduce_outage(rule)

    def _simpler_than(self, outage: LiveOutage, steps: Steps = ()) -> list[Met]:
        """Every simpler outage at the same link, with as many payments as minimising takes."""
        outages = simpler_outages(outage, self._outages)
        return [(each, [steps] * OUTAGE_PAYMENTS) for each in outages]

    def _next_outage(self) -> LiveOutage:
        """Each of them before any comes again, the short ones first.

        Of those an own service that is killed: what it has not written down is lost.
        """
        if not self._coming:
            drawn = [
                (each.lasts_ms, each.kind != "crash", self._random.random(), each)
                for each in self._outages
            ]
            self._coming += [each for *_, each in sorted(drawn, key=lambda each: each[:3])]
        return self._coming.popleft()

    def _through(
        self,
        outages: Sequence[Met],
        further: Callable[[Collection[str]], Sequence[Met]] = lambda _: (),
    ) -> list[Batch]:
        """What became of orders that met these outages, with the scripts that they followed."""
        names = dict.fromkeys(str(outage) for outage, _ in outages)
        self.result.doing = f"paying while {', then '.join(names)}"
        batches = self._chains.through.run(outages, further)
        self.result.outages += len(batches)
        for batch in batches:
            self._count(batch)
        return batches

    def _minimise_outage(self, rule: str, beside: Sequence[Batch] = ()) -> None:
        """Without a script, then with a simpler outage at the same link, while the rule breaks.

        All that is simpler is tried in a row first, or was `beside` what was found: where nothing
        breaks the rule, that is enough. Where something does, the next outage may be why: then each
        is tried by itself.
        """
        in_a_row = list(beside)
        while not self._is_late():
            found = self.result.found[rule]
            assert found.outage is not None, "it was found with one"
            simpler = self._simpler_than(found.outage, found.steps)
            if found.steps:
                simpler.insert(0, (found.outage, [()] * OUTAGE_PAYMENTS))
            if simpler and not in_a_row:
                in_a_row = self._through(simpler)
            is_any = any(_breaks(rule, batch) for batch in in_a_row)
            in_a_row = []
            for each in simpler if is_any else ():
                (batch,) = self._through([each])
                if _breaks(rule, batch):
                    self._follow_ups.keep(rule, _smallest(rule, batch), batch)
                    break
            else:
                self.result.found[rule] = replace(found, is_minimal=True)
                return

    def _reproduce_outage(self, rule: str) -> None:
        """Let fresh payments meet it, on a chain that was started afresh, three times."""
        if self._is_late():
            return
        self._follow_ups.start_afresh()
        found = self.result.found[rule]
        assert found.outage is not None, "it was found with one"
        each = (found.outage, [found.steps] * OUTAGE_PAYMENTS)
        again = sum(_breaks(rule, batch) for batch in self._through([each] * REPRODUCTIONS))
        if again:
            self.result.found[rule] = replace(found, reproduced=again)
            self.result.doing = ""
        else:
            self._follow_ups.doubt(rule)

    def _is_late(self) -> bool:
        return self._clock() - self._began_s >= self._spec.budget_s + self._more_s


def _breaks(rule: str, batch: Batch) -> bool:
    """Whether an order of a batch breaks a rule, whatever its script."""
    return any(rule in order.broken for order in batch.orders)


def _smallest(rule: str, batch: Batch) -> Judged:
    """Of the orders of a batch that break a rule the one with the simplest script, if any."""
    broke = [order for order in batch.orders if rule in order.broken]
    return min(broke, key=lambda order: size(order.steps))
