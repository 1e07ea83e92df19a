"""What a link's code takes from outside: clock, ids, chance and journal. Nothing else is global."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.payments.chance import draw
from harness.payments.journal import Decision, DecisionKind, Journal, Movement, MovementKind
from harness.services.message import PaymentRequest


def _up() -> asyncio.Event:
    up = asyncio.Event()
    up.set()
    return up


@dataclass(slots=True)
class Context:
    """One link's surroundings. `now_ns` counts from the run's epoch, on the loop's own clock."""

    link: str
    seed: int
    now_ns: Callable[[], int]
    journal: Journal
    span_prefix: str  # of one life of one link, distinguishes its spans: 8 hex digits
    up: asyncio.Event = field(default_factory=_up)  # not set while the link lies dead
    mark: str = ""  # stands in references that the link makes of those it was given
    _spans: int = field(default=0, init=False)

    def new_span(self) -> str:
        """16 hex digits, unique in the run."""
        self._spans += 1
        return f"{self.span_prefix}{self._spans:08x}"

    def draw(self, *key: str | int) -> float:
        """A number in [0, 1) for this link and key."""
        return draw(self.seed, self.link, *key)

    def decided(
        self, kind: DecisionKind, operation: str, target: str, *, payment: str = "",
        attempt: int = 0, detail: str = "",
    ) -> None:  # fmt: skip
        """Put a decision into the journal."""
        self.journal.append(
            Decision(self.link, kind, self.now_ns(), payment, attempt, operation, target, detail)
        )

    def moved(self, kind: MovementKind, request: PaymentRequest, decided_by: str) -> None:
        """Put a money movement into the link's book."""
        self.journal.append(
            Movement(
                self.link, request.payment, request.attempt, kind, request.amount_minor,
                request.currency, request.reference, self.now_ns(), decided_by, request.item,
            )
        )  # fmt: skip
