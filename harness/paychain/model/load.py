"""How payments arrive: at a rate that the chain cannot slow down, or from users who wait.

The first is the open model and the default; the second, where each user waits for an answer before
the next payment, is the closed model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from paychain.declaration.problem import Problem
from paychain.declaration.quantity import Amount, Duration, Rate, Share
from paychain.declaration.schema import Declared, Short
from paychain.declaration.text import KeyPath
from paychain.model.replay import Replay, read_replay
from paychain.payments.cards import SCHEMES
from paychain.payments.errors import UserError, meant

HOURS = 24
SHARES_WITHIN = 1e-6  # of 100 %: thirds do not add up exactly
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


class Ramp(Declared):
    """The rate changes evenly from one value to another over the whole load."""

    start: Annotated[Rate, Field(alias="from")]
    to: Rate

    def __str__(self) -> str:
        """In words."""
        return f"a ramp from {self.start:g}/s to {self.to:g}/s"


class Step(Declared):
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


class Shape(Declared):
    """Arrivals at a rate that changes, or as they were recorded: exactly one of these."""

    ramp: Ramp | None = None
    steps: Annotated[list[Step], Field(min_length=1, max_length=1_000)] | None = None
    daily: Day | None = None
    replay: str | None = None  # a CSV file beside the experiment
    _recorded: Replay | None = PrivateAttr(default=None)

    @property
    def recorded(self) -> Replay | None:
        """The recorded payments; None without a file of them."""
        return self._recorded

    @property
    def times(self) -> tuple[float, ...]:
        """The recorded arrivals, in seconds since the start of the load."""
        return tuple(payment.at_s for payment in self._recorded.payments) if self._recorded else ()

    def read(self, folder: Path) -> None:
        """Read the recorded payments. Raises UserError with the place of a mistake."""
        if self.replay is None:
            return
        path = folder / self.replay
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
        unused = self._recorded.unused if self._recorded else ()
        columns = f" (columns not used: {', '.join(unused)})" if unused else ""
        return str(self.ramp or self.daily or f"replayed from {self.replay}{columns}")


def _rate_or_shape(value: Any) -> Any:
    """A written rate becomes a single step; a mapping is one of the shapes."""
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
    """A written duration is a think time without spread."""
    return value if isinstance(value, dict | ThinkTime) else {"median": value, "p99": value}


class Merchant(Declared):
    """One merchant's share of the payments; `amounts` where they differ from the load's."""

    share: Share
    amounts: Amounts | None = None


class Twice(Declared):
    """This share of the orders is paid twice, `gap` apart: two schedulers run one renewal.

    The second payment has a `new` idempotency key, or the `same`.
    """

    share: Share
    gap: Duration = 0.05
    key: Literal["new", "same"] = "new"


def _share_or_merchant(value: Any) -> Any:
    """A written share is a merchant with the load's amounts."""
    return value if isinstance(value, dict | Merchant) else {"share": value}


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
        Annotated[Merchant, BeforeValidator(_share_or_merchant), Short(Share)],
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


def check_load(load: Load, lasts_s: float) -> Iterator[Problem]:
    """Mistakes in how the parts of a load fit together. `lasts_s`: its length."""
    yield from _check_amounts(load.amounts)
    yield from _check_shares(load)
    if load.entries and load.users is None and load.think_time is None:
        yield from _check_entries(load, lasts_s)
    elif load.arrivals is None or load.users is not None or load.think_time is not None:
        yield from _check_closed(load)
    else:
        yield from _check_shape(("load", "arrivals"), load.arrivals, lasts_s)
        if load.arrivals.replay is not None and load.spacing != "even":
            hint = "remove spacing"
            yield Problem(("load", "spacing"), "replayed arrivals have their own spacing", hint)


def _check_entries(load: Load, lasts_s: float) -> Iterator[Problem]:
    """Mistakes in a load that gives each entry its own arrivals."""
    if load.arrivals is not None:
        what = "a load has either arrivals or entries"
        yield Problem(("load", "arrivals"), what, "remove arrivals or entries")
    for entry, shape in load.entries.items():
        at = ("load", "entries", entry)
        if shape.replay is not None:
            what = "recorded payments arrive at every entry alike"
            yield Problem((*at, "replay"), what, "write them as arrivals: {replay: …}")
        else:
            yield from _check_shape(at, shape, lasts_s)
    is_replayed = any(shape.replay is not None for shape in load.entries.values())
    if not is_replayed and not load.highest_rate(lasts_s):
        what = "the rate is 0 throughout at every entry"
        yield Problem(("load", "entries"), what, "write a rate such as 40/s")


def check_entries(load: Load, entries: Sequence[str]) -> Iterator[Problem]:
    """Entries of a load that the chain does not have, and the other way round."""
    for entry in load.entries:
        if entry not in entries:
            yield Problem(
                ("load", "entries", entry),
                f"customers do not pay at '{entry}'",
                meant(entry, entries),
            )
    missing = [entry for entry in entries if load.entries and entry not in load.entries]
    for entry in missing:
        what = f"no payment arrives at the entry '{entry}'"
        yield Problem(("load", "entries"), what, f"add {entry}: 10/s, or 0/s for none")


