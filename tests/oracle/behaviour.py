"""Mutants that decide, answer, send or forget otherwise: more than a line in a book."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import msgspec

from paychain.payments.cards import TEST_CARDS
from paychain.payments.codes import PARTIAL_APPROVAL
from paychain.payments.journal import MovementKind
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, Error, ErrorKind, Event, PaymentRequest
from paychain.services.policies.call_end import SentRequest
from paychain.services.policies.fallbacks import Fallbacks
from paychain.services.policies.queue import Store
from paychain.services.policies.stand_in import StandInCount
from paychain.services.roles.authentication import Authentication
from paychain.services.roles.edge import Edge
from paychain.services.roles.fraud import Fraud
from paychain.services.roles.gateway import Gateway
from paychain.services.roles.issuer import Issuer
from paychain.services.roles.merchant import Merchants
from paychain.services.roles.processor import Processor
from paychain.services.roles.scheme import Scheme
from paychain.services.state.idempotency import IdempotencyStore
from tests.oracle.mutants import PHANTOM, Mutant
from tests.oracle.planting import (
    Decide,
    Lines,
    Plant,
    books,
    decides,
    instead,
    lines_of,
    together,
    twice,
    with_amount,
)
from tests.support import planted_services as services

K = MovementKind
LATER_S = 30.0  # beyond every drain


def _flip(honest: Decide) -> Decide:
    """Approved becomes declined, and the other way round."""

    async def decide(self: Any, request: PaymentRequest, *rest: Any) -> Answer:
        answer = await honest(self, request, *rest)
        if answer.outcome is Outcome.APPROVED:
            return Answer(Outcome.DECLINED, "05", self.name, answer.reference)
        reference = answer.reference or f"{request.payment}-1"
        return Answer(Outcome.APPROVED, "00", self.name, reference, request.amount_minor)

    return decide


async def _acknowledged_only(_honest: Any, self: Any, request: PaymentRequest, *_: Any) -> Answer:
    answer: Answer = self.approve(request)
    return answer


def _answers(change: int, *, full: bool = False) -> Any:
    """Another amount in an approval than was approved."""

    def bug(honest: Decide) -> Decide:
        async def decide(self: Any, request: PaymentRequest, *rest: Any) -> Answer:
            answer = await honest(self, request, *rest)
            amount = request.amount_minor if full else answer.amount_minor + change
            return msgspec.structs.replace(answer, amount_minor=amount)

        return decide

    return bug


def _alone(_honest: Decide) -> Decide:
    async def decide(self: Any, request: PaymentRequest, *_: Any) -> Answer:
        return self.approve(request)  # type: ignore[no-any-return]  # of the real one

    return decide


def _fails(_honest: Decide) -> Decide:
    async def decide(_self: Any, _request: PaymentRequest, *_: Any) -> Answer:
        raise RuntimeError("planted")

    return decide


def _unavailable(_honest: Decide) -> Decide:
    async def decide(_self: Any, _request: PaymentRequest, *_: Any) -> Any:
        return Error(ErrorKind.UNAVAILABLE)

    return decide


def busy_at_first(honest: Decide) -> Decide:
    """What is sent directly fails; what was stored and is delivered later does not."""

    async def decide(self: Any, request: PaymentRequest, *rest: Any) -> Answer:
        if "." not in request.reference:
            return self.decline("91", request.reference)  # type: ignore[no-any-return]  # of the real one
        return await honest(self, request, *rest)

    return decide


def _half(_honest: Decide) -> Decide:
    async def decide(self: Any, request: PaymentRequest, *_: Any) -> Answer:
        half = request.amount_minor // 2
        return Answer(Outcome.APPROVED, PARTIAL_APPROVAL, self.name, request.reference, half)

    return decide


def _sends_once_more(target: str, *, payment: str = "") -> Any:
    """A second authorisation behind the link, under a reference of its own."""

    def bug(honest: Decide) -> Decide:
        async def decide(self: Any, request: PaymentRequest, parent: str) -> Answer:
            answer = await honest(self, request, parent)
            reference = f"{payment}{request.reference}x"
            more = msgspec.structs.replace(
                request,
                payment=f"{payment}{request.payment}",
                reference=reference,
                key=reference,
            )
            await self.calls["authorise"]._routes[target].send(more, parent, timeout_s=1.0)
            return answer

        return decide

    return bug


def _pays_again(honest: Decide) -> Decide:
    async def process(self: Any, request: PaymentRequest, parent: str) -> Answer:
        await honest(self, request, parent)
        self._times_paid[request.payment] += 1
        return await honest(self, request, parent)

    return process


def _nothing(_honest: Any, *_: Any, **__: Any) -> None:
    return None


async def _no_work() -> None:
    return None


def _nothing_to_await(_honest: Any, *_: Any, **__: Any) -> Awaitable[None]:
    return _no_work()


def _cancelled_soon(honest: Any, self: Any, sent: SentRequest, reference: str) -> None:
    """A good payment is cancelled although no merchant wants it."""
    honest(self, sent, reference)
    self._background.start(self._cancel(sent, reference, 0.05))


async def _reversed_on_webhook(_honest: Any, self: Any, sender: str, event: Event) -> None:
    self.calls["authorise"].void(SentRequest(sender, event.authorisation()))


def _asks(operation: str, change: int) -> Plant:
    """A follow-up is for another amount."""

    def bug(
        honest: Any, self: Any, what: str, sent: SentRequest, request: PaymentRequest, **how: Any
    ) -> Any:
        if what == operation:
            amount = request.amount_minor + change
            request = msgspec.structs.replace(request, amount_minor=amount)
        return honest(self, what, sent, request, **how)

    return instead(Gateway, "follow", bug)


def _taken_later(_link: str, kind: MovementKind, request: PaymentRequest) -> Lines:
    """Taken in every book, right after the hold was released there."""
    if kind not in (K.VOIDED, K.EXPIRED):
        return [(kind, request)]
    return [(kind, request), (K.CAPTURED, msgspec.structs.replace(request, item="c1"))]


def _sold_though_declined(mine: Any) -> None:
    honest = Gateway._authorise

    async def authorise(self: Gateway, request: PaymentRequest, parent: str, number: int) -> Answer:
        answer = await honest(self, request, parent, number)
        if mine(request.payment):
            sold = msgspec.structs.replace(request, reference=f"{request.payment}-{number}")
            self.context.moved(K.AUTHORISED, sold, self.name)
        return answer

    Gateway._authorise = authorise  # type: ignore[method-assign]  # in place of the real one


def _key_of_the_one_before(
    honest: Any, self: Any, operation: str, request: PaymentRequest, work: Any
) -> Any:
    if self._mark == "processor." and operation == "authorise":
        before = f"p{int(request.payment[1:]) - 1:07d}-1"
        request = msgspec.structs.replace(request, key=before)
    return honest(self, operation, request, work)


def _to_another_merchant(request: PaymentRequest) -> list[PaymentRequest]:
    return [msgspec.structs.replace(request, merchant="somebody else")]


def _on_another_card(request: PaymentRequest) -> list[PaymentRequest]:
    another = next(card for card in TEST_CARDS if card != request.instrument)
    return [msgspec.structs.replace(request, instrument=another)]


def _holds_later(honest: Decide) -> Decide:
    async def authorise(self: Any, request: PaymentRequest, *rest: Any) -> Answer:
        loop = asyncio.get_running_loop()
        loop.call_later(LATER_S, self.context.moved, K.AUTHORISED, request, self.name)
        return await honest(self, request, *rest)

    return authorise


def _another_reason(honest: Decide) -> Decide:
    async def decide(self: Any, request: PaymentRequest, *rest: Any) -> Answer:
        return msgspec.structs.replace(await honest(self, request, *rest), code="05")

    return decide


def _goes_on(_honest: Any, self: Any, step: Any, end: Any, request: PaymentRequest) -> Any:
    self._decisions.say(step.decision, "", request, end.reply.result)
    return msgspec.structs.replace(end, **{step.marks: True})


def _no_limit(_honest: Any, *_: Any) -> str:
    return ""


def _unauthenticated(_honest: Decide) -> Decide:
    async def authenticate(_self: Any, request: PaymentRequest, _parent: str) -> Any:
        return request, None

    return authenticate


_IN_PLACE_OF_THE_ISSUER = services.stand_in_within_limits
BEHAVIOUR: list[Mutant] = [
    Mutant(
        name="processor_approves_alone",
        role="processor",
        wrong="approves without asking anybody",
        rule="no_approval_without_money",
        plant=decides(Processor, _alone),
        chain="plain",
    ),
    Mutant(
        name="processor_turns_a_decline",
        role="processor",
        wrong="answers approved after the issuer declined",
        rule="no_approval_without_money",
        plant=decides(Processor, _flip),
        chain="declines",
    ),
    Mutant(
        name="processor_turns_an_approval",
        role="processor",
        wrong="answers declined after the issuer approved",
        rule="no_orphaned_authorisation",
        plant=decides(Processor, _flip),
        chain="plain",
    ),
    Mutant(
        name="scheme_turns_an_approval",
        role="scheme",
        wrong="answers declined after the issuer approved",
        rule="no_orphaned_authorisation",
        plant=decides(Scheme, _flip),
        chain="plain",
    ),
    Mutant(
        name="scheme_turns_a_decline",
        role="scheme",
        wrong="answers approved after the issuer declined",
        rule="no_approval_without_money",
        plant=decides(Scheme, _flip),
        chain="declines",
    ),
    Mutant(
        name="issuer_holds_and_declines",
        role="issuer",
        wrong="holds the money and answers declined",
        rule="no_orphaned_authorisation",
        plant=decides(Issuer, _flip, "_authorise"),
        chain="plain",
    ),
    Mutant(
        name="edge_turns_an_approval",
        role="edge",
        wrong="shows the customer a decline",
        rule="no_orphaned_authorisation",
        plant=decides(Edge, _flip, "_forward"),
        chain="edge",
    ),
    Mutant(
        name="edge_turns_a_decline",
        role="edge",
        wrong="shows the customer an approval",
        rule="no_approval_without_money",
        plant=decides(Edge, _flip, "_forward"),
        chain="edge-declines",
    ),
    Mutant(
        name="edge_shows_less",
        role="edge",
        wrong="shows the customer one cent less",
        rule="customer_saw_the_amount",
        plant=decides(Edge, _answers(-1), "_forward"),
        chain="edge",
    ),
    Mutant(
        name="phantom_payment",
        role="processor",
        wrong="authorises once more under an id that no customer has",
        rule="no_phantom_movement",
        plant=decides(Processor, _sends_once_more("scheme", payment=PHANTOM)),
        chain="plain",
    ),
    Mutant(
        name="processor_authorises_again",
        role="processor",
        wrong="authorises once more under its own reference",
        rule="no_double_charge",
        plant=decides(Processor, _sends_once_more("scheme")),
        chain="plain",
    ),
    Mutant(
        name="scheme_authorises_again",
        role="scheme",
        wrong="authorises once more under its own reference",
        rule="no_double_charge",
        plant=decides(Scheme, _sends_once_more("issuer")),
        chain="plain",
    ),
    Mutant(
        name="gateway_pays_again",
        role="gateway",
        wrong="processes a payment two times under two references",
        rule="no_double_charge",
        plant=decides(Gateway, _pays_again, "_process"),
        chain="plain",
    ),
    Mutant(
        name="gateway_says_declined",
        role="gateway",
        wrong="says declined although it was approved",
        rule="no_orphaned_authorisation",
        plant=services.no_orphaned_authorisation,
        chain="plain",
    ),
    Mutant(
        name="gateway_says_less",
        role="gateway",
        wrong="tells the customer one cent less",
        rule="customer_saw_the_amount",
        plant=services.customer_saw_the_amount,
        chain="plain",
    ),
    Mutant(
        name="gateway_says_full_for_partial",
        role="gateway",
        wrong="tells the customer the full amount of a partial approval",
        rule="customer_saw_the_amount",
        plant=decides(Gateway, _answers(0, full=True), "_process"),
        chain="partial",
    ),
    Mutant(
        name="processor_books_full_for_partial",
        role="processor",
        wrong="books the full amount of a partial approval",
        rule="amounts_equal",
        plant=decides(Processor, _answers(0, full=True)),
        chain="partial",
    ),
    Mutant(
        name="issuer_approves_a_part_unasked",
        role="issuer",
        wrong="approves half although the merchant accepts no part",
        rule="amounts_equal",
        plant=decides(Issuer, _half),
        chain="plain",
    ),
    Mutant(
        name="processor_answers_less",
        role="processor",
        wrong="books and answers one cent less than the issuer",
        rule="amounts_equal",
        plant=decides(Processor, _answers(-1)),
        chain="plain",
    ),
    Mutant(
        name="processor_knows_the_key",
        role="processor",
        wrong="takes a payment for a repeat of the one before",
        rule="no_approval_without_money",
        plant=instead(IdempotencyStore, "execute", _key_of_the_one_before),
        chain="plain",
    ),
    Mutant(
        name="captured_after_the_cancellation",
        role="all",
        wrong="take a payment in every book after all released it",
        rule="captured_within_authorised",
        plant=books(_taken_later),
        chain="cancels",
    ),
    Mutant(
        name="captured_after_the_hold_expired",
        role="all",
        wrong="take a payment in every book after its hold expired",
        rule="captured_within_authorised",
        plant=books(_taken_later),
        chain="expires",
    ),
    Mutant(
        name="approved_then_voided_in_every_book",
        role="gateway",
        wrong="cancels a payment that no merchant cancelled",
        rule="no_approval_without_money",
        plant=instead(Merchants, "approved", _cancelled_soon),
        chain="plain",
    ),
    Mutant(
        name="gateway_reverses_on_a_webhook",
        role="gateway",
        wrong="reverses a good payment when its webhook comes",
        rule="no_approval_without_money",
        plant=instead(Gateway, "_on_webhook", _reversed_on_webhook),
        chain="webhooks",
    ),
    Mutant(
        name="gateway_never_captures",
        role="gateway",
        wrong="forgets that a capture is due",
        rule="authorisations_settled",
        plant=instead(Merchants, "_fulfil", _nothing_to_await),
        chain="captures",
    ),
    Mutant(
        name="gateway_never_refunds",
        role="gateway",
        wrong="forgets that a refund is due",
        rule="authorisations_settled",
        plant=instead(Merchants, "_refund", _nothing_to_await),
    ),
    Mutant(
        name="gateway_captures_too_much",
        role="gateway",
        wrong="asks for one cent more than was held, which is refused",
        rule="completed",
        plant=_asks("capture", 1),
        chain="captures",
    ),
    Mutant(
        name="gateway_captures_too_little",
        role="gateway",
        wrong="asks for one cent less, and books the whole",
        rule="money_conserved",
        plant=_asks("capture", -1),
        chain="captures",
    ),
    Mutant(
        name="gateway_refunds_too_much",
        role="gateway",
        wrong="asks to refund one cent more than was captured, which is refused",
        rule="completed",
        plant=_asks("refund", 1),
    ),
    Mutant(
        name="gateway_refunds_too_little",
        role="gateway",
        wrong="asks to refund one cent less, and books the whole",
        rule="money_conserved",
        plant=_asks("refund", -1),
    ),
    Mutant(
        name="gateway_sells_what_was_declined",
        role="gateway",
        wrong="books a declined payment as sold",
        rule="books_agree",
        plant=_sold_though_declined,
        chain="declines",
    ),
    Mutant(
        name="processor_keeps_captures",
        role="processor",
        wrong="does not pass on what it captured",
        rule="money_conserved",
        plant=instead(Processor, "pass_on", _nothing),
        chain="captures",
    ),
    Mutant(
        name="scheme_keeps_captures",
        role="scheme",
        wrong="does not pass on what it captured",
        rule="money_conserved",
        plant=instead(Scheme, "pass_on", _nothing),
        chain="captures",
    ),
    Mutant(
        name="processor_keeps_reversals",
        role="processor",
        wrong="does not pass on a reversal",
        rule="books_agree",
        plant=instead(Processor, "forget", _nothing),
        chain="cancels",
    ),
    Mutant(
        name="scheme_keeps_reversals",
        role="scheme",
        wrong="does not pass on a reversal",
        rule="books_agree",
        plant=instead(Scheme, "forget", _nothing),
        chain="cancels",
    ),
    Mutant(
        name="processor_loses_an_acknowledgement",
        role="processor",
        wrong="never learns that its capture was taken",
        rule="authorisations_settled",
        plant=services.authorisations_settled,
        chain="captures",
    ),
    Mutant(
        name="processor_keeps_a_charge_back",
        role="processor",
        wrong="acknowledges a chargeback and reports it to nobody",
        rule="authorisations_settled",
        plant=instead(Processor, "_dispute", _acknowledged_only),
        chain="disputes",
    ),
    Mutant(
        name="gateway_forgets_to_reverse",
        role="gateway",
        wrong="leaves the unknown outcome of a failed call as it is",
        rule="unknowns_resolved",
        plant=services.unknowns_resolved,
        chain="plain",
    ),
    Mutant(
        name="gateway_ignores_authentication",
        role="gateway",
        wrong="authorises although the cardholder failed authentication",
        rule="no_authorisation_after_failed_authentication",
        plant=services.no_authorisation_after_failed_authentication,
        chain="authenticated",
    ),
    Mutant(
        name="scheme_stands_in_over_its_limit",
        role="scheme",
        wrong="stands in for more than it may",
        rule="stand_in_within_limits",
        plant=_IN_PLACE_OF_THE_ISSUER,
        chain="limited",
    ),
    Mutant(
        name="scheme_counts_no_stand_in",
        role="scheme",
        wrong="does not look at the limits of its stand-in",
        rule="stand_in_within_limits",
        plant=together(decides(Issuer, _fails), instead(StandInCount, "refuse", _no_limit)),
        chain="limited",
    ),
    Mutant(
        name="stand_in_never_advised",
        role="processor",
        wrong="stands in and tells nobody",
        rule="stand_in_advised",
        plant=services.stand_in_advised,
        chain="plain",
    ),
    Mutant(
        name="advice_booked_twice",
        role="issuer",
        wrong="books an advice two times",
        rule="no_double_charge",
        plant=together(_IN_PLACE_OF_THE_ISSUER, lines_of("issuer", K.ADVISED, twice)),
        chain="stand-in",
    ),
    Mutant(
        name="advice_booked_for_more",
        role="issuer",
        wrong="books an advice for one cent more",
        rule="amounts_equal",
        plant=together(
            _IN_PLACE_OF_THE_ISSUER,
            lines_of("issuer", K.ADVISED, with_amount(lambda amount: amount + 1)),
        ),
        chain="stand-in",
    ),
    Mutant(
        name="screening_skipped_over_its_limit",
        role="gateway",
        wrong="goes on without screening for more than it may",
        rule="fallbacks_within_limits",
        plant=together(
            decides(Fraud, _unavailable, "_decide"), instead(Fallbacks, "_go_on", _goes_on)
        ),
        chain="screened",
    ),
    Mutant(
        name="exempt_over_its_limit",
        role="gateway",
        wrong="goes on without authentication for more than it may",
        rule="fallbacks_within_limits",
        plant=together(
            decides(Authentication, _unavailable, "_authenticate"),
            instead(Fallbacks, "_go_on", _goes_on),
        ),
        chain="authenticated",
    ),
    Mutant(
        name="queue_over_its_limit",
        role="gateway",
        wrong="stores a payment of more than it may",
        rule="fallbacks_within_limits",
        plant=together(decides(Processor, busy_at_first), instead(Store, "refuse", _no_limit)),
        chain="queue",
    ),
    Mutant(
        name="processor_credits_another_merchant",
        role="processor",
        wrong="credits another merchant with a capture",
        rule="parties_kept",
        plant=lines_of("processor", K.CAPTURED, _to_another_merchant),
        chain="captures",
    ),
    Mutant(
        name="issuer_charges_another_card",
        role="issuer",
        wrong="holds the money on another cardholder's card",
        rule="parties_kept",
        plant=lines_of("issuer", K.AUTHORISED, _on_another_card),
        chain="plain",
    ),
    Mutant(
        name="taken_again_half_a_minute_later",
        role="issuer",
        wrong="holds once more long after everything seems to be over",
        rule="",
        plant=decides(Issuer, _holds_later, "_authorise"),
        chain="plain",
        because="a timer of a link that no request waits for may end after the drain; a run ends",
    ),
    Mutant(
        name="issuer_gives_another_reason",
        role="issuer",
        wrong="declines with another code than its own reason",
        rule="",
        plant=decides(Issuer, _another_reason),
        chain="declines",
        because="only the issuer knows why it declines",
    ),
    Mutant(
        name="screening_left_out",
        role="gateway",
        wrong="never asks for a screening",
        rule="",
        plant=instead(Gateway, "_ask", _nothing_to_await),
        chain="screened",
        because="no call was made, and a payment without a call is no breach of a money rule",
    ),
    Mutant(
        name="authentication_left_out",
        role="gateway",
        wrong="never asks for an authentication",
        rule="",
        plant=decides(Gateway, _unauthenticated, "_authenticate"),
        chain="authenticated",
        because="a merchant may leave it out at its own risk; only an authentication that failed "
        "forbids the authorisation",
    ),
]
