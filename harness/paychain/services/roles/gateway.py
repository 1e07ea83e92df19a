"""Gateway: what stands before a payment, its authorisation, and the merchant's book.

third parties ─▶ vault ─▶ screening ─▶ authentication ─▶ authorisation ─▶ book
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from paychain.model.named_calls import named
from paychain.payments.codes import (
    APPROVED,
    ISSUER_INOPERATIVE,
    LATE_RESPONSE,
    NOT_FOUND,
    SYSTEM_MALFUNCTION,
    asks_for_authentication,
)
from paychain.payments.journal import DecisionKind, MovementKind
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import Answer, Event, PaymentRequest, as_approved
from paychain.protocol.reply import Reply
from paychain.services.policies.call_end import CallEnd, CallEnding, SentRequest
from paychain.services.roles.forwarded import ForwardedPayments, TakenAuthorisation, forwarded_as
from paychain.services.roles.merchant import Merchants
from paychain.services.roles.role import Role, Work
from paychain.services.roles.sale import Sale
from paychain.services.roles.tenders import Tenders
from paychain.services.state.retained import Retained
from paychain.services.state.webhooks import WebhookReceiver, senders_to


@dataclass
class Gateway(Role):
    """The payment service provider's gateway, which orchestrates one payment."""

    once = frozenset({"pay", "forward"})
    _merchant: Merchants = field(init=False)
    _receiver: WebhookReceiver = field(init=False)
    _sale: Sale | None = field(default=None, init=False)
    _tenders: Tenders | None = field(default=None, init=False)
    _forwarded: ForwardedPayments | None = field(default=None, init=False)
    _paying: dict[str, asyncio.Event] = field(default_factory=dict, init=False)
    _began_ns: dict[str, int] = field(default_factory=dict, init=False)  # by payment
    _times_paid: Retained[int] = field(init=False)
    _approved: set[str] = field(default_factory=set, init=False)  # by the processor's reference
    _before: tuple[str, ...] = field(init=False)  # calls before the authentication, in order

    def __post_init__(self) -> None:
        super().__post_init__()
        self._times_paid = Retained(self.retention)
        asked = (
            name
            for operation in ("serve", "tokenise", "screen")
            for name in named(operation, self.calls)
        )
        self._before = tuple(asked)
        if self.tenders:
            self._tenders = Tenders(
                self.link.calls["authorise"],
                self.calls["authorise"],
                self.tenders,
                self.calls["authorise"].void,
                survives=self.background.is_kept,
            )
        if self.name in self.chain.reversed_by_callers:
            self._forwarded = ForwardedPayments(self.retention)
        self._merchant = Merchants(
            context=self.context,
            link=self.link,
            book=self.book,
            retention=self.retention,
            background=self.background,
            follow=self.follow,
            void=self.calls["authorise"].void,
            settled=self.follow_ups.settled,
        )
        if "transfer" in self.calls:
            self._sale = Sale(
                context=self.context,
                chain=self.chain,
                calls=self.calls,
                background=self.background,
                on_final=self._merchant.approved,
                on_declined=self._merchant.release,
            )
        self._receiver = WebhookReceiver(
            self.context,
            self.background,
            senders_to(self.chain, self.name),
            self._on_webhook,
            deduplicates=self.link.deduplicates,
        )

    def operations(self) -> dict[str, Work]:
        """Payments, from an edge or straight from the customer, their reversals, and webhooks."""
        return {
            "pay": self._pay,
            "forward": self._pay,
            "void": self._reverse,
            "notify": self._receiver.take,
        }

    def refund(self, payment: str) -> None:
        """The merchant refunds a payment manually."""
        self._merchant.refund(payment)

    async def _pay(self, request: PaymentRequest, parent: str) -> Answer:
        """Process one payment; webhooks about it wait until it is done."""
        # Its reversal came first: this is a late original, and nothing may be taken for it.
        if self._forwarded is not None and self._forwarded.is_reversed(request):
            return self.decline(LATE_RESPONSE, forwarded_as(request))
        if self._sale is not None and self._sale.is_begun(request.payment):
            return await self._sale.answer(request.payment)
        paid = self._paying[request.payment] = asyncio.Event()
        self._times_paid[request.payment] = (self._times_paid.get(request.payment) or 0) + 1
        self._began_ns.setdefault(request.payment, self.context.now_ns())
        try:
            return await self._process(request, parent)
        except asyncio.CancelledError:
            # The link dies. Without an outbox on disk nothing that was begun is reversed, so a
            # repeat of the payment has to use the same reference once more.
            if not self.background.is_kept:
                self._times_paid[request.payment] -= 1
            raise
        finally:
            self._paying.pop(request.payment, None)
            self._began_ns.pop(request.payment, None)
            paid.set()

    async def _reverse(self, request: PaymentRequest, parent: str) -> Answer:
        """Undo a forwarded payment whose caller had no answer: cancel it, or refund it.

        Acknowledged once it is known what was taken; a capture that is under way is refunded later.
        """
        name = forwarded_as(request)
        if self._forwarded is None:
            return self.decline(NOT_FOUND, name)
        self._forwarded.reverse(request)
        paid = self._paying.get(request.payment)
        if paid is not None:
            await paid.wait()
        taken = self._forwarded.withdraw(request)
        for sent, booked in taken:
            # What came too late for the customer is not in the book; it is reversed again.
            if self.book.entry(booked) is not None:
                self.background.start(self._merchant.undo(sent, booked))
            else:
                self.calls["authorise"].void(sent)
        # As with any reversal, an unknown payment is acknowledged too.
        return Answer(Outcome.APPROVED, APPROVED if taken else NOT_FOUND, self.name, name)

    async def _on_webhook(self, sender: str, event: Event) -> None:
        """Act on an event, which may come before the answer to the request it is about.

        An authorisation that the gateway does not know is the late success of an attempt that was
        given up: it will never be captured, so it is reversed.
        """
        paid = self._paying.get(event.payment)
        if paid is not None:
            await paid.wait()
        if event.event == "disputed":
            self._merchant.on_disputed(event.reference, event.amount_minor)
        if event.event != "authorised" or self._merchant.on_authorised(event.reference):
            return
        if event.reference not in self._approved:
            self.calls["authorise"].void(SentRequest(sender, event.authorisation()))

    async def _process(self, request: PaymentRequest, parent: str) -> Answer:
        """Ask third parties and the vault, screen, authenticate, authorise: each may end it."""
        accepts = self.link.accepts_partial
        if request.accepts_partial != accepts:
            request = msgspec.structs.replace(request, accepts_partial=accepts)
        for name in self._before:
            refused = await self._ask(name, request, parent)
            if refused is not None:
                return refused
        if self._sale is not None and (refused := await self._sale.quote(request, parent)):
            return refused
        request, refused = await self._authenticate(request, parent)
        if refused is not None:
            return refused
        answer = await self._authorise(request, parent, 1)
        # After a soft decline the payment may pass once the cardholder is challenged. In an outage
        # of authentication it would never end: the rounds are bounded (docs/domain.md §1.2).
        for number in range(2, 2 + self.link.reauthentications):
            if "authenticate" not in self.calls or not self._is_soft(answer, request):
                break
            self._record_reauthentication(request, number - 1, answer.code)
            request = msgspec.structs.replace(request, wants_challenge=True)
            request, refused = await self._authenticate(request, parent)
            if refused is not None:
                return refused
            answer = await self._authorise(request, parent, number)
        return answer

    def _record_reauthentication(self, request: PaymentRequest, attempt: int, code: str) -> None:
        self.context.decided(
            DecisionKind.REAUTHENTICATE,
            "authenticate",
            self.link.calls["authenticate"].to,
            payment=request.payment,
            attempt=attempt,
            detail=code,
        )

    def _is_soft(self, answer: Answer, request: PaymentRequest) -> bool:
        return answer.outcome is Outcome.DECLINED and asks_for_authentication(
            answer.code, request.instrument.group
        )

    async def _ask(self, name: str, request: PaymentRequest, parent: str) -> Answer | None:
        """Make one call; None when the payment may go on."""
        if self.link.calls[name].aside:
            self.background.start(self._ask_aside(name, request, parent), is_of_request=True)
            return None
        return self._refusal(await self.calls[name].execute(request, parent))

    async def _ask_aside(self, name: str, request: PaymentRequest, parent: str) -> None:
        """Make a call that the payment does not wait for."""
        end = await self.calls[name].execute(request, parent)
        if not end.reply.result.worked:
            self.context.decided(
                DecisionKind.LEFT_OUT,
                name,
                self.link.calls[name].to,
                payment=request.payment,
                attempt=request.attempt,
                detail=end.reply.result,
            )

    async def _authenticate(
        self, request: PaymentRequest, parent: str
    ) -> tuple[PaymentRequest, Answer | None]:
        """The request with its authentication, and the refusal when it may not go on."""
        if "authenticate" not in self.calls:
            return request, None
        end = await self.calls["authenticate"].execute(request, parent)
        refused = self._refusal(end)
        answer = end.reply.answer
        has_worked = end.reply.result is HopResult.APPROVED
        by = self.chain.links.get(answer.decided_by) if answer is not None else None
        request = msgspec.structs.replace(
            request,
            authenticated=has_worked,
            exempt=end.is_exempt,
            three_ds=answer.three_ds if has_worked and answer is not None else "",
            proof_for=tuple(by.valid_for) if has_worked and by is not None else (),
        )
        return request, refused

    def _refusal(self, end: CallEnd) -> Answer | None:
        """The answer that ends the payment before it is authorised; None when it may go on."""
        if end.ending is CallEnding.ANSWERED:
            return end.answer if end.answer.outcome is Outcome.DECLINED else None
        return None if end.is_skipped or end.is_exempt else self.decline(SYSTEM_MALFUNCTION)

    async def _authorise(self, request: PaymentRequest, parent: str, number: int) -> Answer:
        """The `number`-th round of authorising: each has a reference of its own."""
        number += self._used_before(request)
        # An edge that failed over from another gateway has begun a new attempt with its own name.
        reference = f"{request.reference or request.payment}-{number}"
        attempt = request.attempt + (number - 1) * (len(self._tenders) if self._tenders else 1)
        first = msgspec.structs.replace(
            request, reference=reference, key=reference, attempt=attempt
        )
        if self._tenders is not None:
            return await self._authorise_parts(self._tenders, first, request, parent)
        if self._forwarded is not None:
            self._forwarded.begin(request, SentRequest(self.link.calls["authorise"].to, first))
        end = await self.calls["authorise"].execute(first, parent)
        self._note(request, end)
        match end.ending:
            case CallEnding.DECIDES_ALONE:
                return self._decide_alone(end)
            case CallEnding.ANSWERED:
                answer = end.answer
                if end.is_found and self._has_left(request):
                    return self._undo_too_late(end)
                if answer.outcome is not Outcome.APPROVED:
                    return answer
                booked = self._take(end)
                if self._sale is not None:
                    return await self._sale.deliver(end.standing[-1], booked, answer, parent)
                return answer
            case CallEnding.UNRESOLVED | CallEnding.FAILED:
                return self._failure(end)

    async def _authorise_parts(
        self, tenders: Tenders, whole: PaymentRequest, forwarded: PaymentRequest, parent: str
    ) -> Answer:
        """Authorise a payment by several means: it is approved when all of them are."""
        tendered = await tenders.execute(whole, parent)
        failed = tendered.failed
        for end in (*tendered.approved, *((failed,) if failed is not None else ())):
            self._note(forwarded, end)
        if failed is not None:
            return failed.answer if failed.ending is CallEnding.ANSWERED else self._failure(failed)
        if self._has_left(whole) and any(end.is_found for end in tendered.approved):
            for end in tendered.approved:
                self._undo_too_late(end)
            return self.decline(LATE_RESPONSE)
        for end in tendered.approved:
            self._take(end)
        return tendered.answer

    def _note(self, request: PaymentRequest, end: CallEnd) -> None:
        """Remember what a call may have taken, where the caller may want it back."""
        if self._forwarded is None:
            return
        # What this gateway reverses by itself needs no second reversal.
        is_reversed = self.link.calls["authorise"].on_unknown == "reverse"
        taken = [] if is_reversed else [TakenAuthorisation(sent) for sent in end.standing]
        if end.ending is CallEnding.DECIDES_ALONE:
            sent = SentRequest(self.link.calls["authorise"].to, end.request)
            taken.append(TakenAuthorisation(sent, end.request.reference))
        elif end.reply.result is HopResult.APPROVED:
            taken = [*taken[:-1], TakenAuthorisation(end.standing[-1], end.answer.reference)]
        self._forwarded.note(request, *taken)

    def _take(self, end: CallEnd) -> PaymentRequest:
        """Book an approval, and do what the merchant wants done with it; as it is booked."""
        booked = self._book(end.request, end.answer, MovementKind.AUTHORISED)
        if self._sale is None or not self._sale.waits:
            self._merchant.approved(end.standing[-1], end.answer.reference)
        self._approved.add(end.standing[-1].request.reference)
        return booked

    def _failure(self, end: CallEnd) -> Answer:
        """The answer to a payment whose call brought no final one."""
        if end.ending is CallEnding.UNRESOLVED:
            return self.unknown()
        failed = end.reply.answer
        return self.decline(failed.code if failed is not None else ISSUER_INOPERATIVE)

    def _has_left(self, request: PaymentRequest) -> bool:
        """Whether the customer waits no longer."""
        now_ns = self.context.now_ns()
        waited_s = (now_ns - self._began_ns.get(request.payment, now_ns)) / 1e9
        return waited_s > self.chain.deadline

    def _undo_too_late(self, end: CallEnd) -> Answer:
        """Reverse an approval that was found after the customer had left: nobody would see it."""
        for sent in end.standing:
            self.calls["authorise"].void(sent)
        return self.decline(LATE_RESPONSE)

    def _used_before(self, request: PaymentRequest) -> int:
        """How many attempt numbers earlier requests for the same payment may have used.

        An earlier attempt that was cut short or declined may be reversed by now, or soon: a repeat
        must not share its reference. Without reversals the same reference is what keeps the
        customer from being charged twice.
        """
        if self.link.calls["authorise"].on_unknown != "reverse":
            return 0
        times_before = (self._times_paid.get(request.payment) or 1) - 1
        return self._rounds * times_before if times_before else 0

    @cached_property
    def _rounds(self) -> int:
        """How many attempt numbers one request for a payment may use."""
        call = self.link.calls["authorise"]
        fallbacks = len(call.fallback) + (call.hedge is not None)
        return 1 + self.link.reauthentications + fallbacks + len(call.shared_tenders)

    def _decide_alone(self, end: CallEnd) -> Answer:
        """Approve without an answer from behind: stand in and advise, or store and forward."""
        answer = self.approve(end.request)
        kind = MovementKind.STOOD_IN if end.is_stood_in else MovementKind.STORED
        self._book(end.request, answer, kind)
        sent = SentRequest(self.link.calls["authorise"].to, end.request)
        self._approved.add(sent.request.reference)
        if end.is_stood_in:
            self.advise(end)
            self._merchant.approved(sent, answer.reference)
        else:
            self.background.start(self._delivered(end, sent))
        return answer

    async def _delivered(self, end: CallEnd, sent: SentRequest) -> None:
        """What was stored is approved or declined when it is forwarded: the risk of storing it."""
        assert end.later is not None  # it was queued
        reply: Reply = await end.later
        if reply.result is HopResult.APPROVED:
            self.book.deliver(sent.request.reference, reply.answer)
            self._merchant.approved(sent, sent.request.reference)
        else:
            await self.book.reverse(sent.request.reference)

    def _book(self, request: PaymentRequest, answer: Answer, kind: MovementKind) -> PaymentRequest:
        booked = as_approved(request, answer)
        entry = self.book.begin(booked.reference)
        assert entry is not None  # a gateway reverses payments, not references it has yet to book
        self.book.settle(entry, booked, answer, kind)
        return booked
