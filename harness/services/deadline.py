"""How much time is left for a request: passed down the chain in a header.

A link that cannot be ready in time says so at once instead of doing work that nobody waits for.
The deadline travels with the task that works on the request, as a trace does; what a link does
on its own account (reversals, stored requests) has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar

DEADLINE_HEADER = "x-deadline-ms"
LONGEST_MS = 3_600_000
_until_ns: ContextVar[int | None] = ContextVar("until_ns", default=None)


def written(left_s: float) -> str:
    """The header's value: whole milliseconds, rounded down."""
    return str(int(left_s * 1000))


def read(headers: Mapping[str, str]) -> float | None:
    """Seconds left by the header; None without one, or when it is no number of milliseconds."""
    text = headers.get(DEADLINE_HEADER, "")
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LONGEST_MS))):
        return None
    return min(int(text), LONGEST_MS) / 1000


def work_until(at_ns: int | None) -> None:
    """Set the deadline of what this task works on."""
    _until_ns.set(at_ns)


def left_s(now_ns: Callable[[], int]) -> float | None:
    """Seconds left for what this task works on, None when nobody set a deadline."""
    until_ns = _until_ns.get()
    return None if until_ns is None else (until_ns - now_ns()) / 1e9
