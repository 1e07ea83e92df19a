"""The search: batches of scripts on a running chain, and from a failing script to the smallest.

known scripts, single steps, then combinations ─> batch ─> an order breaks a rule
    ─> minimise: all simpler variants in one batch, until none breaks it ─> three times alone
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from random import Random

from paychain.environment.running_chain import RunningChain
from paychain.explore.live.batch import Batch, Batches, Judged
from paychain.explore.live.result import (
    REPRODUCTIONS,
    FoundScript,
    LiveResult,
    LiveSpec,
    OnProgress,
    words_of,
)
from paychain.explore.live.steps import Step, Steps, fits, simpler, size, step_choices
from paychain.model.chain import Chain

MAX_STEPS = 3  # of a drawn script: what takes more is rarely found by chance
USEFUL_SHARE = 0.8  # of the first steps of combinations: those that met a request before
ILL_SHARE = 0.25  # of the controls: when more fail technically, batches disturb the service
MINIMISE_S = 45.0  # what is found in the budget's last moment may be minimised for so long
MIN_RATE = 2.0  # payments per second: batches are not spaced further
# Of each variant while minimising: a payment may be declined for its own reasons, and then shows
# nothing.
PAYMENTS_EACH = 3
OpenChain = Callable[[], RunningChain]


class LiveSearch:
    """One search. `open_chain` starts a chain; the search stops it.

    `known`: scripts that broke something before: they are tried first. `clock` gives seconds.
    """

    def __init__(
        self,
        chain: Chain,
        spec: LiveSpec,
        open_chain: OpenChain,
        *,
        known: Sequence[Steps] = (),
        on_progress: OnProgress = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.result = LiveResult()
        self.choices = step_choices(chain)
        self._chain, self._spec = chain, spec
        self._open_chain = open_chain
        self._on_progress, self._clock = on_progress, clock
        self._random = Random(spec.seed)  # noqa: S311  (seeded)
        self._useful: dict[Step, None] = {}  # steps that met a request, alone
        self._scripts = self._draw(known)
        self._alone: dict[Steps, Batch] = {}  # what was tried to reproduce
        self._rate = spec.rate
        self._began_s = clock()
        self._running: RunningChain | None = None
        self._batches: Batches | None = None

    def run(self) -> LiveResult:
        """Search until the budget is spent, every rule is broken, or Ctrl-C. Raises UserError."""
        result = self.result
        try:
            self._start()
            self._began_s = self._clock()  # what is searched is not the start of the chain
            while not self._is_spent and (scripts := self._next()):
                batch = self._run(scripts, self._spec.controls)
                self._judge(batch)
                self._look_after(batch)
        except KeyboardInterrupt:
            result.was_interrupted = True
        finally:
            self._stop()
            result.took_s = self._clock() - self._began_s
        return result

    # -- batches ----------------------------------------------------------------------------------
    @property
    def _is_spent(self) -> bool:
        most = self._spec.max_scripts
        is_counted = most is not None and self.result.scripts >= most
        return is_counted or self._clock() - self._began_s >= self._spec.budget_s

    def _next(self) -> list[Steps]:
        """The scripts of the next batch; none when there is nothing more to draw."""
        number = self._spec.batch
        if self._spec.max_scripts is not None:
            number = min(number, self._spec.max_scripts - self.result.scripts)
        return list(islice(self._scripts, number))

    def _draw(self, known: Sequence[Steps]) -> Iterator[Steps]:
        """What was found before, each single step, the simplest first, then combinations."""
        yield from known
        for step in self.choices:
            # A second request comes only where a first one did, if at all.
            is_first = step.number == 1
            if is_first or any(useful.place == step.place for useful in self._useful):
                yield (step,)
        seen = set(known)
        while True:
            steps = self._combination()
            if steps not in seen:
                seen.add(steps)
                yield steps

    def _combination(self) -> Steps:
        """Several steps by chance; the first of them one that meets requests by itself."""
        random = self._random
        while True:
            number = 2 if random.random() < USEFUL_SHARE else MAX_STEPS
            useful = list(self._useful) or self.choices
            first = random.choice(useful if random.random() < USEFUL_SHARE else self.choices)
            steps = (first, *(random.choice(self.choices) for _ in range(number - 1)))
            if fits(steps):
                return tuple(sorted(steps, key=lambda step: (step.place, step.number)))

    def _run(self, scripts: Sequence[Steps], controls: int = 0) -> Batch:
        assert self._batches is not None, "the chain is started"
        batch = self._batches.run(scripts, controls)
        self._count(batch, len(scripts), controls)
        return batch

    def _count(self, batch: Batch, scripts: int, controls: int) -> None:
        result = self.result
        result.scripts += scripts
        result.batches += 1
        result.controls += controls
        result.requests += batch.requests
        result.undecided += batch.undecided
        for order in batch.orders:
            is_customers = any(step.place[0] == "customer" for step in order.steps)
            result.met += bool(order.met) or is_customers
            if len(order.steps) == 1 and (order.met or is_customers):
                self._useful[order.steps[0]] = None
        result.took_s = self._clock() - self._began_s
        self._on_progress(result)

    # -- the service ------------------------------------------------------------------------------
    def _start(self) -> None:
        self._running = self._open_chain()
        self._running.start()
        self._batches = Batches(self._chain, self._running, self._spec.seed, self._rate)

    def _stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def _look_after(self, batch: Batch) -> None:
        """Space the batches when payments without a script fail; then start the chain again.

        Breakers and pools of a service couple its payments: what fails beside others says nothing
        about the script.
        """
        assert self._running is not None, "the chain is started"
        broken = self._running.broken_service
        if broken:
            self.result.deaths.append(f"{broken} ended by itself in batch {self.result.batches}")
            self._restart()
            return
        controls = batch.controls
        failed = sum(control.failed for control in controls)
        if not controls or failed <= ILL_SHARE * len(controls):
            return
        assert self._batches is not None, "the chain is started"
        if self._rate > MIN_RATE:
            self._rate = max(MIN_RATE, self._rate / 2)
            self._batches.rate = self._rate
            self.result.spaced += 1
            return
        self._restart()

    def _restart(self) -> None:
        self._stop()
        self._start()
        self.result.restarts += 1

    # -- findings ---------------------------------------------------------------------------------
    def _judge(self, batch: Batch) -> None:
        """Follow up the smallest script of the batch for each rule that is not found yet."""
        for rule in self._new_rules(batch.controls):
            self._without_script(rule, batch)
        candidates = [order for order in batch.orders if order.steps]
        for rule in self._new_rules(candidates):
            smallest = min(batch.breaking(rule), key=lambda order: size(order.steps))
            self._keep(rule, smallest, batch)
            self._start_afresh()
            if self._minimise(rule):
                self._reproduce(rule)

    def _new_rules(self, orders: Iterable[Judged]) -> list[str]:
        """Rules that some of the orders break, that are searched and not found yet."""
        broken = dict.fromkeys(rule for order in orders for rule in order.broken)
        return [rule for rule in broken if self._spec.seeks(rule) and rule not in self.result.found]

    def _keep(self, rule: str, order: Judged, batch: Batch, *, is_minimal: bool = False) -> None:
        """Keep the smallest script so far: what Ctrl-C leaves."""
        before = self.result.found.get(rule)
        assert before is None or size(order.steps) < size(before.steps)
        self.result.found[rule] = FoundScript(
            rule=rule,
            steps=order.steps,
            finding=order.broken[rule],
            at_script=before.at_script if before is not None else self.result.scripts,
            stories=batch.stories[order.payment],
            is_minimal=is_minimal,
        )
        self.result.doing = f"minimising {words_of(order.steps)}"

    def _without_script(self, rule: str, batch: Batch) -> None:
        """A payment without a script broke a rule: does it, too, where nothing fails at all?"""
        self.result.doing = "paying without any script"
        alone = self._run([], self._spec.batch)
        for source in (alone, batch):
            control = next((each for each in source.controls if rule in each.broken), None)
            if control is None:
                continue
            if source is alone:
                self._keep(rule, control, source, is_minimal=True)
                self._reproduce(rule)
            else:
                number = sum(rule in each.broken for each in source.controls)
                self.result.coupled[rule] = self.result.coupled.get(rule, 0) + number
            return

    def _start_afresh(self) -> None:
        """What earlier scripts left behind in the service must not break what is tried next."""
        if not self._is_late:
            self._stop()
            self._start()

    def _doubt(self, rule: str) -> None:
        """A script broke a rule once, and not on a chain that was started afresh."""
        doubtful = self.result.found.pop(rule)
        self.result.doubtful.setdefault(rule, words_of(doubtful.steps))
        self.result.doing = ""

    def _minimise(self, rule: str) -> bool:
        """Run all one-step-simpler variants in one batch, until none of them breaks the rule.

        It ends: each round replaces the script by one of a smaller `size`. False: neither the
        script nor any variant breaks the rule on this chain.
        """
        is_first = True
        while not self._is_late:
            found = self.result.found[rule]
            # Without any step: the controls beside it did not break the rule.
            variants = [steps for steps in simpler(found.steps, self.choices) if steps]
            if variants and is_first:
                variants.append(found.steps)
            tried: list[Judged] = []
            at_once = max(1, self._spec.batch // PAYMENTS_EACH)
            for start in range(0, len(variants), at_once):
                part = variants[start : start + at_once] * PAYMENTS_EACH
                batch = self._run(part, self._spec.controls)
                tried = [*tried, *batch.breaking(rule)]
                if tried:  # the simplest come first
                    break
            if variants and is_first and not tried:
                self._doubt(rule)
                return False
            is_first = False
            smaller = [order for order in tried if order.steps != found.steps]
            if not smaller:
                self.result.found[rule] = replace(found, is_minimal=True)
                return True
            self._keep(rule, min(smaller, key=lambda order: size(order.steps)), batch)
        return True

    def _reproduce(self, rule: str) -> None:
        """Let fresh payments follow it alone, on a chain that was started afresh."""
        if self._is_late:
            return
        found = self.result.found[rule]
        self.result.doing = f"reproducing {words_of(found.steps)}"
        # One script may break several rules.
        batch = self._alone.get(found.steps)
        if batch is None:
            self._start_afresh()
            assert self._batches is not None, "the chain is started"
            batch = self._alone[found.steps] = self._batches.run_alone(found.steps, REPRODUCTIONS)
            self._count(batch, REPRODUCTIONS, 0)
        again = [order for order in batch.orders if rule in order.broken]
        if not again:
            self._doubt(rule)
            return
        self.result.found[rule] = replace(
            found,
            reproduced=len(again),
            stories=batch.stories[again[0].payment],
            finding=again[0].broken[rule],
        )
        self.result.doing = ""

    @property
    def _is_late(self) -> bool:
        return self._clock() - self._began_s >= self._spec.budget_s + MINIMISE_S
