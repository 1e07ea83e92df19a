"""The toxics that stand for a fault on a hop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.model.fault import (
    Bandwidth,
    Blackhole,
    CutAfter,
    Down,
    Latency,
    Refuse,
    Reset,
    Slice,
    SlowClose,
)

MILLISECOND, MICROSECOND = 1e-3, 1e-6


class Unfit(ValueError):
    """A quantity that no toxic can have. `mend` says what it can."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.mend = mend


@dataclass(frozen=True, slots=True)
class ToxicOrder:
    """One toxic. Every hop of the fault gets it, with the fault's share as its toxicity."""

    kind: str
    stream: str
    attributes: dict[str, int]

    def name(self, fault_id: str) -> str:
        """What it is called on its proxy; EngineEvent.fault reads it back."""
        return f"{fault_id}_{self.stream}"


def orders_for(parameters: Any) -> list[ToxicOrder]:
    """The toxics of a fault; none for `down`, which stops the proxy. Raises Unfit."""
    match parameters:
        case Down(share=share) if share >= 1:
            return []
        case Down():
            # A part of the connections is cut before anything gets through, new ones and old ones.
            return [ToxicOrder("reset_peer", "upstream", {"timeout": 0})]
        case Refuse():
            return [ToxicOrder("refuse", "downstream", {})]
        case Blackhole(connections="new"):
            return [ToxicOrder("blackhole", "downstream", {})]
        case Blackhole(share=share):
            # Chance is drawn per toxic: with two, a part would be more than the share. What cannot
            # ask gets no answer either.
            streams = ("upstream", "downstream") if share >= 1 else ("upstream",)
            return [ToxicOrder("timeout", stream, {"timeout": 0}) for stream in streams]
        case Latency():
            attributes = {
                "latency": _whole("delay", parameters.delay, MILLISECOND),
                "jitter": _whole("jitter", parameters.jitter, MILLISECOND),
            }
            return [ToxicOrder("latency", parameters.stream, attributes)]
        case Bandwidth():
            if parameters.rate % 1000:
                raise Unfit("rate is counted in whole kB/s", "write one such as 2kB/s")
            return [ToxicOrder("bandwidth", parameters.stream, {"rate": parameters.rate // 1000})]
        case SlowClose():
            delay = _whole("delay", parameters.delay, MILLISECOND)
            return [ToxicOrder("slow_close", "downstream", {"delay": delay})]
        case Reset():
            after = _whole("after", parameters.after, MILLISECOND)
            return [ToxicOrder("reset_peer", "downstream", {"timeout": after})]
        case Slice():
            attributes = {
                "average_size": parameters.size, "size_variation": 0,
                "delay": _whole("delay", parameters.delay, MICROSECOND),
            }  # fmt: skip
            return [ToxicOrder("slicer", "downstream", attributes)]
        case CutAfter():
            return [ToxicOrder("limit_data", "downstream", {"bytes": parameters.after})]
        case _:
            raise AssertionError(f"{parameters!r} does not act on a hop")


def _whole(name: str, seconds: float, unit_s: float) -> int:
    """A duration in units of a toxic's attribute; it is never rounded in silence."""
    count = round(seconds / unit_s)
    if abs(count - seconds / unit_s) > 1e-6:
        unit = "milliseconds" if unit_s == MILLISECOND else "microseconds"
        raise Unfit(f"{name} is counted in whole {unit}", f"write whole {unit}")
    return count
