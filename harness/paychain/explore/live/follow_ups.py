"""From what an order has broken to the smallest script: minimised, then reproduced alone.

orders break rules ─> all simpler variants in one batch, until none breaks them ─> three times alone
                   ─> without a script, on a chain that was started afresh    not always? ─> a surer
                                                                              script as simple
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from paychain.explore.live.alone import Alone
from paychain.explore.live.chains import Chains
from paychain.explore.live.foresight import Foresight
from paychain.explore.live.gentleness import FULL, GENTLE, GENTLEST, LEVELS, Gentleness
from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.result import (
    FoundScript,
    LiveResult,
    LiveSpec,
    words_of,
)
from paychain.explore.live.steps import StepChoice, Steps, simpler, size
from paychain.explore.live.surer import may_be_surer, surer

# Of each variant while minimising: a payment may be declined for its own reasons, and then shows
# nothing.
PAYMENTS_EACH = 3


class RunBatch(Protocol):
    """Runs a batch to its end, or until it is enough. Unless `is_quiet`, the search goes on."""

    def __call__(
        self,
        scripts: Sequence[Steps],
        controls: int = 0,
        *,
        is_quiet: bool = False,
        is_enough: Callable[[Batch], bool] = lambda _: False,
        begun: Batch | None = None,
    ) -> Batch:
        """What became of it: a control is an order without a script.

        `begun`: that batch, if it has begun before.
        """


class FollowUps:
    """Follows up what a search comes across; `result` gets what it makes of it.

    `begin`: how a batch is begun, `run`: how it is run to its end. `on_alone` gets each batch that
    reproduces something. `is_late`: no time is left to follow anything up.
    """

    def __init__(
        self,
        spec: LiveSpec,
        result: LiveResult,
        chains: Chains,
        choices: Sequence[StepChoice],
        *,
        begin: Callable[[Sequence[Steps], int], Batch],
        run: RunBatch,
        on_alone: Callable[[Batch], None],
        is_late: Callable[[], bool],
    ) -> None:
        self._spec, self._result, self._chains, self._choices = spec, result, chains, choices
        self._run, self._is_late = run, is_late
        self._alone = Alone(chains, on_alone=on_alone, is_late=is_late)
        self._broken_without: defaultdict[str, set[str]] = defaultdict(set)  # payments, by rule
        self._suspects: defaultdict[str, dict[Steps, None]] = defaultdict(dict)  # by rule
        self._foresight = Foresight(
            spec,
            chains,
            begin=begin,
            variants=lambda steps: list(self._variants([steps])) * PAYMENTS_EACH,
        )

    def judge(self, batches: Sequence[Batch]) -> None:
        """Follow up the smallest script of the batches for each rule that is not found yet."""
        of_controls = self.new_rules(order for batch in batches for order in batch.controls)
        of_scripts = self.new_rules(
            order for batch in batches for order in batch.orders if order.steps
        )
        # What only scripts break is most likely theirs. What payments without one break as well
        # is first tried with none at all.
        self.follow_up([rule for rule in of_scripts if rule not in of_controls], batches)
        for rule in of_controls:
            self._without_script(rule, batches)
        found = self._result.found
        both = [rule for rule in of_scripts if rule in of_controls and rule not in found]
        self.follow_up(both, batches)

    def new_rules(self, orders: Iterable[Judged]) -> list[str]:
        """Rules that some of the orders break, that are searched and not found yet."""
        broken = dict.fromkeys(rule for order in orders for rule in order.broken)
        return list(filter(self.is_new, broken))

    def follow_up(self, rules: Sequence[str], batches: Sequence[Batch]) -> None:
        """Minimise and reproduce the smallest scripts of some batches that break these rules.

        What earlier scripts left behind in the service may break a rule as well, or that it cannot
        settle in time what fails in so many payments. It shows when what was minimised beside them
        is not reproduced on a chain that was started afresh. Then all scripts that broke the rule
        are suspected: the simplest that breaks it again on such a chain, among few that fail, is
        minimised there.
        """
        for rule in rules:
            broke = [(order, batch) for batch in batches for order in batch.breaking(rule)]
            self.keep(rule, *min(broke, key=lambda each: size(each[0].steps)))
        misled = [rule for rule in self._minimise(rules) if not self._reproduce(rule)]
        if self._is_late():
            for rule in misled:
                self.doubt(rule)
        elif misled:
            self.start_afresh()
            for rule in self._minimise(self._confirmed(misled), GENTLE):
                if not self._reproduce(rule):
                    self.doubt(rule)

    def foresee(self) -> bool:
        """Begin to minimise what looks wrong, if anything new does; whether a batch has begun."""
        return self._foresight.begin(self.is_new)

    def is_new(self, rule: str) -> bool:
        """Whether a rule is searched and not found yet."""
        return self._spec.seeks(rule) and rule not in self._result.found

    def note(self, order: Judged) -> None:
        """An order is judged: remember which rules its script broke."""
        self._foresight.note(order)
        for rule in order.broken if order.steps else ():
            self._suspects[rule][order.steps] = None

    def _confirmed(self, rules: Sequence[str]) -> list[str]:
        """The rules that one of the scripts that broke them breaks again, on a quiet chain."""
        suspects = {
            rule: sorted(self._suspects[rule], key=size)[: GENTLE.payments // PAYMENTS_EACH]
            for rule in rules
        }
        scripts = list(dict.fromkeys(steps for each in suspects.values() for steps in each))
        batch = self._run(
            scripts * PAYMENTS_EACH, self._controls(len(scripts), GENTLE), is_quiet=True
        )
        for rule in rules:
            broke = batch.breaking(rule)
            if broke:
                self._exchange(rule, min(broke, key=lambda order: size(order.steps)), batch)
            else:
                self.doubt(rule)
        return [rule for rule in rules if rule in self._result.found]

    def keep(self, rule: str, order: Judged, batch: Batch, *, is_minimal: bool = False) -> None:
        """Keep the smallest script so far: what Ctrl-C leaves."""
        before = self._result.found.get(rule)
        assert before is None or batch.outage or size(order.steps) < size(before.steps)
        self._result.found[rule] = FoundScript(
            rule=rule,
            steps=order.steps,
            finding=order.broken[rule],
            at_script=before.at_script if before is not None else self._result.scripts,
            stories=batch.stories[order.payment],
            outage=batch.outage,
            is_minimal=is_minimal,
        )
        self._result.doing = f"minimising {self._result.found[rule].words}"

    def _without_script(self, rule: str, batches: Sequence[Batch]) -> None:
        """A payment without a script broke a rule: does it, too, where nothing fails at all?

        It is asked once. What breaks now and then, on a busy machine, say, must not take all the
        time that there is for scripts.
        """
        broke = self._broken_without[rule]
        is_first = not broke
        broke |= {
            each.payment for batch in batches for each in batch.controls if rule in each.broken
        }
        if not is_first:
            self._result.coupled[rule] = len(broke)
            return
        self._result.doing = "paying without any script"
        self.start_afresh()
        alone = self._run([], self._chains.scripts_at_once, is_quiet=True)
        control = next((each for each in alone.controls if rule in each.broken), None)
        if control is not None:
            self.keep(rule, control, alone, is_minimal=True)
            if not self._reproduce(rule):
                self.doubt(rule)
            return
        self._result.coupled[rule] = len(broke)

    def start_afresh(self) -> None:
        """Start the chain afresh, unless it is too late."""
        if not self._is_late():
            self._chains.start_afresh()

    def doubt(self, rule: str) -> None:
        """A script broke a rule once, and not on a chain that was started afresh."""
        doubtful = self._result.found.pop(rule)
        is_nothing = not doubtful.steps and doubtful.outage is None
        what = "a payment without a script" if is_nothing else doubtful.words
        self._result.doubtful.setdefault(rule, what)
        self._result.doing = ""

    def _minimise(self, rules: Sequence[str], gentleness: Gentleness = FULL) -> list[str]:
        """Run all one-step-simpler variants in one batch, until none of them breaks the rule.

        It ends: each round replaces a script by one of a smaller `size`. The script itself is tried
        beside its variants: where most of its payments do not break the rule either, the variants
        show nothing, because a breaker has opened, say. They are then tried again on a chain that
        was started afresh, more gently. The rules whose scripts break them then are returned, the
        others are doubted.
        """
        left = list(rules)  # whose scripts are not known to be minimal
        believed = dict.fromkeys(rules)
        while left and not self._is_late():
            scripts = {rule: self._result.found[rule].steps for rule in left}
            tried = self._try_variants(scripts, gentleness)
            is_open = any(map(self._chains.now.has_stirred, tried))
            unclear = []
            for rule in left.copy():
                found = self._result.found[rule]
                smaller = [
                    (order, batch)
                    for batch in tried
                    for order in batch.breaking(rule)
                    if size(order.steps) < size(found.steps)
                ]
                if smaller:
                    self.keep(rule, *min(smaller, key=lambda each: size(each[0].steps)))
                elif not is_open and all(
                    _tells(batch, rule, scripts, gentleness) for batch in tried
                ):
                    left.remove(rule)
                    self._result.found[rule] = replace(found, is_minimal=True)
                else:
                    unclear.append(rule)
            if not unclear or self._is_late():
                continue
            if gentleness is not GENTLEST:
                gentleness = LEVELS[LEVELS.index(gentleness) + 1]
                self.start_afresh()
                continue
            for rule in unclear:
                left.remove(rule)
                del believed[rule]
                self.doubt(rule)
        return list(believed)

    def _try_variants(self, rules: Mapping[str, Steps], gentleness: Gentleness) -> list[Batch]:
        """Let some payments follow each variant of the scripts that break these rules.

        The scripts themselves are followed as well, in every batch.
        """
        found = dict.fromkeys(rules.values())
        wanted = list(self._variants(found))[len(found) :]
        at_once = max(1, gentleness.payments // PAYMENTS_EACH - len(found))
        batches: list[Batch] = []

        def is_enough(batch: Batch) -> bool:
            """Each rule is broken by something simpler, or by nothing but the scripts themselves.

            These broke it when the service had settled what it could: they need not settle again.
            """
            is_decided = batch.is_decided(rules) and not self._chains.now.has_stirred(batch)
            return is_decided or is_simplified(batch)

        def is_simplified(batch: Batch) -> bool:
            return all(self._is_simplified(rule, [*batches, batch]) for rule in rules)

        for start in range(0, max(1, len(wanted)), at_once):
            scripts = [*found, *wanted[start : start + at_once]] * PAYMENTS_EACH
            controls = self._controls(len(scripts), gentleness)
            is_quiet = gentleness is not FULL
            begun = None if is_quiet else self._foresight.begun(scripts)
            batches.append(
                self._run(scripts, controls, is_quiet=is_quiet, is_enough=is_enough, begun=begun)
            )
            if is_simplified(batches[-1]):
                break
        return batches

    def _variants(self, scripts: Iterable[Steps]) -> dict[Steps, None]:
        """Some scripts, and every variant of one that is one step simpler."""
        variants = dict.fromkeys(scripts)
        for steps in list(variants):
            # Without any step: the controls beside it did not break the rule.
            variants |= dict.fromkeys(filter(None, simpler(steps, self._choices)))
        return variants

    def _controls(self, scripts: int, gentleness: Gentleness) -> int:
        """How many payments without a script are beside so many with one."""
        each = gentleness.controls
        return self._spec.controls if each is None else each * scripts

    def _is_simplified(self, rule: str, batches: Iterable[Batch]) -> bool:
        """Whether something simpler breaks a rule, too."""
        smallest = size(self._result.found[rule].steps)
        broke = (order for batch in batches for order in batch.breaking(rule))
        return any(size(order.steps) < smallest for order in broke)

    def _reproduce(self, rule: str) -> bool:
        """Let fresh payments follow it alone, on a chain that was started afresh.

        Where not all of them break the rule (two requests have to meet, say), a script that is as
        short and surer is preferred, if there is one. False: none of them broke the rule.
        """
        if self._is_late():
            return True
        steps = self._result.found[rule].steps
        self._result.doing = f"reproducing {words_of(steps)}"
        try:
            self._alone.follow(steps, rule)
            if self._alone.breaking(steps, rule) and not self._alone.is_sure(steps, rule):
                self._prefer_surer(rule)
        finally:  # Ctrl-C leaves that it was tried
            self._note_reproduced(rule)
        return self._result.found[rule].reproduced != 0  # None: no time was left to try it

    def _prefer_surer(self, rule: str) -> None:
        """Of the scripts with as many steps, the simplest that always breaks the rule.

        Those that broke it are tried, and those that let meet by a step what else meets by chance.
        The first that is minimal and reproduced replaces one that breaks the rule now and then.
        """
        unsure = self._result.found[rule].steps
        most = GENTLE.payments // PAYMENTS_EACH
        others = may_be_surer(unsure, self._suspects[rule], self._choices, most)
        if not others or self._is_late():
            return
        self._result.doing = f"looking for a script that always breaks {rule}"
        self.start_afresh()
        controls = self._controls(len(others), GENTLE)
        batch = self._run(others * PAYMENTS_EACH, controls, is_quiet=True)
        for order in surer(batch, rule, others, unsure, self._choices):
            if self._has_replaced(rule, order, batch):
                return

    def _has_replaced(self, rule: str, order: Judged, batch: Batch) -> bool:
        """Put the script of an order in the place of an unsure one, if it is surer."""
        unsure, doubtful = self._result.found[rule], dict(self._result.doubtful)
        is_surer = False
        try:
            self._exchange(rule, order, batch)
            if self._minimise([rule], GENTLE) and self._result.found[rule].is_minimal:
                steps = self._result.found[rule].steps
                self._alone.follow(steps, rule)
                is_surer = self._alone.is_sure(steps, rule)
        finally:  # Ctrl-C leaves what was there before
            if not is_surer:
                self._result.found[rule] = unsure
                self._result.doubtful = doubtful
        return is_surer

    def _exchange(self, rule: str, order: Judged, batch: Batch) -> None:
        """Keep the script of an order in the place of another, whatever their sizes."""
        before = self._result.found.pop(rule)
        self.keep(rule, order, batch)
        self._result.found[rule] = replace(self._result.found[rule], at_script=before.at_script)

    def _note_reproduced(self, rule: str) -> None:
        """Note how many payments that followed it alone broke the rule."""
        found = self._result.found[rule]
        tried = self._alone.number(found.steps) or self._alone.in_vain(found.steps)
        again = self._alone.breaking(found.steps, rule)
        self._result.doing = ""
        if not tried:
            return
        found = replace(found, reproduced=len(again), alone=tried)
        if again:
            order, batch = again[0]
            found = replace(found, stories=batch.stories[order.payment], finding=order.broken[rule])
        self._result.found[rule] = found


def _tells(batch: Batch, rule: str, scripts: Mapping[str, Steps], gentleness: Gentleness) -> bool:
    """Whether simpler scripts that broke nothing in a batch can be believed.

    Most payments of the rule's own script must break it there, or be about to. In the gentlest
    batch one of them is enough: some are declined for reasons of their own.
    """
    steps = scripts[rule]
    broke = sum(order.steps == steps for order in batch.breaking(rule))
    broke += sum(each == steps and rule in rules for each, rules in batch.suspects.values())
    enough = 1 if gentleness is GENTLEST else PAYMENTS_EACH // 2 + 1
    return batch.is_decided(scripts) and broke >= enough
