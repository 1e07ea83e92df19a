"""What in-link faults make of one request: before the work, instead of it, and of its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from paychain.faults.kind import RequestFaultKind
from paychain.payments.codes import IN_PROGRESS
from paychain.payments.outcome import Outcome
from paychain.protocol.message import (
    Answer,
    AnswerOrError,
    Delivery,
    Error,
    ErrorKind,
    PaymentRequest,
)
from paychain.services.in_link_faults import ActiveFault


@dataclass(slots=True)
class FaultEffects:
    """The faults that apply to one request of one link, composed in the order they were switched.

    What each of them does is its kind's (`faults/kinds/`). `chance` is the request's own draw.
    """

    link: str
    faults: list[ActiveFault]
    chance: float
    _kinds: list[RequestFaultKind] = field(init=False)

    def __post_init__(self) -> None:
        kinds = [fault.parameters for fault in self.faults]
        self._kinds = [kind for kind in kinds if isinstance(kind, RequestFaultKind)]
        assert len(self._kinds) == len(kinds), "a fault of another kind applies to a request"

    @property
    def fails_in_front(self) -> bool:
        """An error comes from in front of the link's application, which never saw the request."""
        return any(kind.fails_in_front for kind in self._kinds)

    @property
    def is_lost(self) -> bool:
        """The answer never leaves although the work is done."""
        return any(kind.loses_answer for kind in self._kinds)

    @property
    def stuck_until(self) -> asyncio.Event | None:
        """When what is stuck is worked on; None when nothing is."""
        for fault, kind in zip(self.faults, self._kinds, strict=True):
            if kind.holds_requests:
                return fault.healed
        return None

    def arrivals(self) -> list[float]:
        """When the request is received again, in seconds from now."""
        return [after_s for kind in self._kinds for after_s in kind.arrivals]

    def late_s(self) -> float:
        """How much later the link begins its work."""
        return sum(kind.delay_before_s(self.chance) for kind in self._kinds)

    def slow_s(self) -> float:
        """How much later the link answers after its work."""
        return sum(kind.delay_after_s(self.chance) for kind in self._kinds)

    @property
    def repeats_last(self) -> bool:
        """The last answer leaves once more, unless a fault before gives another one."""
        for kind in self._kinds:
            if kind.repeats_last or kind.instead_of_work(self.link) is not None:
                return kind.repeats_last
        return False

    def instead_of_work(self) -> AnswerOrError | None:
        """What the link answers without working."""
        for kind in self._kinds:
            instead = kind.instead_of_work(self.link)
            if instead is not None:
                return instead
        return None

    def change_answer(self, given: AnswerOrError, request: PaymentRequest) -> AnswerOrError:
        """The link's own answer, made into another one."""
        for kind in self._kinds:
            given = kind.change_answer(given, request)
            # An injected error leaves nothing of the answer that a further fault could change.
            if isinstance(given, Error) and given.kind is ErrorKind.INJECTED:
                break
        return given

    def delivery(self, given: AnswerOrError, *, is_stale: bool = False) -> Delivery:
        """How the answer leaves: garbled, or in several copies. `is_stale`: once more."""
        delivery = Delivery(given, is_stale=is_stale)
        for kind in self._kinds:
            delivery = kind.delivery(delivery)
        return delivery


def pending(link: str, request: PaymentRequest) -> Answer:
    """Neither success nor failure."""
    return Answer(Outcome.UNKNOWN, IN_PROGRESS, link, request.reference)
