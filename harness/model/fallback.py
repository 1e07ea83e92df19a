"""What a call does when its target gave no final answer, one step after the other."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from harness.model.cards import Cards
from harness.model.quantity import Amount, Duration
from harness.model.schema import Declared
from harness.payments.errors import meant

MOST_TARGETS = 20
Weight = Annotated[int, Field(ge=1, le=1_000)]


class Limit(Declared):
    """Use a fallback only up to an amount in the chain's currency."""

    up_to: Amount


class FailoverTo(Declared):
    """Send the same operation to another link; `cards`: only for these."""

    to: str
    cards: Cards | None = None


class Split(Declared):
    """Send the same operation to one of several links, drawn by weight for each payment."""

    split: Annotated[dict[str, Weight], Field(min_length=2, max_length=MOST_TARGETS)]
    cards: Cards | None = None


class Skip(Declared):
    """Go on without the call's answer."""

    skip: Limit


class Exempt(Declared):
    """Go on without authentication and say so (an exemption, a regulatory risk)."""

    exempt: Limit


class StandInLimits(Declared):
    """How far a link may approve in place of the one that decides.

    `most` and `per_card` count stand-in approvals of this link since its start. Stand-in is never
    an automatic approval. Source: domain.md §1.7.
    """

    up_to: Amount
    per_card: Annotated[int, Field(ge=1, le=100_000)] | None = None
    most: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class StandIn(Declared):
    """The link that makes the call decides itself, within limits, and advises later."""

    stand_in: StandInLimits


class QueueLimits(Declared):
    """How much is accepted now and delivered later, for how long it is tried, and how often."""

    up_to: Amount | None = None
    most: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    within: Duration = 60.0
    pause: Duration = 1.0


class Queue(Declared):
    """Store and forward: accept now, deliver to the declared target when it answers again."""

    queue: QueueLimits


class DeclineWith(Declared):
    """Answer with a response code instead."""

    decline: str


STEPS = ("to", "split", "skip", "exempt", "stand_in", "queue", "decline")


def _kind(value: Any) -> str | None:
    """The key that says which step it is."""
    if isinstance(value, dict):
        return next((key for key in STEPS if key in value), None)
    return next((key for key in STEPS if hasattr(value, key)), None)


def _one_step(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kinds = [key for key in STEPS if key in value]
    if len(kinds) > 1:
        raise ValueError(f"two steps in one: {', '.join(kinds)}; give each its own")
    if not kinds:
        name = next(iter(value), "")
        raise ValueError(f"unknown fallback '{name}'; {meant(str(name), STEPS)}")
    return value


Failover = FailoverTo | Split
Local = Skip | Exempt | StandIn | Queue | DeclineWith
Fallback = Annotated[
    Annotated[FailoverTo, Tag("to")]
    | Annotated[Split, Tag("split")]
    | Annotated[Skip, Tag("skip")]
    | Annotated[Exempt, Tag("exempt")]
    | Annotated[StandIn, Tag("stand_in")]
    | Annotated[Queue, Tag("queue")]
    | Annotated[DeclineWith, Tag("decline")],
    Discriminator(_kind),
    BeforeValidator(_one_step),
]
