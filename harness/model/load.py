"""How payments arrive: at a rate that the chain cannot slow down (open model), or, on request, from
users who wait for each answer (closed model)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from harness.model.problem import Problem
from harness.model.quantity import Amount, Duration, Rate
from harness.model.replay import read_replay
from harness.model.schema import Declared, Short
from harness.payments.errors import UserError

HOURS = 24
MOST_USERS = 1_000  # each has a connection of its own
# Card payments over a day: few at night, a rise to noon, most in the early evening. Our choice.
TYPICAL_DAY = (
    0.35, 0.22, 0.15, 0.12, 0.12, 0.18, 0.38, 0.70, 0.98, 1.15, 1.30, 1.45,
    1.55, 1.45, 1.40, 1.42, 1.50, 1.65, 1.75, 1.65, 1.45, 1.20, 0.90, 0.55,
)  # fmt: skip
_HIDES = (
    "a slow chain slows its own load, so these figures hide the queue that customers who do not "
    "wait for each other would meet (coordinated omission)"
)
Corner = tuple[float, float]  # seconds since the start of the load, payments per second


class Amounts(Declared):
    """Payment amounts are drawn log-normally around the median and kept between the limits."""

    median: Amount
    least: Amount
    most: Amount


class Ramp(Declared):
    """The rate changes evenly from one value to another over the whole load."""

    start: Annotated[Rate, Field(alias="from")]
    to: Rate

    def __str__(self) -> str:
        """In words."""
        return f"a ramp from {self.start:g}/s to {self.to:g}/s"


class Step(Declared):
    """From a moment of the load on, this rate."""

    at: Duration
    rate: Rate


class Day(Declared):
    """A day pressed into the load's length: 24 hourly weights around the mean rate."""

    mean: Rate
    curve: Annotated[
        list[Annotated[float, Field(ge=0)]], Field(min_length=HOURS, max_length=HOURS)
    ] = list(TYPICAL_DAY)

    def __str__(self) -> str:
        """In words."""
        return f"a day's curve around {self.mean:g}/s"


class Shape(Declared):
    """Arrivals at a rate that changes, or as they were recorded: exactly one of these."""

    ramp: Ramp | None = None
    steps: Annotated[list[Step], Field(min_length=1, max_length=1_000)] | None = None
    daily: Day | None = None
    replay: str | None = None  # a CSV file beside the experiment
    _times: tuple[float, ...] = PrivateAttr(default=())

    @property
    def times(self) -> tuple[float, ...]:
        """The recorded arrivals, in seconds since the start of the load."""
        return self._times

    def read(self, folder: Path) -> None:
        """Read the recorded arrivals. Raises UserError with the place of a mistake."""
        if self.replay is not None:
            self._times = read_replay(folder / self.replay)

    def __str__(self) -> str:
        """In words."""
        if self.steps is not None:
            return "steps of " + ", ".join(f"{one.rate:g}/s" for one in self.steps)
        return str(self.ramp or self.daily or f"replayed from {self.replay}")


def _rate_or_shape(value: Any) -> Any:
    """A written rate becomes steps of one: everything else is one of the shapes."""
    if isinstance(value, dict | Shape):
        return value
    return {"steps": [{"at": "0s", "rate": value}]}


Arrivals = Annotated[Shape, BeforeValidator(_rate_or_shape), Short(Rate)]


class ThinkTime(Declared):
    """How long a user waits after an answer: log-normal through its median and 99th percentile."""

    median: Duration
    p99: Duration

    def __str__(self) -> str:
        """In words."""
        spread = f" (median, p99 {self.p99:g} s)" if self.p99 != self.median else ""
        return f"{self.median:g} s think time{spread}"


def _fixed_or_spread(value: Any) -> Any:
    """A written duration is the same after every answer."""
    return value if isinstance(value, dict | ThinkTime) else {"median": value, "p99": value}


