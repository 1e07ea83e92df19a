"""What a gateway took for each payment that was forwarded to it, so that its caller can reverse it.

forwarded ──▶ authorised: noted ──▶ reversed ──▶ each authorisation is undone
    └────── reversed first: remembered, and declined when it arrives
"""

from __future__ import annotations

from typing import NamedTuple

from paychain.protocol.message import PaymentRequest
from paychain.services.policies.call_end import SentRequest
from paychain.services.state.kept import Retention
from paychain.services.state.retained import Retained


class TakenAuthorisation(NamedTuple):
    """An authorisation that may hold money. `booked`: its reference in the gateway's book, if any.

    Without one its outcome is unknown.
    """

    sent: SentRequest
    booked: str = ""


class ForwardedPayments:
    """The forwarded payments of one gateway, by the name that their caller knows them by."""

    def __init__(self, retention: Retention) -> None:
        self._taken: Retained[list[TakenAuthorisation]] = Retained(retention)
        self._under_way: dict[str, TakenAuthorisation] = {}
        self._reversed: Retained[None] = Retained(retention)

    def begin(self, request: PaymentRequest, sent: SentRequest) -> None:
        """Remember what is sent: a link that dies meanwhile still knows what to reverse."""
        self._under_way[forwarded_as(request)] = TakenAuthorisation(sent)

    def note(self, request: PaymentRequest, *taken: TakenAuthorisation) -> None:
        """Remember what was authorised for a forwarded payment; nothing is under way any more."""
        self._under_way.pop(forwarded_as(request), None)
        if taken:
            name = forwarded_as(request)
            self._taken[name] = [*(self._taken.get(name) or ()), *taken]

    def is_reversed(self, request: PaymentRequest) -> bool:
        """Whether a payment was reversed: one that arrives later must not be taken."""
        return forwarded_as(request) in self._reversed

    def reverse(self, request: PaymentRequest) -> None:
        """From now on the payment must not be taken any more."""
        self._reversed[forwarded_as(request)] = None

    def withdraw(self, request: PaymentRequest) -> list[TakenAuthorisation]:
        """The authorisations of a reversed payment that must be undone, each returned only once."""
        name = forwarded_as(request)
        lost = self._under_way.pop(name, None)
        return [*(self._taken.pop(name) or ()), *([lost] if lost is not None else [])]


def forwarded_as(request: PaymentRequest) -> str:
    """The name of a forwarded payment: the first gateway's has no reference of its own yet."""
    return request.reference or request.payment
