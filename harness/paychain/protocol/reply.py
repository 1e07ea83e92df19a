"""What one execution of a call brought back, as its caller sees it, and what it proves."""

from __future__ import annotations

import msgspec

from paychain.payments.outcome import HopResult, Outcome, Proof
from paychain.protocol.message import Answer
from paychain.wire.http import CallTimeout, ConnectionBroken, ConnectRefused, WireError


class Reply(msgspec.Struct, frozen=True):
    """The result of a call. `code`: the response code (DE39) or the error's status, "" for none.

    `retry_after_s`: how long the callee asks its caller to wait before it tries again, 0 when it
    does not ask. `in_progress`: the callee has accepted the payment and works on it. `resent`: how
    often the request was sent again because its connection was lost: the callee may have executed
    it each time.
    """

    result: HopResult
    code: str = ""
    answer: Answer | None = None
    retry_after_s: float = 0.0
    in_progress: bool = False
    resent: int = 0

    @property
    def proves(self) -> Proof:
        """Whether the callee executed the request, as far as this reply shows."""
        return self.result.proves


def reply_of(answer: Answer) -> Reply:
    """The reply that a well-formed answer is. A decline with a technical code is a failure."""
    match answer.outcome:
        case Outcome.APPROVED:
            result = HopResult.APPROVED
        case Outcome.UNKNOWN:
            result = HopResult.UNKNOWN
        case Outcome.DECLINED:
            result = HopResult.TECHNICAL if answer.is_technical else HopResult.DECLINED
    return Reply(result, answer.code, answer)


def failure_of(error: WireError) -> HopResult:
    """What a broken exchange means for the caller."""
    match error:
        case ConnectRefused():
            return HopResult.REFUSED
        case CallTimeout():
            return HopResult.TIMEOUT
        case ConnectionBroken():
            return HopResult.RESET if error.sent else HopResult.REFUSED
        case _:
            return HopResult.MALFORMED
