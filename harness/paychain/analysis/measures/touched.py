"""Which payments were in flight while a fault was on.

Imports nothing: processes that count a part of a run use it.
"""

from __future__ import annotations

from typing import Protocol


class AppliedFault(Protocol):
    """When a fault was applied and healed, in seconds of the run; None: never."""

    @property
    def applied_s(self) -> float | None:
        """When it took effect."""

    @property
    def healed_s(self) -> float | None:
        """When it was over."""


def touched(fault: AppliedFault, intended_ns: int, ended_ns: int) -> bool:
    """Whether a payment was in flight while the fault was on, also one offered before it."""
    if fault.applied_s is None or ended_ns / 1e9 <= fault.applied_s:
        return False
    return fault.healed_s is None or intended_ns / 1e9 < fault.healed_s
