"""How long a chain waits on its own account after a payment, and how long a run waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from paychain.declaration.problem import Problem
from paychain.declaration.text import KeyPath
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment


class Wait(NamedTuple):
    """A delay that a chain declares, and where: something happens that long after an answer."""

    at: KeyPath
    lasts_s: float
    what: str


def settles_within(chain: Chain, experiment: Experiment) -> float:
    """Seconds that a real run waits after its load until nothing is in progress any more."""
    declared = experiment.settles_within
    return declared if declared is not None else chain.settles_within


def waits(chain: Chain) -> Iterator[Wait]:
    """Every declared delay between a payment's answer and what follows it."""
    for name, link in chain.links.items():
        at: KeyPath = ("links", name)
        captured_s = 0.0
        if link.webhooks is not None:
            # Most webhooks come within their 99th percentile; the rest takes as long again.
            lasts_s = 2 * link.webhooks.delay.p99
            yield Wait((*at, "webhooks"), lasts_s, f"webhooks of {name}")
        if link.captures is not None:
            captured_s = link.captures.after * link.captures.parts
            yield Wait((*at, "captures"), captured_s, f"captures of {name}")
        if link.refunds is not None:
            yield Wait((*at, "refunds"), captured_s + link.refunds.after, f"refunds of {name}")
        if link.cancels is not None:
            yield Wait((*at, "cancels"), link.cancels.after, f"cancellations of {name}")


def unsettled(chain: Chain, experiment: Experiment) -> Problem | None:
    """The longest declared delay that a real run does not wait for; None when it waits for all.

    Its place is in the chain's file.
    """
    within_s = settles_within(chain, experiment)
    longest = max(waits(chain), key=lambda wait: wait.lasts_s, default=None)
    if longest is None or longest.lasts_s < within_s:
        return None
    what = (
        f"{longest.what} come {longest.lasts_s:g} s after an approval, but a real run "
        f"waits {within_s:g} s after its load: they are not judged"
    )
    needed_s = longest.lasts_s + 15
    return Problem(longest.at, what, f"write settles_within: {needed_s:g}s, or run with --virtual")
