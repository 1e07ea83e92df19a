"""What a link remembers of declined presentations, so that it keeps the schemes' retry limits.

Cards are counted by payment: the harness has few published test cards, and every payment stands
for a cardholder of its own. Source: docs/domain.md §1.6; the limits are payments/retry_limits.py's.
"""

from __future__ import annotations

from paychain.payments.bounded import BoundedDict
from paychain.payments.outcome import HopResult
from paychain.payments.retry_limits import Presentation, RetryLimit, forbids_reattempt
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply

MAX_PAYMENTS = 10_000  # remembered; the oldest are forgotten first


class Presentations:
    """The declined presentations of one link's authorisations."""

    def __init__(self) -> None:
        self._declined = BoundedDict[str, list[Presentation]](MAX_PAYMENTS)

    def note(self, request: PaymentRequest, reply: Reply, now_ns: int) -> None:
        """Remember the presentation of a card when it was declined."""
        if reply.result not in (HopResult.DECLINED, HopResult.TECHNICAL):
            return
        presentation = Presentation(reply.code, now_ns, request.merchant, request.amount_minor)
        self._declined.setdefault(request.payment, []).append(presentation)

    def __contains__(self, payment: str) -> bool:
        return payment in self._declined

    def last_code(self, payment: str) -> str:
        """The code of a payment's last declined presentation."""
        return self._declined[payment][-1].code

    def forbid(self, request: PaymentRequest, now_ns: int) -> RetryLimit | None:
        """The limit that presenting the card again would break, None if it is allowed."""
        declined = self._declined.get(request.payment)
        if declined is None:
            return None
        return forbids_reattempt(
            request.instrument.group,
            declined,
            now_ns=now_ns,
            merchant=request.merchant,
            amount_minor=request.amount_minor,
        )