class Load(Declared):
    """Payments arrive whatever the chain does. Warm-up, then `before`, the faults, `after`.

    With `users` and `think_time` in place of `arrivals`, each user pays, waits for the answer,
    thinks, and pays again: the chain sets the pace.
    """

    arrivals: Arrivals | None = None
    users: Annotated[int, Field(ge=1, le=MOST_USERS)] | None = None
    think_time: Annotated[ThinkTime, BeforeValidator(_fixed_or_spread), Short(Duration)] | None = (
        None
    )
    spacing: Literal["even", "poisson"] = "even"
    warm_up: Duration = 2.0
    before: Duration
    after: Duration
    amounts: Amounts | None = None

    def corners(self, lasts_s: float) -> tuple[Corner, ...]:
        """The rate over a load of this length: straight lines between these corners."""
        shape = self.arrivals
        if shape is None or shape.replay is not None:
            return ()
        if shape.ramp is not None:
            return ((0.0, shape.ramp.start), (lasts_s, shape.ramp.to))
        if shape.daily is not None:
            return _day(shape.daily, lasts_s)
        steps = [one for one in shape.steps or [] if one.at < lasts_s]
        ends = [*(one.at for one in steps[1:]), lasts_s]
        return tuple(
            corner
            for step, end in zip(steps, ends, strict=True)
            for corner in ((step.at, step.rate), (end, step.rate))
        )

    @property
    def hides(self) -> str:
        """What figures taken under this load do not show, "" when they show it all."""
        return "" if self.arrivals is not None else _HIDES

    def __str__(self) -> str:
        """In words: `40/s, evenly spaced`."""
        if self.arrivals is None:
            return f"closed model: {self.users} users, {self.think_time}"
        if self.arrivals.replay is not None:
            return str(self.arrivals)
        spacing = {"even": "evenly spaced", "poisson": "at random (Poisson)"}
        steps = self.arrivals.steps
        rate = f"{steps[0].rate:g}/s" if steps and len(steps) == 1 else str(self.arrivals)
        return f"{rate}, {spacing[self.spacing]}"


def _day(day: Day, lasts_s: float) -> tuple[Corner, ...]:
    """Straight lines between the hours' middles; midnight joins the last hour with the first."""
    mean = sum(day.curve) / HOURS or 1.0
    rates = [day.mean * weight / mean for weight in day.curve]
    midnight = (rates[0] + rates[-1]) / 2
    middles = [((hour + 0.5) * lasts_s / HOURS, rate) for hour, rate in enumerate(rates)]
    return ((0.0, midnight), *middles, (lasts_s, midnight))


def check_load(load: Load, lasts_s: float) -> Iterator[Problem]:
    """What must hold between the parts of a load."""
    shape = load.arrivals
    if shape is None or load.users is not None or load.think_time is not None:
        yield from _check_closed(load)
        return
    given = [name for name, value in shape if value is not None]
    if len(given) != 1:
        what = f"arrivals have {len(given)} shapes" if given else "arrivals have no shape"
        mend = "write a rate such as 40/s, or exactly one of ramp, steps, daily, replay"
        yield Problem(("load", "arrivals"), what, mend)
        return
    corners = load.corners(lasts_s)
    if corners and not any(rate for _, rate in corners):
        yield Problem(("load", "arrivals"), "no payment arrives", "write a rate such as 40/s")
    for number, step in enumerate(shape.steps or []):
        at = ("load", "arrivals", "steps", number, "at")
        if number == 0 and step.at != 0:
            yield Problem(at, "the first step does not begin at 0s", "add a step at 0s")
        if number and step.at <= (shape.steps or [])[number - 1].at:
            yield Problem(at, "steps are not in order of time", "each at after the one before")
        if step.at >= lasts_s:
            yield Problem(at, f"the load ends at {lasts_s:g} s, before this step", "move it")
    if shape.replay is not None and load.spacing != "even":
        mend = "leave spacing out"
        yield Problem(("load", "spacing"), "replayed arrivals have their own spacing", mend)


def _check_closed(load: Load) -> Iterator[Problem]:
    """What must hold of users, where there are any, and of a load that says nothing."""
    if load.arrivals is not None:
        name = "users" if load.users is not None else "think_time"
        what = f"arrivals and {name}: payments come at a rate, or from users who wait for answers"
        yield Problem(("load", name), what, f"remove {name}, or arrivals")
        return
    if load.users is None and load.think_time is None:
        mend = "write arrivals: 40/s, or users: 50 and think_time: 1s"
        yield Problem(("load",), "the load has no arrivals and no users", mend)
        return
    if load.users is None:
        yield Problem(("load", "think_time"), "nobody thinks", "write users: 50 beside it")
    if load.think_time is None:
        yield Problem(("load", "users"), "users have no think time", "write think_time: 1s")
    elif load.think_time.p99 < load.think_time.median:
        what, mend = "p99 is below the median", "make it the longer one"
        yield Problem(("load", "think_time", "p99"), what, mend)
    if load.spacing != "even":
        what = "users who wait for answers have no spacing"
        yield Problem(("load", "spacing"), what, "leave spacing out")


def read_recorded(load: Load, folder: Path, lasts_s: float) -> Iterator[Problem]:
    """Read the recorded arrivals of a load, when it has some."""
    if load.arrivals is None:
        return
    try:
        load.arrivals.read(folder)
    except UserError as error:
        yield Problem(("load", "arrivals", "replay"), str(error), "")
        return
    if load.arrivals.replay is not None and not any(at < lasts_s for at in load.arrivals.times):
        what = f"no recorded arrival lies within the load's {lasts_s:g} s"
        yield Problem(("load", "arrivals", "replay"), what, "check the column at_s")
