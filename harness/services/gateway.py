"""Gateway: screens, authenticates and authorises a payment, and keeps the merchant's book."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import msgspec

from harness.payments.codes import (
    ISSUER_INOPERATIVE,
    LATE_RESPONSE,
    SYSTEM_MALFUNCTION,
    asks_for_authentication,
)
from harness.payments.journal import DecisionKind, MovementKind
from harness.payments.outcome import HopResult, Outcome
from harness.services.call_end import CallEnd, Sent
from harness.services.channel import Reply
from harness.services.merchant import Merchant
from harness.services.message import Answer, PaymentRequest, as_approved
from harness.services.notifications import Inbox
from harness.services.role import Role, Work


@dataclass
class Gateway(Role):
    """The payment service provider's gateway, which orchestrates one payment."""

    once = frozenset({"pay", "forward"})
    _merchant: Merchant = field(init=False)
    _inbox: Inbox = field(init=False)
    _paying: dict[str, asyncio.Event] = field(default_factory=dict, init=False)
    _times_paid: Counter[str] = field(default_factory=Counter, init=False)
    _approved: set[str] = field(default_factory=set, init=False)  # by the processor's reference

    def __post_init__(self) -> None:
        super().__post_init__()
        self._merchant = Merchant(
            self.context, self.link, self.book, self.background, self.follow,
            self.calls["authorise"].void,
        )  # fmt: skip
        senders = frozenset(
            name
            for name, link in self.chain.links.items()
            if link.notifies is not None and link.notifies.to == self.name
        )
        self._inbox = Inbox(
            self.context, self.background, senders, self._notified,
            forgets=self.link.forgets_notifications,
        )  # fmt: skip

    def operations(self) -> dict[str, Work]:
        """Takes payments, from an edge or straight from the customer, and notifications."""
        return {"pay": self._pay, "forward": self._pay, "notify": self._inbox.take}

    def give_back(self, payment: str) -> None:
        """The merchant refunds a payment by hand."""
        self._merchant.give_back(payment)

    async def _pay(self, request: PaymentRequest, parent: str) -> Answer:
        paid = self._paying[request.payment] = asyncio.Event()
        self._times_paid[request.payment] += 1
        try:
            return await self._conduct(request, parent)
        except asyncio.CancelledError:
            if not self.background.is_kept:  # what was begun is not reversed: the same once more
                self._times_paid[request.payment] -= 1
            raise
        finally:
            self._paying.pop(request.payment, None)
            paid.set()

    async def _notified(self, sender: str, event: PaymentRequest) -> None:
        """Act on an event, which may come before the answer it is about.

        An authorisation that the gateway knows nothing of is the late success of an attempt that
        was given up: nobody will take the money, so it is reversed.
        """
        paid = self._paying.get(event.payment)
        if paid is not None:
            await paid.wait()
        if event.event != "authorised" or self._merchant.notified(event.reference):
            return
        if event.reference not in self._approved:
            asked = msgspec.structs.replace(
                event, key=event.reference, item="", event="", signature="", at_ns=0
            )
            self.calls["authorise"].void(Sent(sender, asked))

    async def _conduct(self, request: PaymentRequest, parent: str) -> Answer:
        request = msgspec.structs.replace(request, accepts_partial=self.link.accepts_partial)
        refused = await self._screen(request, parent)
        if refused is not None:
            return refused
        request, refused = await self._authenticate(request, parent)
        if refused is not None:
            return refused
        answer = await self._authorise(request, parent, 1)
        # Soft declines: with the cardholder challenged it may go. In an outage of authentication
        # this would go round for ever: the number of rounds is bounded (domain.md §1.2).
        for number in range(2, 2 + self.link.reauthentications):
            if "authenticate" not in self.calls or not self._is_soft(answer, request):
                break
            self.context.decided(
                DecisionKind.REAUTHENTICATE, "authenticate", self.link.calls["authenticate"].to,
                payment=request.payment, attempt=number - 1, detail=answer.code,
            )  # fmt: skip
            request = msgspec.structs.replace(request, wants_challenge=True)
            request, refused = await self._authenticate(request, parent)
            if refused is not None:
                return refused
            answer = await self._authorise(request, parent, number)
        return answer

    def _is_soft(self, answer: Answer, request: PaymentRequest) -> bool:
        return answer.outcome is Outcome.DECLINED and asks_for_authentication(
            answer.code, request.card.scheme
        )

    async def _screen(self, request: PaymentRequest, parent: str) -> Answer | None:
        """None when the payment may go on."""
        if "screen" not in self.calls:
            return None
        end = await self.calls["screen"].execute(request, parent)
        return self._refusal(end)

    async def _authenticate(
        self, request: PaymentRequest, parent: str
    ) -> tuple[PaymentRequest, Answer | None]:
        """The request with what authentication said, and the refusal when it may not go on."""
        if "authenticate" not in self.calls:
            return request, None
        end = await self.calls["authenticate"].execute(request, parent)
        refused = self._refusal(end)
        answer = end.reply.answer
        has_worked = end.reply.result is HopResult.APPROVED
        request = msgspec.structs.replace(
            request, authenticated=has_worked, exempt=end.is_exempt,
            three_ds=answer.three_ds if has_worked and answer is not None else "",
        )  # fmt: skip
        return request, refused

    def _refusal(self, end: CallEnd) -> Answer | None:
        if end.reply.result.worked:
            answer = end.reply.answer
            is_declined = answer is not None and answer.outcome is Outcome.DECLINED
            return answer if is_declined else None
        return None if end.is_skipped or end.is_exempt else self.decline(SYSTEM_MALFUNCTION)

    async def _authorise(self, request: PaymentRequest, parent: str, number: int) -> Answer:
        """The `number`-th round of authorising: each has a reference of its own."""
        number += self._used_before(request)
        reference = f"{request.payment}-{number}"
        first = msgspec.structs.replace(
            request, reference=reference, key=reference, attempt=request.attempt + number - 1
        )
        end = await self.calls["authorise"].execute(first, parent)
        answer = end.reply.answer
        if end.is_stood_in or end.is_queued:
            return self._decide_alone(end)
        if answer is not None and end.reply.result.worked:
            if answer.outcome is Outcome.APPROVED:
                self._book(end.request, answer, MovementKind.AUTHORISED)
                self._merchant.approved(end.standing[-1], answer.reference)
                self._approved.add(end.standing[-1].request.reference)
            return answer
        if end.is_unresolved:
            return Answer(Outcome.UNKNOWN, LATE_RESPONSE, self.name)
        return self.decline(answer.code if answer is not None else ISSUER_INOPERATIVE)

    def _used_before(self, request: PaymentRequest) -> int:
        """Numbers of attempts that the same payment may have used, when it is asked for again.

        A first one that was cut short or declined may be reversed by now, or soon. Without
        reversals the same reference is what keeps the customer from being charged twice.
        """
        call = self.link.calls["authorise"]
        if call.on_unknown != "reverse":
            return 0
        rounds = 1 + self.link.reauthentications + len(call.fallback) + (call.hedge is not None)
        return rounds * (self._times_paid[request.payment] - 1)

    def _decide_alone(self, end: CallEnd) -> Answer:
        """Approve although nobody behind answered: stand in and advise, or store and forward."""
        answer = self.approve(end.request)
        kind = MovementKind.STOOD_IN if end.is_stood_in else MovementKind.STORED
        self._book(end.request, answer, kind)
        sent = Sent(self.link.calls["authorise"].to, end.request)
        self._approved.add(sent.request.reference)
        if end.is_stood_in:
            self.advise(end)
            self._merchant.approved(sent, answer.reference)
        else:
            self.background.start(self._delivered(end, sent))
        return answer

    async def _delivered(self, end: CallEnd, sent: Sent) -> None:
        """What was stored is approved or declined when it is forwarded: the risk of storing it."""
        assert end.later is not None  # it was queued
        reply: Reply = await end.later
        if reply.result is HopResult.APPROVED:
            self._merchant.approved(sent, sent.request.reference)
        else:
            await self.book.reverse(sent.request.reference)

    def _book(self, request: PaymentRequest, answer: Answer, kind: MovementKind) -> None:
        booked = as_approved(request, answer)
        entry = self.book.begin(booked.reference)
        assert entry is not None  # nobody reverses an authorisation of the gateway's own
        self.book.settle(entry, booked, answer, kind)
