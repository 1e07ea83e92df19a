"""The search: batches of scripts on a running chain, and from a failing script to the smallest.

known scripts, single steps, then combinations ─> batch, batch, … ─> orders break rules
    ─> minimise: all simpler variants in one batch, until none breaks them ─> three times alone

Batches overlap: while the orders of one come to rest, those of the next ones are paid.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from random import Random

from paychain.environment.running_chain import RunningChain
from paychain.explore.live.batch import Batch, Batches, Judged
from paychain.explore.live.candidates import Candidates
from paychain.explore.live.result import (
    MAX_BATCH,
    REPRODUCTIONS,
    FoundScript,
    LiveResult,
    LiveSpec,
    OnProgress,
    words_of,
)
from paychain.explore.live.steps import Steps, simpler, size, step_choices
from paychain.model.chain import Chain

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
        random = Random(spec.seed)  # noqa: S311  (seeded)
        self._candidates = Candidates(self.choices, known, random)
        self._requests = 0  # on chains that were stopped
        self._alone: dict[Steps, Batch] = {}  # what was tried to reproduce
        self._begun = 0  # scripts, as far as they were not abandoned
        # Scripts that a restart of the chain interrupted: a service that dies of one dies again.
        self._interrupted: set[Steps] = set()
        self._ended: deque[Batch] = deque()  # batches that nobody looked into yet
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
            while not self._is_late and (self._begin() or self._now.in_flight or self._ended):
                self._ended += self._now.look()
                while self._ended:
                    self._take(self._ended.popleft())
                self._restart_if_dead()
                self._report()
        except KeyboardInterrupt:
            result.was_interrupted = True
        finally:
            self._stop()
            result.took_s = self._clock() - self._began_s
        return result

    # -- batches ----------------------------------------------------------------------------------
    @property
    def _now(self) -> Batches:
        """The batches on the chain that runs now."""
        assert self._batches is not None, "the chain is started"
        return self._batches

    @property
    def _is_spent(self) -> bool:
        most = self._spec.max_scripts
        is_counted = most is not None and self._begun >= most
        return is_counted or self._clock() - self._began_s >= self._spec.budget_s

    def _begin(self) -> bool:
        """Begin the next batch, if it is time for one; whether there is more to begin."""
        if self._is_spent:
            return False
        number, controls = self._spec.batch, self._spec.controls
        if self._spec.max_scripts is not None:
            number = min(number, self._spec.max_scripts - self._begun)
        if self._now.has_room(number + controls):
            scripts = self._candidates.next(number)
            self._begun += len(scripts)
            self._now.begin(scripts, controls)
        return True

    def _take(self, batch: Batch) -> None:
        """See what became of a batch."""
        self._count(batch)
        if batch.is_whole:
            self._look_after(batch)
        self._judge(batch)

    def _run(self, scripts: Sequence[Steps], controls: int = 0) -> Batch:
        self._begun += len(scripts)
        batch = self._now.run(scripts, controls)
        self._count(batch)
        return batch

    def _note(self, order: Judged) -> None:
        """Count an order, and know what its script has led to."""
        result = self.result
        if order.steps:
            result.scripts += 1
            result.met += bool(order.met) or any(step.is_customers for step in order.steps)
        else:
            result.controls += 1
            result.controls_s.append(order.took_s)
        self._candidates.learn(order.steps, order.asked)

    def _count(self, batch: Batch) -> None:
        self.result.batches += 1
        self.result.undecided += batch.undecided
        self._report()

    def _report(self) -> None:
        result = self.result
        result.requests = self._requests + self._now.requests
        result.took_s = self._clock() - self._began_s
        self._on_progress(result)

    # -- the service ------------------------------------------------------------------------------
    def _start(self) -> None:
        self._running = self._open_chain()
        self._running.start()
        self._batches = Batches(self._chain, self._running, self._spec.seed, self._rate, self._note)

    def _stop(self) -> None:
        """Stop the chain; what is in flight on it is tried once more on the next one."""
        batches, self._batches = self._batches, None
        if batches is not None:
            self._requests += batches.requests
            ended, scripts = batches.abandon()
            self._ended += ended
            self._begun -= len(scripts)
            again = [steps for steps in scripts if steps not in self._interrupted]
            self._candidates.put_back(again)
            self._interrupted |= set(scripts)
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def _look_after(self, batch: Batch) -> None:
        """Space the batches when payments without a script fail; then start the chain again.

        Breakers and pools of a service couple its payments: what fails beside others says nothing
        about the script.
        """
        controls = batch.controls
        failed = sum(control.failed for control in controls)
        # Batches that began before they were spaced say nothing about what holds since.
        is_old = batch.rate > self._rate
        if not controls or failed <= ILL_SHARE * len(controls) or is_old:
            return
        if self._rate > MIN_RATE:
            self._rate = max(MIN_RATE, self._rate / 2)
            self._now.rate = self._rate
            self.result.spaced += 1
            return
        self._restart()

    def _restart_if_dead(self) -> None:
        """Start the chain again when an own service ended by itself."""
        assert self._running is not None, "the chain is started"
        broken = self._running.broken_service
        if broken:
            self.result.deaths.append(f"{broken} ended by itself in batch {self.result.batches}")
            self._restart()

    def _restart(self) -> None:
        self._stop()
        self._start()
        self.result.restarts += 1

    # -- findings ---------------------------------------------------------------------------------
    def _judge(self, batch: Batch) -> None:
        """Follow up the smallest script of the batch for each rule that is not found yet."""
        of_controls = self._new_rules(batch.controls)
        of_scripts = self._new_rules(order for order in batch.orders if order.steps)
        # What only scripts break is most likely theirs. What payments without one break as well
        # is first tried with none at all.
        self._follow_up([rule for rule in of_scripts if rule not in of_controls], batch)
        for rule in of_controls:
            self._without_script(rule, batch)
        found = self.result.found
        both = [rule for rule in of_scripts if rule in of_controls and rule not in found]
        self._follow_up(both, batch)

    def _new_rules(self, orders: Iterable[Judged]) -> list[str]:
        """Rules that some of the orders break, that are searched and not found yet."""
        broken = dict.fromkeys(rule for order in orders for rule in order.broken)
        return [rule for rule in broken if self._spec.seeks(rule) and rule not in self.result.found]

    def _follow_up(self, rules: Sequence[str], batch: Batch) -> None:
        """Minimise and reproduce the smallest scripts of a batch that break these rules.

        What earlier scripts left behind in the service may break a rule as well. It shows when what
        was minimised beside it is not reproduced on a chain that was started afresh: then it is
        minimised once more, on such a chain.
        """
        for rule in rules:
            smallest = min(batch.breaking(rule), key=lambda order: size(order.steps))
            self._keep(rule, smallest, batch)
        first = {rule: self.result.found[rule] for rule in rules}
        self._minimise(rules)
        misled = [rule for rule in rules if not self._reproduce(rule)]
        for rule in misled:
            self.result.found[rule] = first[rule]
        if misled:
            self._start_afresh()
            for rule in self._minimise(misled, proves=True):
                if not self._reproduce(rule):
                    self._doubt(rule)

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
        self._start_afresh()
        alone = self._run([], self._spec.batch)
        for source in (alone, batch):
            control = next((each for each in source.controls if rule in each.broken), None)
            if control is None:
                continue
            if source is alone:
                self._keep(rule, control, source, is_minimal=True)
                if not self._reproduce(rule):
                    self._doubt(rule)
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
        what = words_of(doubtful.steps) if doubtful.steps else "a payment without a script"
        self.result.doubtful.setdefault(rule, what)
        self.result.doing = ""

    def _minimise(self, rules: Sequence[str], *, proves: bool = False) -> list[str]:
        """Run all one-step-simpler variants in one batch, until none of them breaks the rule.

        It ends: each round replaces a script by one of a smaller `size`. `proves`: the scripts
        themselves are tried, too, and doubted when neither they nor a variant break the rule; the
        others are returned.
        """
        left = list(rules)  # whose scripts are not known to be minimal
        believed = dict.fromkeys(rules)
        while left and not self._is_late:
            tried = self._try_variants(left, proves=proves)
            for rule in left.copy():
                found = self.result.found[rule]
                broke = [
                    (order, batch)
                    for batch in tried
                    for order in batch.breaking(rule)
                    if size(order.steps) < size(found.steps)
                ]
                if broke:
                    self._keep(rule, *min(broke, key=lambda each: size(each[0].steps)))
                    continue
                left.remove(rule)
                steps = [order.steps for batch in tried for order in batch.breaking(rule)]
                if proves and found.steps not in steps:
                    self._doubt(rule)
                    del believed[rule]
                else:
                    self.result.found[rule] = replace(found, is_minimal=True)
            proves = False
        return list(believed)

    def _try_variants(self, rules: Iterable[str], *, proves: bool) -> list[Batch]:
        """Let some payments follow each variant of the scripts that break these rules."""
        variants: dict[Steps, None] = {}
        for rule in rules:
            steps = self.result.found[rule].steps
            # Without any step: the controls beside it did not break the rule.
            variants |= dict.fromkeys(filter(None, simpler(steps, self.choices)))
            variants |= {steps: None} if proves else {}
        at_once = MAX_BATCH // PAYMENTS_EACH
        wanted = list(variants)
        return [
            self._run(wanted[start : start + at_once] * PAYMENTS_EACH, self._spec.controls)
            for start in range(0, len(wanted), at_once)
        ]

    def _reproduce(self, rule: str) -> bool:
        """Let fresh payments follow it alone, on a chain that was started afresh.

        False: none of them broke the rule.
        """
        if self._is_late:
            return True
        found = self.result.found[rule]
        self.result.doing = f"reproducing {words_of(found.steps)}"
        # One script may break several rules.
        batch = self._alone.get(found.steps)
        if batch is None:
            self._start_afresh()
            batch = self._alone[found.steps] = self._now.run_alone(found.steps, REPRODUCTIONS)
            self._begun += batch.scripts
            self._count(batch)
        again = [order for order in batch.orders if rule in order.broken]
        if not again:
            return False
        self.result.found[rule] = replace(
            found,
            reproduced=len(again),
            stories=batch.stories[again[0].payment],
            finding=again[0].broken[rule],
        )
        self.result.doing = ""
        return True

    @property
    def _is_late(self) -> bool:
        return self._clock() - self._began_s >= self._spec.budget_s + MINIMISE_S
