"""Fault schedules as Hypothesis draws them: at most four draws a fault, times on a coarse grid.

The shrinker takes a list's element away in one step only when it costs five choices or fewer, the
"one more?" included (foundations.md §3a). So a fault is a choice of what and where, a start, a
duration and a magnitude, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from harness.model.chain import Chain, Link
from harness.model.experiment import Experiment
from harness.model.fault import PAYMENT_KINDS
from harness.payments.errors import UserError, meant

SLOT_MS = 50
START_SLOTS = 40  # faults begin in the first two seconds
# Short ones are as likely as long ones: many an outage is a short fault in the midst of a long one.
DURATIONS_MS = (50, 100, 200, 300, 500, 1_000, 1_500, 2_000, 2_500, 3_000)
MAGNITUDE_SLOTS = 40
LARGEST_MS = MAGNITUDE_SLOTS * SLOT_MS
MOST_FAULTS = 6
AFTER_MS = 100  # of load after the last payment and the last heal
Parameters = Callable[[int], dict[str, Any]]  # of a magnitude in milliseconds


@dataclass(frozen=True)
class Strike:
    """One thing that can be done to one place of a chain."""

    kind: str
    target: tuple[str, str]  # ("link", "processor-a"), ("call", "gateway.authorise")
    has_magnitude: bool

    def __str__(self) -> str:
        """`lost_answer on link processor-a`."""
        return f"{self.kind} on {self.target[0]} {self.target[1]}"


# Simplest first: the shrinker prefers what stands earlier. A magnitude is a time.
_ON_LINKS: dict[str, Parameters] = {
    "down": lambda _: {},
    "lost_answer": lambda _: {},
    "slow_answer": lambda ms: {"delay": f"{ms}ms"},
    "latency": lambda ms: {"delay": f"{ms}ms"},
    "http_error": lambda _: {"status": "503"},
    "decline": lambda _: {"code": "91"},
    "blackhole": lambda _: {},
    "reset": lambda ms: {"after": f"{ms}ms"},
    "late_answer": lambda ms: {"delay": f"{ms}ms"},
    "duplicate_answer": lambda _: {},
    "stuck_pending": lambda _: {},
    "malformed": lambda _: {},
    "crash": lambda _: {},
}
KINDS = tuple(_ON_LINKS)
_ON_CALLS = ("lost_answer", "slow_answer", "late_answer")
WITH_MAGNITUDE = ("slow_answer", "latency", "reset", "late_answer")


@dataclass(frozen=True)
class Strikes:
    """One fault of a schedule. Times in milliseconds since the first payment."""

    strike: Strike
    start_ms: int
    lasts_ms: int
    magnitude_ms: int

    def declared(self, number: int) -> dict[str, Any]:
        """As an experiment file writes it."""
        where, name = self.strike.target
        return {
            "id": f"f{number}", "at": f"{self.start_ms}ms", "for": f"{self.lasts_ms}ms",
            "target": {where: name},
            self.strike.kind: _ON_LINKS[self.strike.kind](self.magnitude_ms),
        }  # fmt: skip

    def lasting(self, ms: int) -> Strikes:
        """The same for another time."""
        return replace(self, lasts_ms=ms)

    def of_magnitude(self, ms: int) -> Strikes:
        """The same with another magnitude."""
        return replace(self, magnitude_ms=ms)

    def __str__(self) -> str:
        """`lost_answer on link processor-a at 0 ms for 50 ms`."""
        size = f" of {self.magnitude_ms} ms" if self.strike.has_magnitude else ""
        return f"{self.strike}{size} at {self.start_ms} ms for {self.lasts_ms} ms"


Schedule = tuple[Strikes, ...]


def strikes_of(chain: Chain, kinds: Sequence[str] = ()) -> list[Strike]:
    """Everything that can be done to a chain, the simplest first; only some kinds if given.

    Raises UserError for a kind that there is not, and when nothing is left to do.
    """
    for name in kinds:
        if name not in KINDS:
            raise UserError(f"no fault kind '{name}' to explore", mend=meant(name, KINDS))
    found = []
    for kind in _ON_LINKS:
        if kinds and kind not in kinds:
            continue
        has_magnitude = kind in WITH_MAGNITUDE
        found += [
            Strike(kind, ("link", name), has_magnitude)
            for name, link in chain.links.items()
            if _can_have(link, kind)
        ]
        if kind in _ON_CALLS:
            calls = [
                f"{caller}.{operation}"
                for caller, link in chain.links.items()
                for operation in link.calls
            ]
            found += [Strike(kind, ("call", name), has_magnitude) for name in calls]
    if not found:
        raise UserError(f"no link of {chain.chain} can have {', '.join(kinds)}")
    return found


def _can_have(link: Link, kind: str) -> bool:
    """Whether an experiment may give a link this kind, as `paychain check` sees it."""
    if kind == "crash":
        return not link.isolate  # that one would have to forget
    return link.role != "edge" or kind not in PAYMENT_KINDS


def fault_schedules(
    chain: Chain, *, most: int = MOST_FAULTS, kinds: Sequence[str] = ()
) -> st.SearchStrategy[Schedule]:
    """A Hypothesis strategy of fault schedules for a chain, for use with `@given`."""
    return schedules_of(strikes_of(chain, kinds), most=most)


def schedules_of(strikes: Sequence[Strike], *, most: int) -> st.SearchStrategy[Schedule]:
    """A strategy of schedules of some strikes, the simplest first."""
    one = st.builds(
        _from_slots,
        st.sampled_from(strikes),
        st.integers(0, START_SLOTS),
        st.sampled_from(DURATIONS_MS),
        st.integers(1, MAGNITUDE_SLOTS),
    )
    return st.lists(one, max_size=most).map(tuple)


def _from_slots(strike: Strike, start: int, lasts_ms: int, magnitude: int) -> Strikes:
    return Strikes(strike, start * SLOT_MS, lasts_ms, magnitude * SLOT_MS)


def experiment_of(
    schedule: Schedule, *, name: str = "explored", payments: int, rate: int
) -> Experiment:
    """The experiment of a schedule: so many payments, faults counted from the first of them."""
    return Experiment.model_validate(declaration(schedule, name=name, payments=payments, rate=rate))


def declaration(
    schedule: Schedule, *, name: str, payments: int, rate: int, title: str = ""
) -> dict[str, Any]:
    """The experiment as a file writes it. The traffic is the same whatever the faults."""
    paying_ms = payments * 1000 // rate
    last_ms = max((one.start_ms + one.lasts_ms for one in schedule), default=0)
    after_ms = max(last_ms, paying_ms) + AFTER_MS - last_ms
    return {
        "experiment": name,
        **({"title": title} if title else {}),
        "load": {
            "arrivals": {
                "steps": [
                    {"at": "0s", "rate": f"{rate}/s"}, {"at": f"{paying_ms}ms", "rate": "0/s"},
                ]
            },
            "warm_up": "0s", "before": "0s", "after": f"{after_ms}ms",
        },
        "faults": [one.declared(number) for number, one in enumerate(schedule, 1)],
    }  # fmt: skip
