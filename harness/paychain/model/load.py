"""How payments arrive: at a rate that the chain cannot slow down, or from users who wait.

The first is the open model and the default; the second, where each user waits for an answer before
the next payment, is the closed model.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from paychain.declaration.quantity import Amount, Duration, Rate, Share
from paychain.declaration.schema import Declared, Short
from paychain.model.replay import Replay, read_replay

HOURS = 24
MAX_USERS = 1_000  # each opens a connection of its own
# Card payments by hour: few at night, a rise to noon, most in the early evening. An assumption.
_NIGHT = (0.35, 0.22, 0.15, 0.12, 0.12, 0.18)
_MORNING = (0.38, 0.70, 0.98, 1.15, 1.30, 1.45)
_AFTERNOON = (1.55, 1.45, 1.40, 1.42, 1.50, 1.65)
_EVENING = (1.75, 1.65, 1.45, 1.20, 0.90, 0.55)
TYPICAL_DAY = (*_NIGHT, *_MORNING, *_AFTERNOON, *_EVENING)
_CAVEAT = (
    "a slow chain slows its own load, so these figures hide the queue that independent customers "
    "would meet (coordinated omission)"
)
Corner = tuple[float, float]  # seconds since the start of the load, payments per second


class Amounts(Declared):
    """Payment amounts are drawn log-normally around the median and kept between the limits."""

    median: Amount
    least: Amount
    most: Amount


# Where an experiment names none.
USUAL_AMOUNTS = Amounts.model_construct(median=Decimal(40), least=Decimal(1), most=Decimal(900))


class RateRamp(Declared):
    """The rate changes evenly from one value to another over the whole load."""

    start: Annotated[Rate, Field(alias="from")]
    to: Rate

    def __str__(self) -> str:
        """In words."""
        return f"a ramp from {self.start:g}/s to {self.to:g}/s"


class RateStep(Declared):
    """From a moment of the load on, payments arrive at this rate."""

    at: Duration
    rate: Rate


class Day(Declared):
    """A day compressed into the load: 24 hourly weights around the mean rate."""

    mean: Rate
    curve: Annotated[
        list[Annotated[float, Field(ge=0)]], Field(min_length=HOURS, max_length=HOURS)
    ] = list(TYPICAL_DAY)

    def __str__(self) -> str:
        """In words."""
        return f"a day's curve around {self.mean:g}/s"


class ArrivalShape(Declared):
    """Arrivals at a rate that changes, or as they were recorded: exactly one of these."""

    ramp: RateRamp | None = None
    steps: Annotated[list[RateStep], Field(min_length=1, max_length=1_000)] | None = None
    daily: Day | None = None
    replay: str | None = None  # a CSV file beside the experiment
    _recorded: Replay | None = PrivateAttr(default=None)
    _lasts_s: float | None = PrivateAttr(default=None)

    @property
    def recorded(self) -> Replay | None:
        """The recorded payments; None without a file of them."""
        return self._recorded

    @property
    def times(self) -> tuple[float, ...]:
        """The recorded arrivals, in seconds since the start of the load."""
        return tuple(payment.at_s for payment in self._recorded.payments) if self._recorded else ()

    def read(self, folder: Path, lasts_s: float, kept: Path | None = None) -> None:
        """Read the recorded payments, from a copy that is `kept` if there is one.

        `lasts_s`: of the load; later payments are left out. Raises UserError with the place of a
        mistake.
        """
        self._lasts_s = lasts_s
        if self.replay is None:
            return
        path = kept or folder / self.replay
        # The copy in a run's folder lies beside the experiment, wherever the original was.
        self._recorded = read_replay(path if path.exists() else folder / path.name)

    def corners(self, lasts_s: float) -> tuple[Corner, ...]:
        """The rate over a load of this length: straight lines between these corners.

        Empty for recorded arrivals.
        """
        if self.replay is not None:
            return ()
        if self.ramp is not None:
            return ((0.0, self.ramp.start), (lasts_s, self.ramp.to))
        if self.daily is not None:
            return _day(self.daily, lasts_s)
        steps = [step for step in self.steps or [] if step.at < lasts_s]
        ends = [*(step.at for step in steps[1:]), lasts_s]
        return tuple(
            corner
            for step, end in zip(steps, ends, strict=True)
            for corner in ((step.at, step.rate), (end, step.rate))
        )

    def __str__(self) -> str:
        """In words."""
        if self.steps is not None and len(self.steps) == 1:
            return f"{self.steps[0].rate:g}/s"
        if self.steps is not None:
            return "steps of " + ", ".join(f"{step.rate:g}/s" for step in self.steps)
        return str(self.ramp or self.daily or f"replayed from {self.replay}{self._left_out()}")

    def _left_out(self) -> str:
        """In words, what of a file is not used."""
        lasts_s = self._lasts_s
        if self._recorded is None or lasts_s is None:
            return ""
        notes = []
        later = sum(at_s >= lasts_s for at_s in self.times)
        if later:
            notes.append(f"{later:,} of {len(self.times):,} payments are after the load's end")
        if self._recorded.unused:
            notes.append(f"columns not used: {', '.join(self._recorded.unused)}")
        return f" ({'; '.join(notes)})" if notes else ""


def _rate_or_shape(value: Any) -> Any:
    """A written rate becomes a single step; a mapping is one of the shapes."""
    if isinstance(value, dict | ArrivalShape):
        return value
    return {"steps": [{"at": "0s", "rate": value}]}


Arrivals = Annotated[ArrivalShape, BeforeValidator(_rate_or_shape), Short(Rate)]


class ThinkTime(Declared):
    """How long a user waits after an answer: log-normal through its median and 99th percentile."""

    median: Duration
    p99: Duration

    def __str__(self) -> str:
        """In words."""
        spread = f" (median, p99 {self.p99:g} s)" if self.p99 != self.median else ""
        return f"{self.median:g} s think time{spread}"


def _fixed_or_spread(value: Any) -> Any:
    """A written duration is a think time without spread."""
    return value if isinstance(value, dict | ThinkTime) else {"median": value, "p99": value}


class MerchantShare(Declared):
    """One merchant's share of the payments; `amounts` where they differ from the load's."""

    share: Share
    amounts: Amounts | None = None


class Twice(Declared):
    """This share of the orders is paid twice, `gap` apart: two schedulers run one renewal.

    The second payment has a `new` idempotency key, or the `same`.
    """

    share: Annotated[Share, Field(gt=0)]
    gap: Duration = 0.05
    key: Literal["new", "same"] = "new"


def _share_or_merchant(value: Any) -> Any:
    """A written share is a merchant with the load's amounts."""
    return value if isinstance(value, dict | MerchantShare) else {"share": value}


