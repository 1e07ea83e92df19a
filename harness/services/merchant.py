"""What a merchant does with an approved payment: cancel it, capture it in parts, refund it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from harness.model.chain import Link
from harness.payments.outcome import HopResult
from harness.services.background import Background
from harness.services.book import Book
from harness.services.call_end import Sent
from harness.services.channel import Reply
from harness.services.context import Context
from harness.services.message import PaymentRequest

Follow = Callable[[str, Sent, PaymentRequest], asyncio.Task[Reply]]

FIRST_BY_HAND = 2  # number of a refund that somebody decides: the declared one is r1


class Merchant:
    """The merchants of one gateway: they decide by the gateway's declared shares."""

    def __init__(
        self, context: Context, link: Link, book: Book, background: Background, follow: Follow,
        void: Callable[[Sent], None],
    ) -> None:  # fmt: skip
        self._context = context
        self._link = link
        self._book = book
        self._background = background
        self._follow = follow
        self._void = void
        self._awaiting: dict[str, tuple[Sent, str]] = {}  # by the processor's reference
        self._fulfilled: dict[str, tuple[Sent, str]] = {}  # by payment: what may be given back
        self._by_hand: Counter[str] = Counter()  # refunds that were decided so, by payment

    def approved(self, sent: Sent, reference: str) -> None:
        """`sent` was approved; the gateway's book has it under `reference`."""
        payment = sent.request.payment
        link = self._link
        if link.cancels is not None and self._drawn("cancels", payment, link.cancels.share):
            self._background.start(self._cancel(sent, reference, link.cancels.after))
        elif link.captures is not None and self._drawn("captures", payment, link.captures.share):
            if link.captures.on == "answer":
                self._background.start(self._fulfil(sent, reference))
            else:
                self._awaiting[sent.request.reference] = (sent, reference)

    def notified(self, reference: str) -> bool:
        """The processor says that it authorised; false when nobody waits to hear it."""
        if reference not in self._awaiting:
            return False
        self._background.start(self._fulfil(*self._awaiting[reference]))
        return True

    def give_back(self, payment: str) -> None:
        """Somebody decides to refund what was captured of a payment and not refunded yet.

        Nothing happens where a chain declares no refunds: no hop would carry them.
        """
        if payment in self._fulfilled:
            number = FIRST_BY_HAND + self._by_hand[payment]
            self._by_hand[payment] += 1
            self._background.start(self._give_back(*self._fulfilled[payment], f"r{number}"))

    async def _give_back(self, sent: Sent, reference: str, item: str) -> None:
        await self._context.up.wait()
        entry = self._book.entry(reference)
        assert entry is not None  # it was approved
        assert entry.request is not None
        if entry.captured_minor > entry.refunded_minor:
            back = entry.captured_minor - entry.refunded_minor
            await self._refund(sent, entry.request, back, item)

    async def _cancel(self, sent: Sent, reference: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._context.up.wait()
        await self._book.reverse(reference)
        self._void(sent)

    async def _fulfil(self, sent: Sent, reference: str) -> None:
        """Capture in parts, each after the one before; then maybe refund."""
        captures, refunds = self._link.captures, self._link.refunds
        if refunds is not None:
            self._fulfilled[sent.request.payment] = (sent, reference)
        entry = self._book.entry(reference)
        assert captures is not None  # or nothing is fulfilled
        assert entry is not None  # it was approved
        booked = entry.request
        assert booked is not None
        taken = 0
        amounts = list(_parts(int(booked.amount_minor * captures.of), captures.parts))
        for number, amount in enumerate(amounts, start=1):
            await asyncio.sleep(captures.after)
            asked = msgspec.structs.replace(
                booked, amount_minor=amount, item=f"c{number}", is_final=number == len(amounts)
            )
            reply = await self._follow("capture", sent, asked)
            if reply.result is HopResult.APPROVED:
                self._book.capture(asked)
                taken += amount
        payment = booked.payment
        if refunds is None or not taken or not self._drawn("refunds", payment, refunds.share):
            return
        await asyncio.sleep(refunds.after)
        await self._refund(sent, booked, max(1, int(taken * refunds.of)), "r1")

    async def _refund(self, sent: Sent, booked: PaymentRequest, minor: int, item: str) -> None:
        asked = msgspec.structs.replace(booked, amount_minor=minor, item=item)
        reply = await self._follow("refund", sent, asked)
        if reply.result is HopResult.APPROVED:
            self._book.refund(asked)

    def _drawn(self, what: str, payment: str, share: float) -> bool:
        return self._context.draw(what, payment) < share


def _parts(amount_minor: int, parts: int) -> Iterator[int]:
    """Equal parts that are together the amount; what does not divide is in the last."""
    each = amount_minor // parts
    for number in range(1, parts + 1):
        part = each if number < parts else amount_minor - each * (parts - 1)
        if part > 0:
            yield part
