"""What a merchant does with an approved payment: cancel it, capture it in parts, refund it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from itertools import accumulate
from typing import Protocol

import msgspec

from paychain.model.chain import Link
from paychain.model.lifecycle import Captures, Trigger
from paychain.payments.journal import DecisionKind
from paychain.payments.money import repeated_share, share_of
from paychain.payments.outcome import HopResult
from paychain.payments.rules.follow_ups import UNDOING
from paychain.payments.rules.position import REPEAT
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.policies.call_end import SentRequest
from paychain.services.state.background import Background
from paychain.services.state.book import Book, Entry
from paychain.services.state.followup import name_of
from paychain.services.state.kept import Retention
from paychain.services.state.retained import Retained


class Follow(Protocol):
    """Sends a follow-up to where its authorisation was sent."""

    def __call__(
        self, operation: str, sent: SentRequest, request: PaymentRequest, *, in_order: bool = True
    ) -> asyncio.Task[Reply]:
        """`in_order`: after what was started before for the same authorisation."""


class Merchants:
    """The merchants of one gateway: they decide by the gateway's declared shares."""

    def __init__(
        self,
        *,
        context: Context,
        link: Link,
        book: Book,
        retention: Retention,
        background: Background,
        follow: Follow,
        void: Callable[[SentRequest], None],
        settled: Callable[[str], Awaitable[None]],
    ) -> None:
        self._context = context
        self._link = link
        self._book = book
        self._background = background
        self._follow = follow
        self._void = void
        self._settled = settled
        # By the processor's reference.
        self._awaiting: Retained[tuple[SentRequest, str]] = Retained(retention)
        # by payment and reference: refundable
        self._fulfilled: Retained[dict[str, SentRequest]] = Retained(retention)
        self._manual_refunds: Counter[str] = Counter()  # by payment
        # references of payments that their caller reversed
        self._undone: Retained[None] = Retained(retention)
        # by the processor's reference: minor units that were charged back
        self._disputed: Retained[int] = Retained(retention)
        self._refunding: Retained[None] = Retained(retention)  # references whose refunds are due
        self._under_way: Counter[str] = Counter()  # by reference: minor units asked to be refunded

    def approved(self, sent: SentRequest, reference: str) -> None:
        """`sent` was approved; the gateway's book has it under `reference`."""
        payment = sent.request.payment
        link = self._link
        # What was stored is delivered although its payment was reversed meanwhile.
        if reference in self._undone:
            return
        if link.cancels is not None and self._drawn("cancels", payment, link.cancels.share):
            self._due("void", sent, sent.request.reference)
            self._background.start(self._cancel(sent, reference, link.cancels.after))
        elif link.captures is not None and self._drawn("captures", payment, link.captures.share):
            # Written down now: what dies with the link in its wait was due all the same.
            for capture in self._captures(self._booked(reference), link.captures):
                self._due("capture", sent, name_of(sent, capture.item), capture.amount_minor)
            if "webhook" in link.captures.triggers:
                self._awaiting[sent.request.reference] = (sent, reference)
            for trigger in ("answer", "delivery"):
                if trigger in link.captures.triggers:
                    self._start_fulfilling(sent, reference, trigger)

    def release(self, sent: SentRequest, reference: str) -> None:
        """Nothing was given for it: what `sent` holds is the customer's again."""
        self._background.start(self._cancel(sent, reference, 0.0))

    def on_authorised(self, reference: str) -> bool:
        """A webhook reports `authorised`; false when no capture waits for it."""
        if reference not in self._awaiting:
            return False
        self._start_fulfilling(*self._awaiting[reference], "webhook")
        return True

    def on_disputed(self, reference: str, amount_minor: int) -> None:
        """A webhook reports a chargeback: the cardholder has that money, and no refund of it."""
        self._disputed[reference] = amount_minor

    def refund(self, payment: str) -> None:
        """A manual refund of what was captured of a payment and not refunded yet.

        Nothing happens where a chain declares no refunds: no hop would carry them.
        """
        if payment in self._fulfilled:
            assert self._link.refunds is not None  # or nothing is kept to be refunded
            self._manual_refunds[payment] += 1
            # The first numbers are those of the declared refunds.
            number = self._link.refunds.times + self._manual_refunds[payment]
            for reference, sent in self._fulfilled[payment].items():
                self._background.start(self._refund_rest(sent, reference, f"r{number}"))

    async def undo(self, sent: SentRequest, reference: str) -> None:
        """Undo an approved payment that its caller reversed: refund what was captured.

        What is not captured yet is released, and due no more. Captures under way are waited for.
        """
        self._undone[reference] = None
        self._awaiting.pop(sent.request.reference)
        await self._context.up.wait()
        await self._settled(sent.request.reference)
        entry = self._book.entry(reference)
        assert entry is not None  # it was approved
        self._cancel_captures(sent, reference, entry)
        if entry.rest_minor > 0:
            await self._book.reverse(reference)
            self._void(sent)
        if entry.captured_minor > entry.refunded_minor:
            await self._refund_rest(sent, reference, UNDOING)

    def _cancel_captures(self, sent: SentRequest, reference: str, entry: Entry) -> None:
        """Write down that the captures which were not made are not due any more."""
        declared = self._link.captures
        payment = sent.request.payment
        if declared is None or not self._drawn("captures", payment, declared.share):
            return
        done = {item.partition(REPEAT)[0] for item in entry.items}
        for capture in self._captures(self._booked(reference), declared):
            if capture.item not in done:
                self._cancelled("capture", sent, capture.item)

    def _cancelled(self, operation: str, sent: SentRequest, item: str) -> None:
        self._context.decided(
            DecisionKind.FOLLOW_UP_CANCELLED,
            operation,
            sent.target,
            payment=sent.request.payment,
            attempt=sent.request.attempt,
            detail=name_of(sent, item),
        )

    async def _refund_rest(self, sent: SentRequest, reference: str, item: str) -> None:
        await self._context.up.wait()
        entry = self._book.entry(reference)
        assert entry is not None  # it was approved
        assert entry.request is not None
        disputed_minor = self._disputed.get(sent.request.reference) or 0
        # A refund that has no answer yet is sent until it has one: it is not asked for once more.
        left_minor = entry.captured_minor - entry.refunded_minor - self._under_way[reference]
        rest_minor = left_minor - disputed_minor
        if rest_minor > 0:
            self._due("refund", sent, name_of(sent, item), rest_minor)
            await self._refund(sent, entry.request, rest_minor, item, left_minor=left_minor)

    async def _cancel(self, sent: SentRequest, reference: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._context.up.wait()
        await self._book.reverse(reference)
        self._void(sent)

    def _start_fulfilling(self, sent: SentRequest, reference: str, trigger: Trigger) -> None:
        is_refunded = self._is_refunded(sent.request.payment)
        self._background.start(self._fulfil(sent, reference, trigger), gives_back=is_refunded)

    async def _fulfil(self, sent: SentRequest, reference: str, trigger: Trigger) -> None:
        """Capture in parts, each after the one before; then maybe refund.

        Of two triggers the one that has captured first refunds, as the merchant wants that once:
        the other one may have died with the link.
        """
        captures, refunds = self._link.captures, self._link.refunds
        if refunds is not None:
            known = self._fulfilled.get(sent.request.payment) or {}
            self._fulfilled[sent.request.payment] = {**known, reference: sent}
        assert captures is not None  # or nothing is fulfilled
        booked = self._booked(reference)
        is_second = trigger != captures.triggers[0]
        taken_minor = 0
        for capture in self._captures(booked, captures):
            await asyncio.sleep(captures.after)
            if reference in self._undone:
                return
            item = f"{capture.item}{REPEAT}{trigger}" if is_second and captures.key == "new" else ""
            asked = msgspec.structs.replace(capture, item=item or capture.item)
            reply = await self._follow("capture", sent, asked)
            if reply.result is HopResult.APPROVED:
                self._book.acknowledged("capture", asked)
                taken_minor += capture.amount_minor
        payment = booked.payment
        if refunds is None or not taken_minor or reference in self._undone:
            return
        if reference in self._refunding or not self._is_refunded(payment):
            return
        self._refunding[reference] = None
        shares = repeated_share(taken_minor, refunds.of, refunds.times)
        amounts = [minor for minor in shares if minor > 0] or [1]
        for number, minor in enumerate(amounts, start=1):
            self._due("refund", sent, name_of(sent, f"r{number}"), minor)
        # More than was captured is asked for, and refused: that is not wanted after a chargeback.
        left_minor = max(sum_ for sum_ in accumulate(amounts, initial=0) if sum_ <= taken_minor)
        for number, minor in enumerate(amounts, start=1):
            after_s = refunds.after + refunds.gap * (number - 1)
            self._background.start(
                self._refund(sent, booked, minor, f"r{number}", after_s, left_minor=left_minor)
            )
            left_minor -= minor

    def _is_refunded(self, payment: str) -> bool:
        refunds = self._link.refunds
        return refunds is not None and self._drawn("refunds", payment, refunds.share)

    def _booked(self, reference: str) -> PaymentRequest:
        """What was approved, as the gateway's book has it."""
        entry = self._book.entry(reference)
        assert entry is not None  # it was approved
        assert entry.request is not None
        return entry.request

    def _captures(self, booked: PaymentRequest, declared: Captures) -> Iterator[PaymentRequest]:
        """What is to be captured of an approval, in order."""
        amounts = list(_parts(share_of(booked.amount_minor, declared.of), declared.parts))
        for number, amount in enumerate(amounts, start=1):
            is_final = declared.final and number == len(amounts)
            yield msgspec.structs.replace(
                booked, amount_minor=amount, item=f"c{number}", is_final=is_final
            )

    def _due(self, operation: str, sent: SentRequest, name: str, amount_minor: int = 0) -> None:
        """Write down what has to follow from now on, as the follow-up itself will be called."""
        self._context.decided(
            DecisionKind.FOLLOW_UP_DUE,
            operation,
            sent.target,
            payment=sent.request.payment,
            attempt=sent.request.attempt,
            detail=name,
            amount_minor=amount_minor,
        )

    async def _refund(
        self,
        sent: SentRequest,
        booked: PaymentRequest,
        minor: int,
        item: str,
        after_s: float = 0.0,
        *,
        left_minor: int,
    ) -> None:
        """One refund; none waits for the answer to another.

        `left_minor`: what the cardholder should get by it and all later ones. After a chargeback
        of a part that is so much less: the merchant gives back what is missing.
        """
        await asyncio.sleep(after_s)
        asked_minor, disputed_minor = minor, self._disputed.get(sent.request.reference) or 0
        if disputed_minor:
            asked_minor = min(minor, left_minor - disputed_minor)
        if asked_minor <= 0 or (item != UNDOING and booked.reference in self._undone):
            self._cancelled("refund", sent, item)
            return
        if asked_minor < minor:
            self._due("refund", sent, name_of(sent, item), asked_minor)
        refund = msgspec.structs.replace(booked, amount_minor=asked_minor, item=item)
        self._under_way[booked.reference] += asked_minor
        try:
            reply = await self._follow("refund", sent, refund, in_order=False)
        finally:
            self._under_way[booked.reference] -= asked_minor
            if not self._under_way[booked.reference]:
                del self._under_way[booked.reference]
        if reply.result is HopResult.APPROVED:
            self._book.acknowledged("refund", refund)

    def _drawn(self, what: str, payment: str, share: float) -> bool:
        return self._context.draw(what, payment) < share


def _parts(amount_minor: int, parts: int) -> Iterator[int]:
    """Equal parts that are together the amount; what does not divide is in the last."""
    each = amount_minor // parts
    for number in range(1, parts + 1):
        part = each if number < parts else amount_minor - each * (parts - 1)
        if part > 0:
            yield part
