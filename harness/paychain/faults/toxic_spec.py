"""The toxics that implement a fault on a hop, in a fault engine's form."""

from __future__ import annotations

from dataclasses import dataclass

MILLISECOND, MICROSECOND = 1e-3, 1e-6
# What a Toxiproxy server has; any other toxic is an extension of the embedded engine.
# Source: https://github.com/Shopify/toxiproxy#toxics
TOXIPROXY_TOXICS = frozenset(
    {
        "bandwidth",
        "latency",
        "limit_data",
        "noop",
        "reset_peer",
        "slicer",
        "slow_close",
        "timeout",
    }
)


class Unfit(ValueError):
    """A quantity that no toxic can have. `hint`: what to write instead."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class ToxicSpec:
    """One toxic. Every hop of the fault gets it, with the fault's share as its toxicity."""

    kind: str
    stream: str
    attributes: dict[str, int]

    @property
    def is_extension(self) -> bool:
        """Whether only the embedded engine has it."""
        return self.kind not in TOXIPROXY_TOXICS

    def name(self, fault_id: str) -> str:
        """What it is called on its proxy; EngineEvent.fault reads it back."""
        return f"{fault_id}_{self.stream}"


def whole_milliseconds(name: str, seconds: float) -> int:
    """A duration in seconds as a toxic's attribute. Raises Unfit instead of rounding it."""
    return _whole(name, seconds, MILLISECOND, "milliseconds")


def whole_microseconds(name: str, seconds: float) -> int:
    """A duration in seconds as a toxic's attribute. Raises Unfit instead of rounding it."""
    return _whole(name, seconds, MICROSECOND, "microseconds")


def _whole(name: str, seconds: float, unit_s: float, unit: str) -> int:
    count = round(seconds / unit_s)
    if abs(count - seconds / unit_s) > 1e-6:
        raise Unfit(f"{name} is counted in whole {unit}", f"write whole {unit}")
    return count
