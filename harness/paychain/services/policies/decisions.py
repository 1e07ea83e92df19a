"""What the policies of one call decide, as the journal has it."""

from __future__ import annotations

from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult
from paychain.protocol.message import PaymentRequest
from paychain.services.context import Context


class Decisions:
    """The decisions about one operation of one link."""

    def __init__(self, context: Context, operation: str) -> None:
        self._context = context
        self._operation = operation

    def say(
        self,
        kind: DecisionKind,
        target: str,
        request: PaymentRequest,
        detail: HopResult | str = "",
    ) -> None:
        """Put a decision on a request into the journal."""
        self._context.decided(
            kind,
            self._operation,
            target,
            payment=request.payment,
            attempt=request.attempt,
            detail=detail,
        )

    def suppressed(self, what: str, why: str, request: PaymentRequest, target: str = "") -> bool:
        """Whether there is a reason not to do a thing; then the journal has it."""
        if why:
            self.say(DecisionKind.SUPPRESSED, target, request, f"{what}: {why}")
        return bool(why)
