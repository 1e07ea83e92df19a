"""When what is switched: an experiment's faults on a chain, as an ordered list of switches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from harness.model.chain import Chain, Hop
from harness.model.experiment import Experiment
from harness.model.fault import (
    Bandwidth,
    Blackhole,
    CutAfter,
    Down,
    Fault,
    Latency,
    Refuse,
    Reset,
    Slice,
    SlowClose,
)

Action = Literal["apply", "heal"]
BOTH = ("upstream", "downstream")


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


@dataclass(frozen=True, slots=True)
class ToxicOrder:
    """A toxic that stands for a fault on a hop."""

    kind: str
    stream: str
    attributes: dict[str, int]


def compile_timeline(chain: Chain, experiment: Experiment) -> list[Switch]:
    """Every switch in the order it happens; at one moment heals come before applications."""
    switches = []
    for fault in experiment.faults:
        place = place_of(chain, fault)
        for start, end in _windows(fault):
            switches.append(Switch(start, fault, "apply", place))
            switches.append(Switch(end, fault, "heal", place))
    return sorted(switches, key=lambda switch: (switch.at_s, switch.action == "apply"))


def _windows(fault: Fault) -> list[tuple[float, float]]:
    """The times a fault is on: its whole window, or the on-parts of its flapping."""
    until = fault.at + fault.lasts
    if fault.flapping is None:
        return [(fault.at, until)]
    windows = []
    start = fault.at
    while start < until:
        windows.append((start, min(start + fault.flapping.period * fault.flapping.duty, until)))
        start += fault.flapping.period
    return windows


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


def toxics_for(parameters: Any) -> list[ToxicOrder]:
    """The toxics that stand for a fault on a hop; none for `down`, which disables the proxy."""
    match parameters:
        case Down():
            return []
        case Refuse():
            return [ToxicOrder("refuse", "downstream", {})]
        case Blackhole():
            return [ToxicOrder("timeout", stream, {"timeout": 0}) for stream in BOTH]
        case Latency():
            attributes = {"latency": _ms(parameters.delay), "jitter": _ms(parameters.jitter)}
            return [ToxicOrder("latency", parameters.stream, attributes)]
        case Bandwidth():
            rate = max(1, parameters.rate // 1000)
            return [ToxicOrder("bandwidth", parameters.stream, {"rate": rate})]
        case SlowClose():
            return [ToxicOrder("slow_close", "downstream", {"delay": _ms(parameters.delay)})]
        case Reset():
            return [ToxicOrder("reset_peer", "downstream", {"timeout": _ms(parameters.after)})]
        case Slice():
            attributes = {
                "average_size": max(1, parameters.size), "size_variation": 0,
                "delay": int(parameters.delay * 1e6),
            }  # fmt: skip
            return [ToxicOrder("slicer", "downstream", attributes)]
        case CutAfter():
            return [ToxicOrder("limit_data", "downstream", {"bytes": parameters.after})]
        case _:
            raise AssertionError(f"{parameters!r} does not act on a hop")


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
