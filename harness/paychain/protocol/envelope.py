"""What accompanies a message: the caller, its span, and how long it waits.

The same headers in every HTTP dialect. Source: W3C Trace Context, https://www.w3.org/TR/trace-context/.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

TRACE_HEADER = "traceparent"
CALLER_HEADER = "user-agent"
DEADLINE_HEADER = "x-deadline-ms"
SPAN_DIGITS = 16
MAX_DEADLINE_MS = 3_600_000  # an hour: no payment waits longer


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """The sender's side of a received message. `left_s`: seconds the caller waits, if it says."""

    caller: str
    parent: str  # the caller's span, "" when it sent none
    left_s: float | None = None


def headers_of(payment: str, span: str, caller: str, left_s: float | None = None) -> dict[str, str]:
    """The headers of one call. `span`: 16 hex digits."""
    headers = {TRACE_HEADER: traceparent(payment, span), CALLER_HEADER: caller}
    if left_s is not None:
        headers[DEADLINE_HEADER] = written_deadline(left_s)
    return headers


def envelope_of(headers: Mapping[str, str]) -> Envelope:
    """What the headers of a request say; what they do not say is empty."""
    return Envelope(
        headers.get(CALLER_HEADER, ""),
        span_of(headers.get(TRACE_HEADER, "")),
        deadline_of(headers),
    )


def traceparent(trace: str, span: str) -> str:
    """W3C trace context: `trace` is any text naming the payment, `span` 16 hex digits."""
    return f"00-{trace_id(trace)}-{span}-01"


def trace_id(payment: str) -> str:
    """32 hex digits of a payment's id."""
    return payment.encode().hex()[-32:].rjust(32, "0")


def span_of(header: str) -> str:
    """The parent span in a traceparent header, "" when there is none."""
    parts = header.split("-")
    return parts[2] if len(parts) == 4 and len(parts[2]) == SPAN_DIGITS else ""


def written_deadline(left_s: float) -> str:
    """The deadline header's value: whole milliseconds, rounded down."""
    return str(int(left_s * 1000))


def deadline_of(headers: Mapping[str, str]) -> float | None:
    """Seconds left by the header; None without one, or when it is not a number of milliseconds."""
    text = headers.get(DEADLINE_HEADER)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DEADLINE_MS))):
        return None
    return min(int(text), MAX_DEADLINE_MS) / 1000
