"""Retry: whether to try the same target again, and after which pause."""

from __future__ import annotations

from paychain.model.policy import Budget, Retry
from paychain.payments.outcome import HopResult
from paychain.protocol.reply import Reply
from paychain.services.delivery import MAX_RETRY_AFTER_S, backoff_s, jittered_s

_RETRY_COST = 1_000_000  # of one retry, in integers: a sum of float shares would drift


class RetryBudget:
    """Retries may be at most a share of the calls, whatever the failures.

    Every call pays its share in, every retry takes the price of one out. It starts empty, so that
    the limit holds from the first call on; `burst` bounds what a long calm can save up.
    """

    def __init__(self, declared: Budget) -> None:
        self._share = round(declared.share * _RETRY_COST)
        self._max = declared.burst * _RETRY_COST
        self._left = 0

    @classmethod
    def of(cls, retry: Retry | None) -> RetryBudget | None:
        """The budget of a call's retries, None when they have none."""
        return cls(retry.budget) if retry is not None and retry.budget is not None else None

    def called(self) -> None:
        """A call was made."""
        if self._left < self._max:
            self._left += self._share

    def spend(self) -> bool:
        """Take one retry out, False when there is none."""
        if self._left < _RETRY_COST:
            return False
        self._left -= _RETRY_COST
        return True


def wants_retry(declared: Retry, reply: Reply) -> bool:
    """Whether a request with this reply is tried again."""
    if reply.result in declared.on:
        return True
    # `on: [http_error]` covers every error status, whatever it proves: a request that was not
    # executed is all the safer to send again.
    if reply.result is HopResult.REJECTED and HopResult.HTTP_ERROR in declared.on:
        return True
    return reply.answer is not None and reply.code in declared.codes


def requested_pause_s(declared: Retry, reply: Reply) -> float:
    """Seconds that the callee asks its caller to wait; 0 for a caller that does not respect it."""
    return reply.retry_after_s if declared.respects_retry_after else 0.0


def is_too_long(requested_s: float, left_s: float | None) -> bool:
    """Whether the callee asks for a pause that no payment can wait for.

    `left_s`: seconds until the deadline of the request, None where the caller knows none.
    """
    return requested_s > MAX_RETRY_AFTER_S or (left_s is not None and requested_s >= left_s)


def pause_s(declared: Retry, tries: int, chance: float) -> float:
    """Seconds before the next try when `tries` were made; `chance` is drawn from [0, 1)."""
    match declared.jitter:
        case "full":
            return backoff_s(declared, tries) * chance
        case "half":
            return jittered_s(declared, tries, chance)
        case "none":
            return backoff_s(declared, tries)
