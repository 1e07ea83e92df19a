"""The search: batches of scripts on a running chain, and from a failing script to the smallest.

known scripts, single steps, then combinations ─> batch, batch, … ─> orders break rules
    ─> minimise: all simpler variants in one batch, until none breaks them ─> three times alone

Batches overlap: while the orders of one come to rest, those of the next ones are paid.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from random import Random

from paychain.explore.live.batch import Batch, Judged
from paychain.explore.live.candidates import Candidates
from paychain.explore.live.chains import Chains, OpenChain
from paychain.explore.live.outages import Outage, outage_choices, simpler_outages
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

MINIMISE_S = 45.0  # what is found in the budget's last moment may be minimised for so long
# Of each variant while minimising: a payment may be declined for its own reasons, and then shows
# nothing.
PAYMENTS_EACH = 3
GENTLE_BATCH = 48  # payments with a script, where breakers have to stay closed
GENTLE_CONTROLS = 2  # payments without a script for each of them: most breakers open at a half
OUTAGE_PAYMENTS = 32  # that meet an outage while it is minimised: not each is hit in the middle


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
        self._spec = spec
        self._on_progress, self._clock = on_progress, clock
        self._random = Random(spec.seed)  # noqa: S311  (seeded)
        self._candidates = Candidates(self.choices, known, self._random)
        self._outages = outage_choices(chain) if spec.outage_share else []
        self._plain_batches = 0  # that were begun, without an outage
        self._breaking: list[Batch] = []  # in which orders break rules that nobody followed up
        self._alone: dict[Steps, Batch] = {}  # what was tried to reproduce
        self._begun = 0  # scripts, as far as they were not left
        self._interrupted: set[Steps] = set()  # scripts that were left when their chain was stopped
        self._chains = Chains(
            chain, spec, open_chain, self.result, on_judged=self._note, on_left=self._try_again
        )
        self._began_s = clock()

    def run(self) -> LiveResult:
        """Search until the budget is spent, every rule is broken, or Ctrl-C. Raises UserError."""
        result, chains = self.result, self._chains
        try:
            chains.start()
            self._began_s = self._clock()  # what is searched is not the start of the chain
            while not self._is_late and (self._begin() or chains.now.in_flight or chains.ended):
                chains.look()
                self._take_up()
                self._report()
        except KeyboardInterrupt:
            result.was_interrupted = True
        finally:
            chains.stop()
            result.took_s = self._clock() - self._began_s
        return result

    # -- batches ----------------------------------------------------------------------------------
    @property
    def _is_spent(self) -> bool:
        most = self._spec.max_scripts
        is_counted = most is not None and self._begun >= most
        return is_counted or self._clock() - self._began_s >= self._spec.budget_s

    def _begin(self) -> bool:
        """Begin the next batch, if it is time for one; whether there is more to begin."""
        if self._is_spent:
            return False
        if self._is_outage_due:
            self._try_outage()
        else:
            self._begin_scripts()
        return True

    def _begin_scripts(self) -> None:
        number, controls = self._spec.batch, self._spec.controls
        if self._spec.max_scripts is not None:
            number = min(number, self._spec.max_scripts - self._begun)
        if self._chains.has_room(number + controls):
            scripts = self._candidates.next(number)
            if not scripts:
                return  # not before it is known what payments ask for
            self._begun += len(scripts)
            self._chains.now.begin(scripts, controls)
            self._plain_batches += 1

    def _try_again(self, scripts: Sequence[Steps]) -> None:
        """Try what was left once more, but only once: a service that dies of it dies again."""
        self._begun -= len(scripts)
        self._candidates.put_back(steps for steps in scripts if steps not in self._interrupted)
        self._interrupted |= set(scripts)

    def _take_up(self) -> None:
        """See what became of batches that have ended, and follow up what orders have broken."""
        while self._breaking or self._chains.ended:
            # The other orders of its batch may take much longer.
            while self._breaking:
                breaking, self._breaking = self._breaking, []
                self._judge(breaking)
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
    ) -> Batch:
        """Run a batch to its end, or until it is enough. Unless `is_quiet`, the search goes on."""
        chains = self._chains
        self._begun += len(scripts)
        batch, batches = chains.now.begin(scripts, controls), chains.now
        # Of a service that died, what was judged until then.
        while not batch.is_whole and chains.now is batches and not is_enough(batch):
            if not is_quiet and not self._is_spent:
                self._begin_scripts()
            chains.look()
        chains.ended = deque(ended for ended in chains.ended if ended is not batch)
        self._count(batch)
        return batch

    def _note(self, order: Judged, batch: Batch) -> None:
        """Count an order, and know what its script has led to."""
        result = self.result
        if batch.outage is not None:  # what it led to is the outage's
            result.scripts += 1
            result.met += 1
            return
        if order.steps:
            result.scripts += 1
            result.met += bool(order.met) or any(step.is_customers for step in order.steps)
        else:
            result.controls += 1
            result.controls_s.append(order.took_s)
        self._candidates.learn(order.steps, order.asked)
        if self._new_rules([order]) and batch not in self._breaking:
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

    # -- outages ----------------------------------------------------------------------------------
    @property
    def _is_outage_due(self) -> bool:
        """Whether the next batch is one of the declared share."""
        result = self.result
        due = self._spec.outage_share * (result.outages + self._plain_batches)
        return bool(self._outages) and self._plain_batches > 0 and result.outages < int(due)

    def _try_outage(self) -> None:
        """Half of the payments of a batch follow a script, and all of them meet an outage."""
        outage = self._random.choice(self._outages)
        half = max(1, self._spec.batch // 2)
        scripts = self._candidates.next(half)
        self._begun += 2 * half
        batch = self._through(outage, [each for steps in scripts for each in (steps, ())])
        for rule in self._new_rules(batch.orders):
            smallest = _smallest(rule, batch)
            if smallest.steps:
                without = self._run([smallest.steps] * PAYMENTS_EACH, self._spec.controls)
                if without.breaking(rule):  # the script is enough
                    self._follow_up([rule], [without])
                    continue
            self._keep(rule, smallest, batch)
            self._minimise_outage(rule)
            self._reproduce_outage(rule)

    def _through(self, outage: Outage, scripts: Sequence[Steps]) -> Batch:
        self.result.doing = f"paying while {outage}"
        batch = self._chains.now.run_through(outage, scripts)
        self.result.outages += 1
        self._count(batch)
        return batch

    def _minimise_outage(self, rule: str) -> None:
        """Without a script, then with a simpler outage at the same link, while the rule breaks."""
        while not self._is_late:
            found = self.result.found[rule]
            assert found.outage is not None, "it was found with one"
            tried: list[tuple[Outage, Steps]] = [(found.outage, ())] if found.steps else []
            tried += [
                (outage, found.steps) for outage in simpler_outages(found.outage, self._outages)
            ]
            for outage, steps in tried:
                batch = self._through(outage, [steps] * OUTAGE_PAYMENTS)
                if any(rule in order.broken for order in batch.orders):
                    self._keep(rule, _smallest(rule, batch), batch)
                    break
            else:
                self.result.found[rule] = replace(found, is_minimal=True)
                return

    def _reproduce_outage(self, rule: str) -> None:
        """Let fresh payments meet it, on a chain that was started afresh, three times."""
        if self._is_late:
            return
        self._start_afresh()
        found = self.result.found[rule]
        assert found.outage is not None, "it was found with one"
        batches = [
            self._through(found.outage, [found.steps] * OUTAGE_PAYMENTS)
            for _ in range(REPRODUCTIONS)
        ]
        again = sum(any(rule in order.broken for order in batch.orders) for batch in batches)
        if again:
            self.result.found[rule] = replace(found, reproduced=again)
            self.result.doing = ""
        else:
            self._doubt(rule)

    # -- findings ---------------------------------------------------------------------------------
    def _judge(self, batches: Sequence[Batch]) -> None:
        """Follow up the smallest script of the batches for each rule that is not found yet."""
        of_controls = self._new_rules(order for batch in batches for order in batch.controls)
        of_scripts = self._new_rules(
            order for batch in batches for order in batch.orders if order.steps
        )
        # What only scripts break is most likely theirs. What payments without one break as well
        # is first tried with none at all.
        self._follow_up([rule for rule in of_scripts if rule not in of_controls], batches)
        for rule in of_controls:
            self._without_script(rule, batches)
        found = self.result.found
        both = [rule for rule in of_scripts if rule in of_controls and rule not in found]
        self._follow_up(both, batches)

    def _new_rules(self, orders: Iterable[Judged]) -> list[str]:
        """Rules that some of the orders break, that are searched and not found yet."""
        broken = dict.fromkeys(rule for order in orders for rule in order.broken)
        return [rule for rule in broken if self._spec.seeks(rule) and rule not in self.result.found]

    def _follow_up(self, rules: Sequence[str], batches: Sequence[Batch]) -> None:
        """Minimise and reproduce the smallest scripts of some batches that break these rules.

        What earlier scripts left behind in the service may break a rule as well. It shows when what
        was minimised beside it is not reproduced on a chain that was started afresh: then it is
        minimised once more, on such a chain.
        """
        for rule in rules:
            broke = [(order, batch) for batch in batches for order in batch.breaking(rule)]
            self._keep(rule, *min(broke, key=lambda each: size(each[0].steps)))
        first = {rule: self.result.found[rule] for rule in rules}
        misled = [rule for rule in self._minimise(rules) if not self._reproduce(rule)]
        for rule in misled:
            self.result.found[rule] = first[rule]
        if misled:
            self._start_afresh()
            for rule in self._minimise(misled):
                if not self._reproduce(rule):
                    self._doubt(rule)

    def _keep(self, rule: str, order: Judged, batch: Batch, *, is_minimal: bool = False) -> None:
        """Keep the smallest script so far: what Ctrl-C leaves."""
        before = self.result.found.get(rule)
        assert before is None or batch.outage or size(order.steps) < size(before.steps)
        self.result.found[rule] = FoundScript(
            rule=rule,
            steps=order.steps,
            finding=order.broken[rule],
            at_script=before.at_script if before is not None else self.result.scripts,
            stories=batch.stories[order.payment],
            outage=batch.outage,
            is_minimal=is_minimal,
        )
        self.result.doing = f"minimising {self.result.found[rule].words}"

    def _without_script(self, rule: str, batches: Sequence[Batch]) -> None:
        """A payment without a script broke a rule: does it, too, where nothing fails at all?"""
        self.result.doing = "paying without any script"
        self._start_afresh()
        alone = self._run([], self._spec.batch, is_quiet=True)
        control = next((each for each in alone.controls if rule in each.broken), None)
        if control is not None:
            self._keep(rule, control, alone, is_minimal=True)
            if not self._reproduce(rule):
                self._doubt(rule)
            return
        number = sum(rule in each.broken for batch in batches for each in batch.controls)
        self.result.coupled[rule] = self.result.coupled.get(rule, 0) + number

    def _start_afresh(self) -> None:
        if not self._is_late:
            self._chains.start_afresh()

    def _doubt(self, rule: str) -> None:
        """A script broke a rule once, and not on a chain that was started afresh."""
        doubtful = self.result.found.pop(rule)
        is_nothing = not doubtful.steps and doubtful.outage is None
        what = "a payment without a script" if is_nothing else doubtful.words
        self.result.doubtful.setdefault(rule, what)
        self.result.doing = ""

    def _minimise(self, rules: Sequence[str]) -> list[str]:
        """Run all one-step-simpler variants in one batch, until none of them breaks the rule.

        It ends: each round replaces a script by one of a smaller `size`. The script itself is tried
        beside its variants: where it does not break the rule either, they show nothing, because a
        breaker has opened, say. They are then tried once more on a chain that was started afresh,
        among so many payments without a script that breakers stay closed. The rules whose scripts
        break them then are returned, the others are doubted.
        """
        left = list(rules)  # whose scripts are not known to be minimal
        believed = dict.fromkeys(rules)
        is_gentle = False
        while left and not self._is_late:
            tried = self._try_variants(left, is_gentle=is_gentle)
            unclear = []
            for rule in left.copy():
                found = self.result.found[rule]
                smaller = [
                    (order, batch)
                    for batch in tried
                    for order in batch.breaking(rule)
                    if size(order.steps) < size(found.steps)
                ]
                if smaller:
                    self._keep(rule, *min(smaller, key=lambda each: size(each[0].steps)))
                elif tried and all(
                    any(order.steps == found.steps for order in batch.breaking(rule))
                    for batch in tried
                ):
                    left.remove(rule)
                    self.result.found[rule] = replace(found, is_minimal=True)
                else:
                    unclear.append(rule)
            if not unclear:
                continue
            if not is_gentle:
                is_gentle = True
                self._start_afresh()
                continue
            for rule in unclear:
                left.remove(rule)
                del believed[rule]
                self._doubt(rule)
        return list(believed)

    def _try_variants(self, rules: Collection[str], *, is_gentle: bool) -> list[Batch]:
        """Let some payments follow each variant of the scripts that break these rules.

        The scripts themselves are followed as well, in every batch.
        """
        found = dict.fromkeys(self.result.found[rule].steps for rule in rules)
        variants: dict[Steps, None] = {}
        for steps in found:
            # Without any step: the controls beside it did not break the rule.
            variants |= dict.fromkeys(filter(None, simpler(steps, self.choices)))
        wanted = [steps for steps in variants if steps not in found]
        at_once = max(1, (GENTLE_BATCH if is_gentle else MAX_BATCH) // PAYMENTS_EACH - len(found))
        batches: list[Batch] = []

        def is_enough(batch: Batch) -> bool:
            """Each rule is broken by something simpler: the others need not be waited for."""
            return all(self._is_simplified(rule, [*batches, batch]) for rule in rules)

        for start in range(0, max(1, len(wanted)), at_once):
            scripts = [*found, *wanted[start : start + at_once]] * PAYMENTS_EACH
            controls = GENTLE_CONTROLS * len(scripts) if is_gentle else self._spec.controls
            batches.append(self._run(scripts, controls, is_quiet=is_gentle, is_enough=is_enough))
            if is_enough(batches[-1]):
                break
        return batches

    def _is_simplified(self, rule: str, batches: Iterable[Batch]) -> bool:
        """Whether something simpler breaks a rule, too."""
        smallest = size(self.result.found[rule].steps)
        broke = (order for batch in batches for order in batch.breaking(rule))
        return any(size(order.steps) < smallest for order in broke)

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
            batch = self._alone[found.steps] = self._chains.now.run_alone(
                found.steps, REPRODUCTIONS
            )
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


def _smallest(rule: str, batch: Batch) -> Judged:
    """Of the orders of a batch that break a rule the one with the simplest script, if any."""
    broke = [order for order in batch.orders if rule in order.broken]
    return min(broke, key=lambda order: size(order.steps))
