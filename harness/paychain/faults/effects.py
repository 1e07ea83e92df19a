"""What several fault kinds do to a request or its answer."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from paychain.declaration.quantity import Duration
from paychain.protocol.message import Error, ErrorKind


def _whole_seconds(seconds: float) -> float:
    """A `Retry-After` header counts whole seconds (RFC 9110 §10.2.3)."""
    if seconds != int(seconds):
        raise ValueError(f"retry_after {seconds:g}s is not in whole seconds; write 1s or more")
    return seconds


RetryAfter = Annotated[
    Duration,
    AfterValidator(_whole_seconds),
    Field(description="The error's Retry-After header, in whole seconds; 0s: none."),
]


def jittered(delay_s: float, jitter_s: float, chance: float) -> float:
    """A delay in seconds, up to `jitter_s` shorter or longer. `chance` is in 0 to 1."""
    return max(0.0, delay_s + jitter_s * (2 * chance - 1))


def injected(status: int, retry_after_s: float = 0.0) -> Error:
    """An error without a payment answer, with the status that the experiment declares."""
    return Error(ErrorKind.INJECTED, "injected", status, retry_after_s)