def _check_shape(path: KeyPath, shape: Shape, lasts_s: float) -> Iterator[Problem]:
    """Mistakes in one declared course of arrivals."""
    given = [name for name, value in shape if value is not None]
    if len(given) != 1:
        what = f"arrivals have {len(given)} shapes" if given else "arrivals have no shape"
        hint = "write a rate such as 40/s, or exactly one of ramp, steps, daily and replay"
        yield Problem(path, what, hint)
        return
    corners = shape.corners(lasts_s)
    if path[1] == "arrivals" and corners and not any(rate for _, rate in corners):
        yield Problem(path, "the rate is 0 throughout", "write a rate such as 40/s")
    for number, step in enumerate(shape.steps or []):
        at = (*path, "steps", number, "at")
        if number == 0 and step.at != 0:
            yield Problem(at, "the first step does not begin at 0s", "add a step at: 0s")
        if number and step.at <= (shape.steps or [])[number - 1].at:
            yield Problem(
                at, "the steps are not in order", "let each at: be later than the one before"
            )
        if step.at >= lasts_s:
            yield Problem(at, f"the load ends at {lasts_s:g} s, before this step", "move the step")


def _check_shares(load: Load) -> Iterator[Problem]:
    """Mistakes in who is paid and with which cards."""
    of_merchants = {name: merchant.share for name, merchant in load.merchants.items()}
    shares: dict[str, Mapping[str, float]] = {"merchants": of_merchants, "schemes": load.schemes}
    for key, parts in shares.items():
        total = sum(parts.values())
        if parts and abs(total - 1) > SHARES_WITHIN:
            what = f"the shares are {total:.2%} together"
            yield Problem(("load", key), what, "let them add up to 100%")
    for scheme in load.schemes:
        if scheme not in SCHEMES:
            what = f"no test card of scheme '{scheme}'"
            yield Problem(("load", "schemes", scheme), what, meant(scheme, SCHEMES))


def _check_amounts(amounts: Amounts | None) -> Iterator[Problem]:
    """Amounts from the least to the most, with the median between them."""
    if amounts is None:
        return
    at = ("load", "amounts")
    for key in ("median", "least", "most"):
        if getattr(amounts, key) == 0:
            yield Problem((*at, key), f"{key} is 0: nothing is paid", "write an amount above 0")
            return
    if amounts.least > amounts.most:
        what = f"the least amount {amounts.least} is above the most {amounts.most}"
        yield Problem((*at, "least"), what, "swap them")
    elif amounts.median < amounts.least:
        what = f"the median {amounts.median} is below the least amount {amounts.least}"
        yield Problem((*at, "median"), what, "lower least or raise the median")
    elif amounts.median > amounts.most:
        what = f"the median {amounts.median} is above the most {amounts.most}"
        yield Problem((*at, "median"), what, "raise most or lower the median")


def _check_closed(load: Load) -> Iterator[Problem]:
    """Mistakes in a load that has users or a think time, or that declares nothing."""
    if load.twice is not None and load.users is not None:
        what = "a user pays once and waits for the answer"
        yield Problem(("load", "twice"), what, "remove twice, or declare arrivals")
    if load.entries:
        what = "users pay at every entry alike"
        yield Problem(("load", "entries"), what, "remove entries, or users and think_time")
        return
    if load.arrivals is not None:
        name = "users" if load.users is not None else "think_time"
        what = {
            "users": "a load has either arrivals or users",
            "think_time": "think_time is for users, and this load has arrivals",
        }[name]
        yield Problem(("load", name), what, f"remove {name} or arrivals")
        return
    if load.users is None and load.think_time is None:
        hint = "write arrivals: 40/s, or users: 50 with think_time: 1s"
        yield Problem(("load",), "the load has neither arrivals nor users", hint)
        return
    if load.users is None:
        yield Problem(("load", "think_time"), "think_time needs users", "add users: 50")
    if load.think_time is None:
        yield Problem(("load", "users"), "users need a think_time", "add think_time: 1s")
    elif load.think_time.p99 < load.think_time.median:
        what, hint = "p99 is shorter than the median", "lengthen p99 or shorten the median"
        yield Problem(("load", "think_time", "p99"), what, hint)
    if load.spacing != "even":
        what = "spacing is for arrivals: each user pays after its think time"
        yield Problem(("load", "spacing"), what, "remove spacing")


def read_recorded(
    load: Load, folder: Path, lasts_s: float, currency: str | None
) -> Iterator[Problem]:
    """Read the recorded payments of a load, if it has any; yields what is wrong with them.

    `currency`: the chain's; None when no chain is known.
    """
    if load.arrivals is None or load.arrivals.replay is None:
        return
    try:
        load.arrivals.read(folder)
        if load.arrivals.recorded is not None and currency is not None:
            load.arrivals.recorded.amounts(currency)
    except UserError as error:
        yield Problem(("load", "arrivals", "replay"), str(error), "")
        return
    if load.arrivals.replay is not None and not any(at < lasts_s for at in load.arrivals.times):
        what = f"no recorded arrival lies within the {lasts_s:g} s of the load"
        yield Problem(
            ("load", "arrivals", "replay"),
            what,
            "check the column at_s: seconds since the start of the load",
        )
