"""What a gateway sells for cards: an asset, which a wallet sends to the customer's address.

    card held ──▶ transfer ──▶ final: captured · declined: released
                    ▲  │
                    └──┴─ no answer: asked again, and the hold stays

What cannot be taken back comes before the capture, which can be left out. A gateway that captures
on the answer takes the money at once, whatever comes of the transfer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from zlib import crc32

import msgspec

from paychain.model.chain import Chain
from paychain.model.crypto import Price
from paychain.payments.codes import IN_PROGRESS, SYSTEM_MALFUNCTION
from paychain.payments.instrument import published
from paychain.payments.journal import DecisionKind
from paychain.payments.money import PRICE_UNIT, coins_for
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import Answer, PaymentRequest, Quote
from paychain.services.context import Context
from paychain.services.policies.call_end import SentRequest
from paychain.services.policies.policy import PolicyCall
from paychain.services.roles.transfers import transferred
from paychain.services.state.background import Background

OF_DEADLINE = 0.9  # "pending" has to reach the customer in time, too


@dataclass(slots=True, kw_only=True)
class _Purchase:
    """One purchase. `answer`: the card's approval; `ended`: what the customer sees in the end."""

    sent: SentRequest
    answer: Answer
    transfer: PaymentRequest
    ended: Answer | None = None
    answerable: asyncio.Event = field(default_factory=asyncio.Event)


class Sale:
    """The purchases of one gateway.

    `calls`: `transfer`, and maybe `quote`; without it a coin is at par with the currency.
    `on_final` is called once the customer has the asset, `on_declined` when none will be sent, each
    with what holds the card's money and the reference in the gateway's book.
    """

    def __init__(
        self,
        *,
        context: Context,
        chain: Chain,
        calls: Mapping[str, PolicyCall],
        background: Background,
        on_final: Callable[[SentRequest, str], None],
        on_declined: Callable[[SentRequest, str], None],
    ) -> None:
        self._context = context
        self._chain = chain
        self._call = calls["transfer"]
        self._background = background
        self._on_final, self._on_declined = on_final, on_declined
        captures = chain.links[context.link].captures
        self.waits = captures is None or "delivery" in captures.triggers
        self._quotes = {name: call for name, call in calls.items() if name == "quote"}
        self._price = chain.links[context.link].price
        self._last: Quote | None = None  # that the oracle has given
        self._quoted: dict[str, Quote] = {}  # by payment
        self._quoted_ns: dict[str, int] = {}  # when, by payment
        self._purchases: dict[str, _Purchase] = {}  # by payment

    def is_begun(self, payment: str) -> bool:
        """Whether a card's money is held for the payment, and the asset on its way."""
        return payment in self._purchases

    async def quote(self, request: PaymentRequest, parent: str) -> Answer | None:
        """Ask what a coin costs; the refusal of a payment where no price is good enough."""
        if not self._quotes:
            return None
        end = await self._quotes["quote"].execute(request, parent)
        answer = end.reply.answer
        if end.reply.result is HopResult.APPROVED and answer is not None and answer.quote:
            self._last = answer.quote
        elif not end.is_skipped:
            return self._refused()
        quote, declared = self._last, self._price
        assert declared is not None  # the checks require it
        if quote is None:
            return self._refused()
        now_ns = self._context.now_ns()
        if declared.checked and not _is_good(quote, declared, now_ns):
            return self._refused()
        self._quoted[request.payment] = quote
        self._quoted_ns[request.payment] = now_ns
        self._context.decided(
            DecisionKind.QUOTED,
            "quote",
            self._chain.links[self._context.link].calls["quote"].to,
            payment=request.payment,
            attempt=request.attempt,
            detail=f"{quote.price} since {quote.at_ns}",
        )
        return None

    def _refused(self) -> Answer:
        return Answer(Outcome.DECLINED, SYSTEM_MALFUNCTION, self._context.link)

    async def deliver(
        self, sent: SentRequest, booked: PaymentRequest, answer: Answer, parent: str
    ) -> Answer:
        """Let the asset be sent for what is held; the answer once that is final, or pending.

        `booked`: the approval, as the gateway's book has it. A gateway that captured at once waits
        for nothing. What is held later than the quote holds is released.
        """
        if self._is_too_late(booked):
            self._on_declined(sent, answer.reference)
            return Answer(
                Outcome.DECLINED, SYSTEM_MALFUNCTION, self._context.link, answer.reference
            )
        purchase = self._purchases[booked.payment] = _Purchase(
            sent=sent, answer=answer, transfer=self._transfer(booked)
        )
        self._background.start(self._send(purchase, parent))
        return await self.answer(booked.payment) if self.waits else answer

    async def answer(self, payment: str) -> Answer:
        """The answer to a caller who asks about a purchase: its outcome, or that it is pending."""
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

    def _is_too_late(self, booked: PaymentRequest) -> bool:
        """Whether the money is held later than the quote holds."""
        declared = self._price
        if declared is None or declared.holds_for is None or not declared.checked:
            return False
        held_ns = self._context.now_ns() - self._quoted_ns[booked.payment]
        return held_ns > declared.holds_for * 1e9

    def _transfer(self, booked: PaymentRequest) -> PaymentRequest:
        """The transfer of what was bought, at its price, to the customer's address."""
        quote = self._quoted.pop(booked.payment, None)
        price = quote.price if quote is not None else PRICE_UNIT
        addresses = published(self._chain.network)
        name = f"{booked.reference}.asset"
        return msgspec.structs.replace(
            booked,
            amount_minor=coins_for(booked.amount_minor, self._chain.scale, price),
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


def _is_good(quote: Quote, declared: Price, now_ns: int) -> bool:
    """Whether a price is new enough, and one that may be right."""
    if now_ns - quote.at_ns > declared.max_age * 1e9:
        return False
    bounds = declared.bounds
    return (
        bounds is None or bounds.lowest * PRICE_UNIT <= quote.price <= bounds.highest * PRICE_UNIT
    )
