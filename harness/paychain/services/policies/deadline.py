"""How much time is left for a request: passed down the chain beside it.

A link that cannot be ready in time answers so at once: its caller would be gone by the time the
work is done. The deadline travels with the task that works on the request, as a trace does; what a
link does on its own account (reversals, stored requests) has none.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

_until_ns: ContextVar[int | None] = ContextVar("until_ns", default=None)


def work_until(at_ns: int | None) -> None:
    """Set the deadline of what this task works on."""
    _until_ns.set(at_ns)


def left_s(now_ns: Callable[[], int]) -> float | None:
    """Seconds left for what this task works on, None when it has no deadline."""
    until_ns = _until_ns.get()
    return None if until_ns is None else (until_ns - now_ns()) / 1e9
