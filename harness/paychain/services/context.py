"""What a link's code takes from outside: clock, ids, chance and journal. Nothing else is global."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from paychain.payments.chance import draw, draws
from paychain.payments.journal import Decision, DecisionKind, Journal, Leg, Movement, MovementKind
from paychain.protocol.message import PaymentRequest
from paychain.services.gate import Gate

WALL_EPOCH_NS = 1_767_225_600 * 1_000_000_000  # 2026-01-01: virtual time has no date of its own


@dataclass(slots=True, kw_only=True)
class Context:
    """One link's surroundings. `now_ns` counts from the run's epoch, on the loop's own clock."""

    link: str
    seed: int
    now_ns: Callable[[], int]
    journal: Journal
    span_prefix: str  # of one life of one link, distinguishes its spans: 8 hex digits
    up: Gate = field(default_factory=Gate)  # shut while the link is down
    wall_epoch_ns: int = WALL_EPOCH_NS  # since 1970, when the run's clock was 0
    mark: str = ""  # stands in references that the link makes of those it was given
    _spans: int = field(default=0, init=False)

    def new_span(self) -> str:
        """16 hex digits, unique in the run."""
        self._spans += 1
        return f"{self.span_prefix}{self._spans:08x}"

    def draw(self, *key: str | int) -> float:
        """A number in [0, 1) for this link and key."""
        return draw(self.seed, self.link, *key)

    def draws(self, *key: str | int) -> Callable[[str], float]:
        """`draw` of this key with more words, for many requests: see `chance.draws`."""
        return draws(self.seed, self.link, *key)

    def decided(
        self,
        kind: DecisionKind,
        operation: str,
        target: str,
        *,
        payment: str = "",
        attempt: int = 0,
        detail: str = "",
        amount_minor: int = 0,
    ) -> None:
        """Put a decision into the journal."""
        self.journal.append(
            Decision(
                link=self.link,
                kind=kind,
                at_ns=self.now_ns(),
                payment=payment,
                attempt=attempt,
                operation=operation,
                target=target,
                detail=detail,
                amount_minor=amount_minor,
            )
        )

    def moved(
        self,
        kind: MovementKind,
        request: PaymentRequest,
        decided_by: str,
        *,
        leg: Leg = "in",
        at_ns: int | None = None,
    ) -> None:
        """Put a money movement into the link's book; made now, if `at_ns` does not say when."""
        self.journal.append(
            Movement(
                link=self.link,
                payment=request.payment,
                attempt=request.attempt,
                kind=kind,
                amount_minor=request.amount_minor,
                currency=request.currency,
                reference=request.reference,
                at_ns=self.now_ns() if at_ns is None else at_ns,
                decided_by=decided_by,
                item=request.item,
                merchant=request.merchant,
                instrument=request.instrument.masked,
                leg=leg,
            )
        )
