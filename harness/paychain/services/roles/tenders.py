"""A payment that is paid by several means: each part is authorised at a link of its own.

gift card ── approved ──▶ card ── approved ──▶ the payment is approved
    └ declined               └ declined ──▶ with `compensates` the gift card's part is reversed

Source: docs/domain.md §2.5 (I2): what was authorised for an order that failed has no owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from paychain.model.policy import Call
from paychain.payments.codes import APPROVED, PARTIAL_APPROVAL
from paychain.payments.money import parts_of
from paychain.payments.outcome import Outcome
from paychain.payments.rules.position import PART
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.policies.call_end import CallEnd, CallEnding, SentRequest
from paychain.services.policies.policy import PolicyCall


@dataclass(frozen=True, kw_only=True)
class Tendered:
    """How far the tenders of a payment came: those that were approved, and the one that failed."""

    approved: tuple[CallEnd, ...]
    failed: CallEnd | None

    @property
    def answer(self) -> Answer:
        """The one approval of all parts."""
        assert self.failed is None
        answers = [end.answer for end in self.approved]
        is_partial = any(answer.code == PARTIAL_APPROVAL for answer in answers)
        return Answer(
            Outcome.APPROVED,
            PARTIAL_APPROVAL if is_partial else APPROVED,
            answers[-1].decided_by,
            answers[-1].reference,
            sum(answer.amount_minor for answer in answers),
        )


class Tenders:
    """The tenders of one gateway's authorisations. `calls`: of each link that takes a share."""

    def __init__(
        self,
        declared: Call,
        own: PolicyCall,
        calls: Mapping[str, PolicyCall],
        void: Callable[[SentRequest], None],
        *,
        survives: bool,
    ) -> None:
        self._shares = declared.shared_tenders
        self._compensates = declared.compensates
        self._own = own
        self._calls = calls
        self._void = void
        self._survives = survives

    def __len__(self) -> int:
        """How many tenders a payment has."""
        return len(self._shares) + 1

    async def execute(self, whole: PaymentRequest, parent: str) -> Tendered:
        """Authorise part after part until one fails."""
        approved: list[CallEnd] = []
        used = 0
        try:
            for number, (call, minor) in enumerate(self._parts(whole.amount_minor), start=1):
                reference = f"{whole.reference}{PART}{number}"
                part = msgspec.structs.replace(
                    whole,
                    amount_minor=minor,
                    reference=reference,
                    key=reference,
                    attempt=whole.attempt + used,
                )
                end = await call.execute(part, parent)
                used += end.attempts
                if (
                    end.ending is not CallEnding.ANSWERED
                    or end.answer.outcome is not Outcome.APPROVED
                ):
                    self.undo(approved)
                    return Tendered(approved=tuple(approved), failed=end)
                approved.append(end)
        except asyncio.CancelledError:
            # The link dies meanwhile. What is on disk survives it and is reversed later.
            if self._survives:
                self.undo(approved)
            raise
        return Tendered(approved=tuple(approved), failed=None)

    def undo(self, approved: list[CallEnd]) -> None:
        """Reverse the parts that were approved, where that is declared."""
        if self._compensates:
            for end in approved:
                self._void(end.standing[-1])

    def _parts(self, amount_minor: int) -> Iterator[tuple[PolicyCall, int]]:
        """The call and the amount of each part; a part of nothing is not authorised."""
        calls = [*(self._calls[name] for name, _ in self._shares), self._own]
        minors = parts_of(amount_minor, [share for _, share in self._shares])
        return ((call, minor) for call, minor in zip(calls, minors, strict=True) if minor > 0)
