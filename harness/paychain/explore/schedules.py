"""Fault schedules as Hypothesis draws them: at most four draws a fault, times on a coarse grid.

The shrinker takes a list's element away in one step only when it costs five choices or fewer, the
"one more?" included (`node_program` in Hypothesis' internal/conjecture/shrinker.py). So a fault is
a choice of what and where, a start, its windows and a magnitude, and nothing else. How long it
lasts and whether it comes back is one choice, a single window first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from paychain.faults.fault import Fault
from paychain.faults.kind import Search
from paychain.faults.kinds import KINDS
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.model.fault_checks import check_fault
from paychain.payments.errors import UserError, meant

SLOT_MS = 50
START_SLOTS = 40  # faults begin in the first two seconds
# Short ones are as likely as long ones: many outages are a short fault during a long one.
DURATIONS_MS = (50, 100, 200, 300, 500, 1_000, 1_500, 2_000, 2_500, 3_000)
TIMES = 3  # that a recurring fault is drawn with; minimising leaves two where they suffice
MAGNITUDE_SLOTS = 40
MAX_MAGNITUDE_MS = MAGNITUDE_SLOTS * SLOT_MS
MAX_FAULTS = 6  # of one schedule
AFTER_MS = 100  # of load after the last payment and the last heal
# The kinds that a search injects, simplest first: the shrinker prefers what comes first.
SEARCHED: dict[str, Search] = dict(
    sorted(
        ((name, search) for name, kind in KINDS.items() if (search := kind.facts.search)),
        key=lambda item: item[1].rank,
    )
)


@dataclass(frozen=True)
class Windows:
    """How long a fault lasts each time, how often it comes, and from one start to the next."""

    duration_ms: int
    times: int = 1
    every_ms: int = 0  # no effect where it comes once

    def __post_init__(self) -> None:
        assert self.times == 1 or self.duration_ms <= self.every_ms, f"windows overlap: {self}"

    @property
    def span_ms(self) -> int:
        """From its first start to its last end."""
        return self.duration_ms + (self.times - 1) * self.every_ms

    def longer(self, ms: int) -> Windows:
        """Each longer, with as much time between two of them."""
        every_ms = self.every_ms + ms if self.times > 1 else 0
        return Windows(self.duration_ms + ms, self.times, every_ms)


# What is drawn: a short and a long fault that comes back, soon or after a while.
RECURRING = tuple(
    Windows(duration_ms, TIMES, duration_ms + healthy_ms)
    for duration_ms in (100, 500)
    for healthy_ms in (200, 1_000)
)
WINDOWS = (*map(Windows, DURATIONS_MS), *RECURRING)


@dataclass(frozen=True)
class FaultChoice:
    """What a search may inject where: one kind of fault and one target."""

    kind: str
    target: tuple[str, str]  # ("link", "processor-a"), ("call", "gateway.authorise"), a provider
    has_magnitude: bool

    def __str__(self) -> str:
        """`lost_answer on link processor-a`."""
        return f"{self.kind} on {self.target[0]} {self.target[1]}"


@dataclass(frozen=True)
class ScheduledFault:
    """One fault of a schedule. Times in milliseconds; `start_ms` counts from the first payment."""

    choice: FaultChoice
    start_ms: int
    duration_ms: int  # of each window, where it recurs
    magnitude_ms: int  # no effect where the kind has no magnitude
    times: int = 1
    every_ms: int = 0  # from one start to the next, where it recurs

    @property
    def windows(self) -> Windows:
        """How long it lasts, and whether it comes back."""
        return Windows(self.duration_ms, self.times, self.every_ms)

    @property
    def ends_ms(self) -> int:
        """When it is over for the last time."""
        return self.start_ms + self.windows.span_ms

    def declare(self, number: int) -> dict[str, Any]:
        """Its declaration, as an experiment file has it."""
        where, name = self.choice.target
        again = {"every": f"{self.every_ms}ms", "times": self.times} if self.times > 1 else {}
        return {
            "id": f"f{number}",
            "at": f"{self.start_ms}ms",
            "for": f"{self.duration_ms}ms",
            **again,
            "target": {where: name},
            self.choice.kind: SEARCHED[self.choice.kind].parameters(self.magnitude_ms),
        }

    def with_duration(self, ms: int) -> ScheduledFault:
        """The same, for another number of milliseconds each time."""
        return replace(self, duration_ms=ms)

    def with_windows(self, windows: Windows) -> ScheduledFault:
        """The same in other windows."""
        return replace(
            self,
            duration_ms=windows.duration_ms,
            times=windows.times,
            every_ms=windows.every_ms,
        )

    def with_magnitude(self, ms: int) -> ScheduledFault:
        """The same with another magnitude, in milliseconds."""
        return replace(self, magnitude_ms=ms)

    def __str__(self) -> str:
        """`lost_answer on link processor-a at 0 ms for 50 ms, 3 times, every 250 ms`."""
        magnitude = f" of {self.magnitude_ms} ms" if self.choice.has_magnitude else ""
        again = f", {self.times} times, every {self.every_ms} ms" if self.times > 1 else ""
        return f"{self.choice}{magnitude} at {self.start_ms} ms for {self.duration_ms} ms{again}"


Schedule = tuple[ScheduledFault, ...]


def with_fault(schedule: Schedule, place: int, fault: ScheduledFault) -> Schedule:
    """The schedule with the fault at index `place` replaced."""
    return (*schedule[:place], fault, *schedule[place + 1 :])


def kind_rank(kind: str) -> int:
    """Where a kind stands among those that a search knows: 0 is the simplest."""
    return list(SEARCHED).index(kind)


def in_words(schedule: Schedule) -> str:
    """`lost_answer on link processor-a at 0 ms for 50 ms, …`."""
    return ", ".join(map(str, schedule)) or "no fault at all"


def fault_choices(
    chain: Chain, kinds: Sequence[str] = (), also_in: Chain | None = None
) -> list[FaultChoice]:
    """Every fault that can be injected into a chain, the simplest first; only some kinds if given.

    Without `kinds` those are left out that are injected on request only.

    `also_in`: only what can be injected into this chain as well.

    Raises UserError for a kind that is never searched, and when no link can have any of the kinds.
    """
    for name in kinds:
        if name not in SEARCHED:
            raise UserError(f"no fault kind '{name}' to explore", hint=meant(name, SEARCHED))
    calls = [f"{caller}.{name}" for caller, link in chain.links.items() for name in link.calls]
    choices: list[FaultChoice] = []
    for kind, search in _searched(kinds):
        targets = [("link", name) for name in chain.links]
        targets += [("call", name) for name in calls if search.on_calls]
        choices += _possible(chain, kind, targets, also_in)
    if not choices:
        raise UserError(f"no link of {chain.chain} can have {', '.join(kinds)}")
    return choices


def provider_choices(
    chain: Chain, kinds: Sequence[str] = (), also_in: Chain | None = None
) -> list[FaultChoice]:
    """Every fault that all links of a provider can have together, the simplest kinds first.

    Providers of a single link are left out: its own faults are the same. Nothing makes all links
    of a role fail together. `kinds`, `also_in`: as for `fault_choices`.
    """
    targets = [
        ("provider", provider)
        for provider in chain.providers
        if sum(provider in link.depends_on for link in chain.links.values()) > 1
    ]
    return [
        choice
        for kind, _ in _searched(kinds)
        for choice in _possible(chain, kind, targets, also_in)
    ]


def _searched(kinds: Sequence[str]) -> list[tuple[str, Search]]:
    """The kinds to inject, simplest first: those given, or all but those on request only."""
    return [
        (kind, search)
        for kind, search in SEARCHED.items()
        if (kind in kinds if kinds else not search.is_on_request)
    ]


def _possible(
    chain: Chain, kind: str, targets: Sequence[tuple[str, str]], also_in: Chain | None
) -> Iterator[FaultChoice]:
    for target in targets:
        choice = FaultChoice(kind, target, bool(SEARCHED[kind].magnitude))
        if _is_possible(chain, choice) and (also_in is None or _is_possible(also_in, choice)):
            yield choice


def _is_possible(chain: Chain, choice: FaultChoice) -> bool:
    """Whether an experiment may have this fault, as `paychain check` sees it."""
    declared = ScheduledFault(choice, 0, SLOT_MS, SLOT_MS).declare(1)
    return not check_fault(Fault.model_validate(declared), chain, ())


def fault_schedules(
    chain: Chain, *, max_faults: int = MAX_FAULTS, kinds: Sequence[str] = ()
) -> st.SearchStrategy[Schedule]:
    """A Hypothesis strategy of schedules of at most `max_faults` faults, for use with `@given`."""
    return schedules_of(fault_choices(chain, kinds), max_faults=max_faults)


def schedules_of(choices: Sequence[FaultChoice], *, max_faults: int) -> st.SearchStrategy[Schedule]:
    """A strategy of schedules of at most `max_faults` of these faults, the simplest kinds first."""
    fault = st.builds(
        _from_slots,
        st.sampled_from(choices),
        st.integers(0, START_SLOTS),
        st.sampled_from(WINDOWS),
        st.integers(1, MAGNITUDE_SLOTS),
    )
    return st.lists(fault, max_size=max_faults).map(tuple)


def _from_slots(
    choice: FaultChoice, start: int, windows: Windows, magnitude: int
) -> ScheduledFault:
    once = ScheduledFault(choice, start * SLOT_MS, windows.duration_ms, magnitude * SLOT_MS)
    return once.with_windows(windows)


def experiment_of(
    schedule: Schedule, *, name: str = "explored", payments: int, rate: int
) -> Experiment:
    """The experiment of a schedule: its payments, at `rate` per second, and its faults."""
    declared = declaration(schedule, name=name, payments=payments, rate=rate)
    return Experiment.model_validate(declared).with_ids()


def declaration(
    schedule: Schedule, *, name: str, payments: int, rate: int, title: str = ""
) -> dict[str, Any]:
    """The experiment's declaration, as a file has it: so many payments, at a rate per second.

    The traffic does not depend on the faults.
    """
    paying_ms = payments * 1000 // rate
    last_ms = max((fault.ends_ms for fault in schedule), default=0)
    after_ms = max(last_ms, paying_ms) + AFTER_MS - last_ms
    return {
        "experiment": name,
        **({"title": title} if title else {}),
        "load": {
            "arrivals": {
                "steps": [
                    {"at": "0s", "rate": f"{rate}/s"},
                    {"at": f"{paying_ms}ms", "rate": "0/s"},
                ]
            },
            "warm_up": "0s",
            "before": "0s",
            "after": f"{after_ms}ms",
        },
        "faults": [fault.declare(number) for number, fault in enumerate(schedule, 1)],
        "tolerances": {},  # what was found broke a money rule, unless a tolerance is searched for
    }
