"""When what is switched: an experiment's faults on a chain, as an ordered list of switches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.model.chain import Chain, Hop
from harness.model.experiment import Experiment
from harness.model.fault import Fault

Action = Literal["apply", "heal"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault acts: on hops (their proxies) or in links, maybe for one call only."""

    hops: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    caller: str | None = None
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class Switch:
    """One change of one fault. `at_s` counts from the start of the fault timeline."""

    at_s: float
    fault: Fault
    action: Action
    place: Place


def compile_timeline(chain: Chain, experiment: Experiment) -> list[Switch]:
    """Every switch in the order it happens; at one moment heals come before applications."""
    switches = []
    for fault in experiment.faults:
        place = place_of(chain, fault)
        for start, end, shaped in fault.windows():
            switches.append(Switch(start, shaped, "apply", place))
            switches.append(Switch(end, shaped, "heal", place))
    return sorted(switches, key=lambda switch: (switch.at_s, switch.action == "apply"))


def place_of(chain: Chain, fault: Fault) -> Place:
    """The hops or links a fault strikes (design: targets)."""
    target = fault.target
    hops = chain.hops()
    struck: list[Hop]
    links: tuple[str, ...]
    if target.link is not None:
        struck = [hop for hop in hops if hop.callee == target.link]
        links = (target.link,)
        return Place(links=links) if fault.acts_in_link else Place(hops=_names(struck))
    if target.provider is not None:
        links = tuple(
            name for name, link in chain.links.items() if link.provider == target.provider
        )
        if fault.acts_in_link:
            return Place(links=links)
        carries = chain.providers[target.provider].carries
        struck = [
            hop for hop in hops if hop.callee in links or (not carries and hop.caller in links)
        ]
        return Place(hops=_names(struck))
    if target.call is not None:
        caller, _, operation = target.call.partition(".")
        callee = chain.calls_of(caller)[operation].to
        if fault.acts_in_link:
            return Place(links=(callee,), caller=caller, operation=operation)
        struck = [
            hop for hop in hops
            if (hop.caller, hop.operation, hop.callee) == (caller, operation, callee)
        ]  # fmt: skip
        return Place(hops=_names(struck))
    assert target.hop is not None  # the model has exactly one of them
    caller, callee = (part.strip() for part in target.hop.split("->"))
    if fault.acts_in_link:
        return Place(links=(callee,), caller=caller)
    return Place(hops=_names([hop for hop in hops if (hop.caller, hop.callee) == (caller, callee)]))


def _names(hops: list[Hop]) -> tuple[str, ...]:
    return tuple(hop.name for hop in hops)
