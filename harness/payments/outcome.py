"""How a payment, and one hop of it, can end."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What a link or the customer knows of a payment. A time-out is unknown, never failed."""

    APPROVED = "approved"
    DECLINED = "declined"
    UNKNOWN = "unknown"


class HopResult(StrEnum):
    """How one execution of a call ended, as its caller saw it."""

    APPROVED = "approved"
    DECLINED = "declined"  # a business decline: the link worked
    TECHNICAL = "technical"  # a well-formed answer with a technical code (91, 96, …)
    UNKNOWN = "unknown"  # a well-formed answer that says: outcome unknown
    REFUSED = "refused"  # no connection was made, so nothing was sent
    TIMEOUT = "timeout"
    RESET = "reset"  # the connection broke after the request was (partly) sent
    HTTP_ERROR = "http_error"  # 4xx or 5xx without a payment answer
    MALFORMED = "malformed"
    NOT_TRIED = "not_tried"  # breaker open, bulkhead full: the call was not sent

    @property
    def worked(self) -> bool:
        """The link gave a final, well-formed answer: approved or declined for business reasons."""
        return self in _WORKED

    @property
    def leaves_unknown(self) -> bool:
        """The callee may have done the work although the caller has no final answer."""
        return self in _UNKNOWN_AFTER


_WORKED = frozenset({HopResult.APPROVED, HopResult.DECLINED})
_UNKNOWN_AFTER = frozenset(
    {
        HopResult.UNKNOWN,
        HopResult.TIMEOUT,
        HopResult.RESET,
        HopResult.HTTP_ERROR,
        HopResult.MALFORMED,
    }
)
