"""Which scripts are tried next: what was known, single steps, then steps at what scripts reach.

    known ─> each single step ─> a script that was tried + one step at a request that it led to
                                 └ by chance any steps: what nobody has reached yet

A script that makes a service ask for something else than before (a refund, a second provider) leads
to requests that no fault-free payment makes. Scripts are therefore grouped by what was asked for
under them, and each group is drawn from as often, however few scripts it has.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from random import Random

from paychain.explore.live.steps import EVENTS, Place, Step, Steps, fits, size

MAX_STEPS = 3  # of a drawn script: what takes more is rarely found by chance
REACHED_SHARE = 0.8  # of the combinations: a tried script, and a step at what it has led to
CUSTOMER_SHARE = 0.15  # of those steps: what the customer does
MAX_BASES = 16  # scripts of a group that are extended: the simplest
MAX_DRAWS = 1_000  # for a combination that was not tried before
_Asked = frozenset[tuple[Place, int]]


class Candidates:
    """The scripts of one search, in the order in which they are tried. There is always one more.

    `choices`: every step that the chain can have, the simplest first.
    """

    def __init__(self, choices: Sequence[Step], known: Sequence[Steps], random: Random) -> None:
        self._choices = choices
        self._at: defaultdict[tuple[Place, int], list[Step]] = defaultdict(list)
        for step in choices:
            self._at[step.place, step.number].append(step)
        self._of_customers = [step for step in choices if step.is_customers]
        self._random = random
        self._usual: Counter[Place] = Counter()  # what is asked for where nothing fails, how often
        self._groups: dict[_Asked, list[Steps]] = {}  # what was tried, by what was asked for
        self._seen = set(known)
        self._again: deque[Steps] = deque()
        self._drawn = self._draw(known)

    def next(self, number: int) -> list[Steps]:
        """The next scripts."""
        again = [self._again.popleft() for _ in range(min(number, len(self._again)))]
        return [*again, *islice(self._drawn, number - len(again))]

    def put_back(self, scripts: Iterable[Steps]) -> None:
        """Try these next: they were begun, and nobody knows what became of them."""
        self._again.extend(scripts)

    def learn(self, steps: Steps, asked: Mapping[Place, int]) -> None:
        """Know what was asked for, and how often, when a payment followed these steps."""
        if not steps:
            self._usual |= Counter(asked)
        if len(steps) >= MAX_STEPS:
            return
        group = frozenset((place, min(number, EVENTS[-1])) for place, number in asked.items())
        bases = self._groups.setdefault(group, [])
        if steps not in bases:
            bases.append(steps)
            bases.sort(key=size)
            del bases[MAX_BASES:]

    def _draw(self, known: Sequence[Steps]) -> Iterator[Steps]:
        yield from known
        for step in self._choices:
            # Alone it would meet nothing, as far as that is known by now.
            is_usual = (
                step.is_customers or not self._usual or self._usual[step.place] >= step.number
            )
            if is_usual and (step,) not in self._seen:
                self._seen.add((step,))
                yield (step,)
        while True:
            yield self._unseen()

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
                return tuple(sorted(steps, key=lambda step: (step.place, step.number)))

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
