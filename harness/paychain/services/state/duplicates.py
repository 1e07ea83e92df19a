"""A provider's duplicate window: the same card and amount again is refused, whatever its key.

It is a guess. It saves customers from a second charge when a repeat comes under a new key, and it
refuses an honest second purchase as well.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from paychain.model.duplicates import Duplicates
from paychain.protocol.message import PaymentRequest

MAX_KNOWN = 100_000  # originals of one link: the oldest are forgotten first


@dataclass(slots=True, kw_only=True)
class OriginalAuthorisation:
    """The authorisation that a later request may repeat. `amount_minor`: 0 until it is approved."""

    reference: str
    order: str
    since_ns: int
    amount_minor: int = 0


class DuplicateWindow:
    """The authorisations of one link within its window, by what it compares."""

    def __init__(self, declared: Duplicates) -> None:
        self._declared = declared
        self._within_ns = round(declared.within * 1e9)
        self._known: OrderedDict[tuple[str, ...], OriginalAuthorisation] = OrderedDict()

    def original(self, request: PaymentRequest, now_ns: int) -> OriginalAuthorisation | None:
        """What the request repeats; None for the first of its kind, which is remembered."""
        while self._known:
            key, oldest = next(iter(self._known.items()))
            is_over = oldest.since_ns <= now_ns - self._within_ns
            if not is_over and len(self._known) <= MAX_KNOWN:
                break
            del self._known[key]
        key = self._key(request)
        known = self._known.get(key)
        if known is None:
            order = request.order or request.payment
            self._known[key] = OriginalAuthorisation(
                reference=request.reference, order=order, since_ns=now_ns
            )
            return None
        # The same authorisation goes on after a failure: that is not a second one.
        return known if known.reference != request.reference else None

    def approved(self, request: PaymentRequest, amount_minor: int) -> None:
        """The original holds money: its repeats can say so."""
        known = self._known.get(self._key(request))
        if known is not None and known.reference == request.reference:
            known.amount_minor = amount_minor

    def forget(self, request: PaymentRequest) -> None:
        """The original was declined or undone: the next one is not a repeat."""
        known = self._known.get(self._key(request))
        if known is not None and known.reference == request.reference:
            del self._known[self._key(request)]

    def _key(self, request: PaymentRequest) -> tuple[str, ...]:
        values = {
            "card": request.instrument.identity,
            "amount": f"{request.amount_minor} {request.currency}",
            "merchant": request.merchant,
        }
        return tuple(values[name] for name in self._declared.by)
