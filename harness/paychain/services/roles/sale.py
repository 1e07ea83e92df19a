"""What a gateway sells for cards: an asset, which a wallet sends to the customer's address.

    card held ──▶ transfer ──▶ final: captured · declined: released
                    ▲  │
                    └──┴─ no answer: asked again, and the hold stays

What cannot be taken back comes before the capture, which can be left out. A gateway that captures
on the answer takes the money at once, whatever comes of the transfer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from zlib import crc32

import msgspec

from paychain.model.chain import Chain
from paychain.payments.codes import IN_PROGRESS
from paychain.payments.instrument import published
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.context import Context
from paychain.services.policies.call_end import Sent
from paychain.services.policies.policy import PolicyCall
from paychain.services.roles.transfers import transferred
from paychain.services.state.background import Background

OF_DEADLINE = 0.9  # "pending" has to reach the customer in time, too


@dataclass(slots=True, kw_only=True)
class _Purchase:
    """One purchase. `answer`: the card's approval; `ended`: what the customer sees in the end."""

    sent: Sent
    answer: Answer
    transfer: PaymentRequest
    ended: Answer | None = None
    answerable: asyncio.Event = field(default_factory=asyncio.Event)


class Sale:
    """The purchases of one gateway.

    `on_final` is called once the customer has the asset, `on_declined` when none will be sent, each
    with what holds the card's money and the reference in the gateway's book.
    """

    def __init__(
        self,
        *,
        context: Context,
        chain: Chain,
        call: PolicyCall,
        background: Background,
        on_final: Callable[[Sent, str], None],
        on_declined: Callable[[Sent, str], None],
    ) -> None:
        self._context = context
        self._chain = chain
        self._call = call
        self._background = background
        self._on_final, self._on_declined = on_final, on_declined
        captures = chain.links[context.link].captures
        self.waits = captures is None or "delivery" in captures.triggers
        self._purchases: dict[str, _Purchase] = {}  # by payment

    def is_begun(self, payment: str) -> bool:
        """Whether a card's money is held for the payment, and the asset on its way."""
        return payment in self._purchases

    async def deliver(
        self, sent: Sent, booked: PaymentRequest, answer: Answer, parent: str
    ) -> Answer:
        """Let the asset be sent for what is held; the answer once that is final, or pending.

        `booked`: the approval, as the gateway's book has it. A gateway that captured at once waits
        for nothing.
        """
        purchase = self._purchases[booked.payment] = _Purchase(
            sent=sent, answer=answer, transfer=self._transfer(booked)
        )
        self._background.start(self._send(purchase, parent))
        return await self.answer(booked.payment) if self.waits else answer

    async def answer(self, payment: str) -> Answer:
        """What whoever asks for a purchase sees: its end, or that it is pending."""
        purchase = self._purchases[payment]
        if not self.waits:
            return purchase.answer
        try:
            async with asyncio.timeout(self._chain.deadline * OF_DEADLINE):
                await purchase.answerable.wait()
        except TimeoutError:
            pass
        pending = Answer(
            Outcome.UNKNOWN, IN_PROGRESS, self._context.link, purchase.answer.reference
        )
        return purchase.ended or pending

    def _transfer(self, booked: PaymentRequest) -> PaymentRequest:
        """The transfer of what was bought, at par, to the customer's address."""
        addresses = published(self._chain.network)
        name = f"{booked.reference}.asset"
        return msgspec.structs.replace(
            booked,
            amount_minor=booked.amount_minor * self._chain.scale,
            currency=self._chain.asset,
            instrument=addresses[crc32(booked.payment.encode()) % len(addresses)],
            reference=name,
            key=name,
        )

    async def _send(self, purchase: _Purchase, parent: str) -> None:
        ended = await transferred(self._call, purchase.transfer, parent, self._context)
        if ended is None:
            return
        reference = purchase.answer.reference
        if ended.outcome is Outcome.APPROVED:
            purchase.ended = purchase.answer
        else:
            purchase.ended = Answer(Outcome.DECLINED, ended.code, self._context.link, reference)
        if self.waits:
            settle = self._on_final if ended.outcome is Outcome.APPROVED else self._on_declined
            settle(purchase.sent, reference)
            self._context.decided(
                DecisionKind.REPORTED,
                "transfer",
                "",
                payment=purchase.transfer.payment,
                attempt=purchase.transfer.attempt,
                detail=ended.outcome.value,
            )
        purchase.answerable.set()
