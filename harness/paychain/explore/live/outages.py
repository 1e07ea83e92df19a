"""Faults that all payments of a batch meet: a whole link is down or frozen, the service dies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from paychain.declaration.quantity import duration_text
from paychain.engine.timeline import Action, switch_of
from paychain.environment.running_chain import RunningChain
from paychain.explore.live.steps import searched_links
from paychain.faults.fault import Fault
from paychain.faults.kind import LinkFaultKind
from paychain.faults.kinds import KINDS
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.payments.errors import UserError

AT_S = 1.0  # after the first payment of the batch
BURST_S = 0.2  # just before it begins, half of the payments do: so long, they take at least
AFTER_S = 0.5  # the last payments begin so long after it ends
LASTS_MS = (1_000, 3_000)
_KINDS = ("down", "freeze", "crash")  # the simplest first
_LOAD = {"arrivals": "1/s", "before": "1s", "after": "1s"}


@dataclass(frozen=True, kw_only=True)
class LiveOutage:
    """One of them. `rank`: the simplest kind has 0. `lasts_ms`: how long it is on."""

    link: str
    kind: str
    rank: int
    lasts_ms: int
    fault: Fault = field(compare=False, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """The smaller is the simpler one at the same link."""
        return self.rank, self.lasts_ms

    @property
    def declared(self) -> dict[str, Any]:
        """The fault as an experiment file declares it, in time from the start of the faults."""
        return _declared(self.link, self.kind, self.lasts_ms)

    def times(self, payments: int) -> list[float]:
        """Start times of payments, in seconds after the first: by turns two that meet the outage,
        and two that started just before it.
        """
        whole_s = AT_S + self.lasts_ms / 1000 + AFTER_S
        shares = [place / payments for place in range(payments)]
        return [
            AT_S + BURST_S * (share - 1) if place % 4 > 1 else whole_s * share
            for place, share in enumerate(shares)
        ]

    def switch(self, action: Action, chain: Chain, running: RunningChain) -> None:
        """Let it begin or end now. Raises UserError when that fails."""
        done = running.switch(switch_of(chain, self.fault, action), running.now_ns())
        if done.error:
            raise UserError(done.problem)

    def __str__(self) -> str:
        """`stripe is down for 1s`."""
        does = {"down": "is down", "freeze": "is frozen", "crash": "is killed and stays down"}[
            self.kind
        ]
        return f"{self.link} {does} for {duration_text(self.lasts_ms / 1000)}"


def experiment_with(outage: LiveOutage | None) -> Experiment:
    """What a batch is judged as: an experiment with the outage, or with no fault."""
    faults = [] if outage is None else [outage.declared]
    return Experiment.model_validate({"experiment": "batch", "load": _LOAD, "faults": faults})


def outage_choices(chain: Chain) -> list[LiveOutage]:
    """Every outage of the mocks that are searched, and of own services; the simplest first."""
    found = []
    own = chain.own_services()
    for rank, kind in enumerate(_KINDS):
        for link in [*searched_links(chain), *own]:
            # What a service does while it cannot be reached is its callers' affair.
            if (kind == "down" and link in own) or (kind == "crash" and link not in own):
                continue
            for lasts_ms in LASTS_MS:
                written = _declared(link, kind, lasts_ms)
                fault = Fault.model_validate(written)
                parameters, traits = fault.parameters, chain.links[link]
                if isinstance(parameters, LinkFaultKind) and parameters.limitation(link, traits):
                    continue
                found.append(
                    LiveOutage(link=link, kind=kind, rank=rank, lasts_ms=lasts_ms, fault=fault)
                )
    assert set(_KINDS) <= KINDS.keys()
    return sorted(found, key=lambda outage: outage.size)


def simpler_outages(outage: LiveOutage, choices: list[LiveOutage]) -> list[LiveOutage]:
    """Those at the same link that are simpler, the simplest first."""
    return [each for each in choices if each.link == outage.link and each.size < outage.size]


def _declared(link: str, kind: str, lasts_ms: int) -> dict[str, Any]:
    lasts = duration_text(lasts_ms / 1000)
    return {"id": "outage", "at": "0s", "for": lasts, "target": {"link": link}, kind: {}}