class Load(Declared):
    """Payments arrive whatever the chain does. Warm-up, then `before`, the faults, `after`.

    `entries` in place of `arrivals` gives each entry of the chain its own.
    With `users` and `think_time` in place of `arrivals`, each user pays, waits for the answer,
    thinks, and pays again: the chain sets the pace. `merchants` are paid, and `schemes` are those
    of the cards, each with its share; together they are 100 %.
    """

    arrivals: Arrivals | None = None
    entries: dict[str, Arrivals] = {}
    users: Annotated[int, Field(ge=1, le=MAX_USERS)] | None = None
    think_time: Annotated[ThinkTime, BeforeValidator(_fixed_or_spread), Short(Duration)] | None = (
        None
    )
    spacing: Literal["even", "poisson"] = "even"
    warm_up: Duration = 2.0
    before: Duration
    after: Duration
    amounts: Amounts | None = None
    merchants: dict[
        Annotated[str, Field(min_length=1, max_length=100)],
        Annotated[MerchantShare, BeforeValidator(_share_or_merchant), Short(Share)],
    ] = {}
    schemes: dict[str, Share] = {}
    twice: Twice | None = None

    def corners(self, lasts_s: float) -> tuple[Corner, ...]:
        """The rate over a load of this length: straight lines between these corners.

        Empty for users, for recorded arrivals, which have no declared rate, and where each entry
        has its own.
        """
        return self.arrivals.corners(lasts_s) if self.arrivals is not None else ()

    def corners_at(self, entry: str, lasts_s: float) -> tuple[Corner, ...]:
        """The rate at an entry that has its own; empty otherwise."""
        return self.entries[entry].corners(lasts_s) if entry in self.entries else ()

    def highest_rate(self, lasts_s: float) -> float | None:
        """Payments per second at the most; None where the chain or a file sets the pace."""
        if self.entries:
            return sum(
                max((rate for _, rate in shape.corners(lasts_s)), default=0.0)
                for shape in self.entries.values()
            )
        return max((rate for _, rate in self.corners(lasts_s)), default=None)

    @property
    def caveat(self) -> str:
        """What figures measured under this load do not show; "" when they show everything."""
        return "" if self.users is None else _CAVEAT

    def __str__(self) -> str:
        """In words: `40/s, evenly spaced`."""
        if self.users is not None:
            return f"closed model: {self.users} users, {self.think_time}"
        if self.arrivals is not None and self.arrivals.replay is not None:
            return str(self.arrivals)
        spacing = {"even": "evenly spaced", "poisson": "at random (Poisson)"}
        at_entries = " and ".join(f"{shape} at {entry}" for entry, shape in self.entries.items())
        return f"{at_entries or self.arrivals}, {spacing[self.spacing]}"


def _day(day: Day, lasts_s: float) -> tuple[Corner, ...]:
    """Straight lines between the middles of the hours; the day ends as it begins."""
    mean = sum(day.curve) / HOURS or 1.0
    rates = [day.mean * weight / mean for weight in day.curve]
    midnight = (rates[0] + rates[-1]) / 2
    middles = [((hour + 0.5) * lasts_s / HOURS, rate) for hour, rate in enumerate(rates)]
    return ((0.0, midnight), *middles, (lasts_s, midnight))
