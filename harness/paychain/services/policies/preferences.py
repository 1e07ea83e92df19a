"""Choosing a call's first target for a payment, by the declared preferences."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from paychain.model.routing import Failing, Preference
from paychain.payments.money import to_minor
from paychain.protocol.message import PaymentRequest
from paychain.services.context import Context


class Health:
    """The failures of one target within a window, as its caller sees them."""

    def __init__(self, declared: Failing) -> None:
        self._declared = declared
        self._calls: deque[tuple[int, bool]] = deque()  # when each ended, and whether it failed
        self._failures = 0

    def note(self, now_ns: int, *, failed: bool) -> None:
        """One more call has ended."""
        self._calls.append((now_ns, failed))
        self._failures += failed

    def is_failing(self, now_ns: int) -> bool:
        """Whether it fails as often as declared."""
        since_ns = now_ns - int(self._declared.window * 1e9)
        while self._calls and self._calls[0][0] < since_ns:
            _, failed = self._calls.popleft()
            self._failures -= failed
        calls = len(self._calls)
        assert 0 <= self._failures <= calls
        if calls < self._declared.minimum_calls:
            return False
        return self._failures >= self._declared.failure_rate * calls


class Preferences:
    """The preferences of one call."""

    def __init__(self, declared: Sequence[Preference], context: Context, currency: str) -> None:
        self._declared = declared
        self._context = context
        self._ranges = [_range_minor(preference, currency) for preference in declared]
        self._healths = {
            number: Health(preference.when_failing)
            for number, preference in enumerate(declared)
            if preference.when_failing is not None
        }

    def choose(self, request: PaymentRequest) -> Preference | None:
        """The preference of a payment; None: it goes to the call's own target."""
        # Drawn by the payment: a repeat of it goes the same way.
        drawn = self._context.draw("route", request.payment)
        upto = 0.0  # of the payments: the shares of the preferences so far
        for number, preference in enumerate(self._declared):
            if not self._fits(number, preference, request):
                continue
            if preference.share is not None:
                least, upto = upto, upto + preference.share
                if not least <= drawn < upto:
                    continue
            health = self._healths.get(number)
            if health is None or health.is_failing(self._context.now_ns()):
                return preference
        return None

    def note(self, *, failed: bool) -> None:
        """Record whether a request to the call's own target failed."""
        for health in self._healths.values():
            health.note(self._context.now_ns(), failed=failed)

    def _fits(self, number: int, preference: Preference, request: PaymentRequest) -> bool:
        """Whether a payment is one that the preference takes its share of."""
        least_minor, most_minor = self._ranges[number]
        if not least_minor <= request.amount_minor <= most_minor:
            return False
        instrument, cards = request.instrument, preference.cards
        if cards is not None and not cards.has(instrument.identity, instrument.group):
            return False
        return not preference.merchants or request.merchant in preference.merchants


def _range_minor(preference: Preference, currency: str) -> tuple[float, float]:
    amount = preference.amount
    least = amount.least if amount is not None else None
    most = amount.most if amount is not None else None
    return (
        to_minor(str(least), currency) if least is not None else 0,
        to_minor(str(most), currency) if most is not None else float("inf"),
    )
