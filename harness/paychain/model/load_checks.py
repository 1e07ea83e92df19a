"""Whether the parts of a load fit together, and fit the chain and the recorded payments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from paychain.declaration.problem import Problem
from paychain.declaration.text import KeyPath
from paychain.model.load import Amounts, ArrivalShape, Load
from paychain.payments.cards import SCHEMES
from paychain.payments.errors import UserError, meant

MAX_PAYMENTS = 20_000_000  # each leaves some 4 kB: docs/load.md
SHARES_WITHIN = 1e-6  # of 100 %: thirds do not add up exactly


def check_load(load: Load, lasts_s: float) -> Iterator[Problem]:
    """Mistakes in how the parts of a load fit together. `lasts_s`: its length."""
    yield from _check_amounts(load.amounts)
    yield from _check_shares(load)
    yield from _check_size(load, lasts_s)
    if load.entries and load.users is None and load.think_time is None:
        yield from _check_entries(load, lasts_s)
    elif load.arrivals is None or load.users is not None or load.think_time is not None:
        yield from _check_closed(load)
    else:
        yield from _check_shape(("load", "arrivals"), load.arrivals, lasts_s)
        if load.arrivals.replay is not None and load.spacing != "even":
            hint = "remove spacing"
            yield Problem(("load", "spacing"), "replayed arrivals have their own spacing", hint)


def _check_size(load: Load, lasts_s: float) -> Iterator[Problem]:
    """A load of more payments than any machine keeps."""
    shapes = [*load.entries.values(), *([load.arrivals] if load.arrivals is not None else [])]
    payments = sum(
        (rate + next_rate) / 2 * (end_s - start_s)
        for shape in shapes
        if len(_given(shape)) == 1  # what has no shape, or two, is a mistake already
        for (start_s, rate), (end_s, next_rate) in pairwise(shape.corners(lasts_s))
    )
    if payments > MAX_PAYMENTS:
        what = (
            f"the load makes about {payments:,.0f} payments; at most {MAX_PAYMENTS:,} are allowed"
        )
        yield Problem(("load",), what, "lower the rate or shorten the load")


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


def _given(shape: ArrivalShape) -> list[str]:
    return [name for name, value in shape if value is not None]


def _check_shape(path: KeyPath, shape: ArrivalShape, lasts_s: float) -> Iterator[Problem]:
    """Mistakes in one declared course of arrivals."""
    given = _given(shape)
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
                at, "the steps are not in order", "make each at: later than the one before"
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
            yield Problem(("load", key), what, "make them add up to 100%")
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
            yield Problem(
                (*at, key),
                f"{key} is 0: no payment would have an amount",
                "write an amount above 0",
            )
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
    load: Load, folder: Path, kept: Path | None, lasts_s: float, currency: str | None
) -> Iterator[Problem]:
    """Read the recorded payments of a load, if it has any; yields what is wrong with them.

    `folder`: of the experiment's file; `kept`: a copy of the recorded payments elsewhere;
    `currency`: the chain's; None when no chain is known.
    """
    if load.arrivals is None or load.arrivals.replay is None:
        return
    try:
        load.arrivals.read(folder, lasts_s, kept)
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
