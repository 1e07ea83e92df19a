"""What a link remembers of declined presentations, so that it keeps the schemes' retry limits.

Cards are counted by payment: the harness has few published test cards, and every payment stands
for a cardholder of its own. Source: domain.md §1.6; the limits are payments/retry_limits.py's.
"""

from __future__ import annotations

from harness.payments.retry_limits import Presentation, RetryLimit, forbids_reattempt
from harness.services.message import PaymentRequest

MOST_PAYMENTS = 10_000  # remembered; the oldest are forgotten first


class Presentations:
    """The declined presentations of one link's authorisations."""

    def __init__(self) -> None:
        self._declined: dict[str, list[Presentation]] = {}

    def declined(self, request: PaymentRequest, code: str, now_ns: int) -> None:
        """The card was presented and declined with this code."""
        one = Presentation(code, now_ns, request.merchant, request.amount_minor)
        self._declined.setdefault(request.payment, []).append(one)
        if len(self._declined) > MOST_PAYMENTS:
            del self._declined[next(iter(self._declined))]

    def forbid(self, request: PaymentRequest, now_ns: int) -> RetryLimit | None:
        """The limit that presenting the card once more would break, None when it may be."""
        declined = self._declined.get(request.payment)
        if declined is None:
            return None
        return forbids_reattempt(
            request.card.scheme, declined, now_ns=now_ns, merchant=request.merchant,
            amount_minor=request.amount_minor,
        )  # fmt: skip
