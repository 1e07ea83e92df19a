"""What the policies of one call decide, as they say it in the journal."""

from __future__ import annotations

from harness.payments.journal import DecisionKind
from harness.payments.outcome import HopResult
from harness.services.context import Context
from harness.services.message import PaymentRequest


class Decisions:
    """The decisions about one operation of one link."""

    def __init__(self, context: Context, operation: str) -> None:
        self._context = context
        self._operation = operation

    def say(
        self, kind: DecisionKind, target: str, request: PaymentRequest,
        detail: HopResult | str = "",
    ) -> None:  # fmt: skip
        """Put a decision on a request into the journal."""
        self._context.decided(
            kind, self._operation, target, payment=request.payment, attempt=request.attempt,
            detail=detail,
        )  # fmt: skip

    def withheld(self, what: str, why: str, request: PaymentRequest, target: str = "") -> bool:
        """Whether there is a reason not to do a thing; then the journal has it."""
        if why:
            self.say(DecisionKind.WITHHELD, target, request, f"{what}: {why}")
        return bool(why)
