"""How a payment, and one hop of it, can end."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What a link or the customer knows about a payment. A timeout is unknown, never failed.

    Source: docs/domain.md §0.1.
    """

    APPROVED = "approved"
    DECLINED = "declined"
    UNKNOWN = "unknown"


class Proof(StrEnum):
    """Whether the callee executed a request, as far as its caller can tell."""

    EXECUTED = "executed"  # there is an answer, whatever it says
    NOT_EXECUTED = "not_executed"  # nothing was done: nothing to reverse, nothing to resolve
    UNKNOWN = "unknown"


class HopResult(StrEnum):
    """How one execution of a call ended, as its caller saw it."""

    APPROVED = "approved"
    DECLINED = "declined"  # a business decline: the link worked
    TECHNICAL = "technical"  # a well-formed answer with a technical code (91, 96, …)
    UNKNOWN = "unknown"  # a well-formed answer that the outcome is unknown
    ANSWERED = "answered"  # bytes were passed on that do not decide a payment: a page, a poll
    REFUSED = "refused"  # no connection was made, or none in time, so nothing was sent
    TIMEOUT = "timeout"
    RESET = "reset"  # the connection broke after the request was (partly) sent
    HTTP_ERROR = "http_error"  # an error status that proves nothing: the work may be done
    REJECTED = "rejected"  # an error status that proves that nothing was done: 400, 401, 429, …
    MALFORMED = "malformed"
    NOT_TRIED = "not_tried"  # breaker open, bulkhead full: the call was not sent

    @property
    def worked(self) -> bool:
        """Whether the link gave a well-formed answer, which is final if it is about a payment."""
        return self in _WORKED

    @property
    def leaves_unknown(self) -> bool:
        """The callee may have done the work although the caller has no final answer."""
        return self in _UNKNOWN_AFTER

    @property
    def proves(self) -> Proof:
        """Whether the callee executed the request."""
        if self in _UNKNOWN_AFTER:
            return Proof.UNKNOWN
        return Proof.NOT_EXECUTED if self in _NOT_EXECUTED else Proof.EXECUTED


_WORKED = frozenset({HopResult.APPROVED, HopResult.DECLINED, HopResult.ANSWERED})
_UNKNOWN_AFTER = frozenset(
    {
        HopResult.UNKNOWN,
        HopResult.TIMEOUT,
        HopResult.RESET,
        HopResult.HTTP_ERROR,
        HopResult.MALFORMED,
    }
)
_NOT_EXECUTED = frozenset({HopResult.REFUSED, HopResult.REJECTED, HopResult.NOT_TRIED})


def failure_name(failure: str, code: str) -> str:
    """`HTTP 503`, `timeout`, `declined 91`: how a call failed, with the code of its answer."""
    if failure == HopResult.HTTP_ERROR:
        return f"HTTP {code}"
    return f"{failure} {code}".strip().replace("_", " ")
