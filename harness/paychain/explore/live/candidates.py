"""Which scripts are tried next: every single failure, what failures lead to, then any.

    known ─> single steps · a tried script + one step at what it leads to
          ─> the latter · two steps at what payments ask for · by chance any steps

`·`: in turns. All but the last are whole lists, tried from the simplest on. Every search therefore
comes across the same failures after about as many scripts: its seed only decides between scripts
that are as simple.

On several machines each part of a search has its share of the single steps and of the pairs, and
extends the scripts that it has tried itself: all parts together try what one search tries.

A script may make a service ask for something that it does not ask for otherwise: a refund, a second
provider. No single step meets anything there. One step more does. In the same way a decline leads
to a customer who pays again.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice
from random import Random

from paychain.explore.live.steps import EVENTS, Place, StepChoice, Steps, fits, in_order, size
from paychain.processes.part import WHOLE, Part

MAX_STEPS = 3  # of a drawn script: what takes more is rarely found by chance
REACHED_SHARE = 0.8  # of the draws by chance: a tried script, and a step at what it has led to
CUSTOMER_SHARE = 0.15  # of those steps: what the customer does
MAX_BASES = 16  # scripts that lead to the same, and are extended: the simplest
MAX_DRAWS = 1_000  # for a combination that was not tried before
MIN_CONTROLS = 4  # payments without a script: what one does may be due to a busy machine
CUSTOMERS_COST = 16  # what customers do comes after most failures of a request
BASE_COST = 3  # how many simpler kinds of a step the next script that leads to the same counts as
STEP_COST = 8  # the same for a script of one more failure
_Subject = tuple[Place, int]  # what a step can be at: the n-th request or webhook of a place
_Asked = frozenset[_Subject]


class Candidates:
    """The scripts of one search, in the order in which they are tried.

    `choices`: every step that the chain can have, the simplest first. `part`: of a search.
    """

    def __init__(
        self,
        choices: Sequence[StepChoice],
        known: Sequence[Steps],
        random: Random,
        part: Part = WHOLE,
    ) -> None:
        self._part = part
        self._choices = choices
        self._random = random
        self._at: defaultdict[_Subject, list[StepChoice]] = defaultdict(list)
        for step in choices:
            self._at[step.place, step.number].append(step)
        self._of_customers = [
            step for step in choices if step.is_customers and not step.follows_decline
        ]
        # How many kinds of a step are simpler at the same place: breadth before depth.
        self._cost = {step: cost for steps in self._at.values() for cost, step in enumerate(steps)}
        self._cost |= {step: CUSTOMERS_COST + cost for cost, step in enumerate(self._of_customers)}
        self._controls = 0
        self._asked_by_controls: Counter[_Subject] = Counter()
        self._asked: dict[Steps, Mapping[Place, int]] = {}  # under each script that was tried
        self._leading: defaultdict[_Subject, list[Steps]] = defaultdict(list)  # alone, to what
        self._groups: dict[_Asked, list[Steps]] = {}  # scripts tried, by what was requested
        self._seen = set(known)
        self._again: deque[Steps] = deque(known)
        self._drawn = self._draw()

    @property
    def knows_payments(self) -> bool:
        """Whether it knows what payments ask for where nothing fails."""
        return self._controls >= MIN_CONTROLS

    def next(self, number: int) -> list[Steps]:
        """The next scripts; only known ones until it is known what payments request."""
        again = [self._again.popleft() for _ in range(min(number, len(self._again)))]
        if not self.knows_payments:
            return again
        return [*again, *islice(self._drawn, number - len(again))]

    def put_back(self, scripts: Iterable[Steps]) -> None:
        """Try these next: they were started, and their outcome is not known."""
        self._again.extend(scripts)

    def learn(self, steps: Steps, asked: Mapping[Place, int]) -> None:
        """Note what was requested, and how often, when a payment followed these steps."""
        if not steps:
            self._controls += 1
            self._asked_by_controls.update(_subjects(asked))
        if len(steps) >= MAX_STEPS:
            return
        group = frozenset((place, min(number, EVENTS[-1])) for place, number in asked.items())
        _insert(self._groups.setdefault(group, []), steps)
        if not steps or steps in self._asked:
            return
        self._asked[steps] = asked
        for subject in _subjects(asked):
            if not self._is_expected(subject, steps):
                _insert(self._leading[subject], steps)

    def _is_usual(self, subject: _Subject) -> bool:
        """Whether most payments ask for it where nothing fails."""
        # Of a few the machine was too slow, or they were declined.
        return 2 * self._asked_by_controls[subject] > self._controls

    def _is_expected(self, subject: _Subject, steps: Steps) -> bool:
        """Whether payments ask for it without these steps, or with some of them alone."""
        place, number = subject
        fewer = [
            self._asked.get((*steps[:left], *steps[left + 1 :]), {}) for left in range(len(steps))
        ]
        return self._is_usual(subject) or any(asked.get(place, 0) >= number for asked in fewer)

    def _usual_steps(self) -> list[StepChoice]:
        """Every step that meets something in a payment where nothing else fails."""
        return [
            step
            for step in self._choices
            if (step.is_customers and not step.follows_decline)
            or self._is_usual((step.place, step.number))
        ]

    def _draw(self) -> Iterator[Steps]:
        singles, led, pairs = self._singles(), self._led(), self._pairs()
        while (steps := next(singles, None)) is not None:
            yield steps
            if further := next(led, ()):
                yield further
        while True:
            yield next(led) or self._unseen()
            yield next(led) or self._unseen()
            yield next(pairs, ()) or self._unseen()
            yield self._unseen()

    def _singles(self) -> Iterator[Steps]:
        """Each step alone."""
        yield from self._untried([(step,) for step in self._usual_steps()])

    def _pairs(self) -> Iterator[Steps]:
        """Each two steps that meet something by themselves."""
        yield from self._untried(list(combinations(self._usual_steps(), 2)))

    def _untried(self, scripts: Iterable[Steps]) -> Iterator[Steps]:
        """Those of this part: both lists are the same for all parts."""
        ours = (steps for steps in scripts if self._part == WHOLE or self._part.has(_text(steps)))
        return self._in_order((sum(map(self._cost.__getitem__, steps)), steps) for steps in ours)

    def _in_order(self, scripts: Iterable[tuple[int, Steps]]) -> Iterator[Steps]:
        """Scripts that can be and were not tried, by their costs."""
        ordered = [(cost, self._random.random(), steps) for cost, steps in scripts]
        for *_, steps in sorted(ordered, key=lambda each: each[:2]):
            tidy = in_order(steps)
            if fits(tidy) and tidy not in self._seen:
                self._seen.add(tidy)
                yield tidy

    def _led(self) -> Iterator[Steps]:
        """A tried script and one more step at what it alone leads to; () when there is none now.

        The simplest first: neither the first script that leads somewhere nor the first place is
        tried out before the others.
        """
        known = 0  # scripts whose courses the list is made of
        ordered: Iterator[Steps] = iter(())
        while True:
            if known != len(self._asked):
                known = len(self._asked)
                ordered = self._extensions()
            yield next(ordered, ())

    def _extensions(self) -> Iterator[Steps]:
        return self._in_order(
            (
                BASE_COST * number + STEP_COST * (_failures(base) - 1) + self._further(base, step),
                (*base, step),
            )
            for subject, bases in self._leading.items()
            if not self._is_usual(subject)
            for number, base in enumerate(bases)
            for step in self._at[subject]
        )

    def _further(self, base: Steps, step: StepChoice) -> int:
        """What one more step costs: nothing where the last failure lasts over a repeat."""
        return self._cost[step] if _failures((*base, step)) > _failures(base) else 0

    def _unseen(self) -> Steps:
        """A combination that was not tried; after many draws any."""
        for _ in range(MAX_DRAWS):
            steps = self._combination()
            if steps not in self._seen:
                break
        self._seen.add(steps)
        return steps

    def _combination(self) -> Steps:
        random = self._random
        while True:
            if self._groups and random.random() < REACHED_SHARE:
                steps = self._extended()
            else:
                number = random.randint(2, MAX_STEPS)
                steps = tuple(random.choice(self._choices) for _ in range(number))
            if steps and fits(steps):
                return in_order(steps)

    def _extended(self) -> Steps:
        """A tried script, and one more step at something that it has led to; () for none."""
        random = self._random
        asked = random.choice(list(self._groups))
        base = random.choice(self._groups[asked])
        if random.random() < CUSTOMER_SHARE and self._of_customers:
            return (*base, random.choice(self._of_customers))
        places = sorted((place, number) for place, most in asked for number in range(1, most + 1))
        steps = self._at[random.choice(places)] if places else []
        return (*base, random.choice(steps)) if steps else ()


def _subjects(asked: Mapping[Place, int]) -> Iterator[_Subject]:
    """What a step can be at: each request and each webhook, as far as they are numbered."""
    for place, most in asked.items():
        for number in range(1, min(most, EVENTS[-1]) + 1):
            yield place, number


def _failures(steps: Steps) -> int:
    """How many failures a script is made of: one that lasts over the caller's repeats is one."""
    return len({(step.place, step.name, step.ms) for step in steps})


def _insert(bases: list[Steps], steps: Steps) -> None:
    """Keep the simplest scripts, the simplest first."""
    if steps not in bases:
        bases.append(steps)
        bases.sort(key=size)
        del bases[MAX_BASES:]


def _text(steps: Steps) -> str:
    """What tells a script from others, the same on every machine."""
    return "; ".join(
        f"{' '.join(step.place)} {step.number}: {step.name} {step.ms}" for step in in_order(steps)
    )
