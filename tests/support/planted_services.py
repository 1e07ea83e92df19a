"""A services process with accounting bugs: `python planted_services.py PLAN.json`.

Each bug affects payments of its own, so that one run shows them all: the n-th bug those whose
number leaves n when divided by the number of bugs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from paychain.model.lifecycle import Trigger
from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import DecisionKind, MovementKind
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services import __main__ as services
from paychain.services.context import Context
from paychain.services.policies.call_end import CallEnd, SentRequest
from paychain.services.policies.decisions import Decisions
from paychain.services.policies.policy import PolicyCall
from paychain.services.roles.authentication import Authentication
from paychain.services.roles.gateway import Gateway
from paychain.services.roles.issuer import Issuer
from paychain.services.roles.merchant import Merchants
from paychain.services.roles.processor import Processor
from paychain.services.roles.scheme import Scheme
from paychain.services.state.book import Book

Mine = Callable[[str], bool]  # whether a payment is the bug's
Bug = Callable[[Mine], None]
K = MovementKind


def _change_books(mine: Mine, change: Callable[[str, MovementKind, int], list[int]]) -> None:
    """Book the amounts that `change` gives for a link, a kind and the honest amount."""
    honest = Context.moved

    def moved(self: Context, kind: MovementKind, request: PaymentRequest, decided_by: str) -> None:
        amounts = [request.amount_minor]
        if mine(request.payment):
            amounts = change(self.link, kind, request.amount_minor)
        for amount in amounts:
            honest(self, kind, msgspec.structs.replace(request, amount_minor=amount), decided_by)

    Context.moved = moved  # type: ignore[method-assign]  # in place of the real one


def _change_requests(mine: Mine, change: Callable[[PaymentRequest], PaymentRequest]) -> None:
    """Book another request than the one that was worked on."""
    honest = Context.moved

    def moved(self: Context, kind: MovementKind, request: PaymentRequest, decided_by: str) -> None:
        honest(self, kind, change(request) if mine(request.payment) else request, decided_by)

    Context.moved = moved  # type: ignore[method-assign]  # in place of the real one


def _decide(role: Any, mine: Mine, bug: Callable[[Any, PaymentRequest, str], Any]) -> None:
    """Let a role decide otherwise for the bug's payments."""
    honest = role.decide

    async def decide(self: Any, request: PaymentRequest, parent: str) -> Answer:
        if mine(request.payment):
            return await bug(self, request, parent)  # type: ignore[no-any-return]  # of the real one
        return await honest(self, request, parent)  # type: ignore[no-any-return]  # of the real one

    role.decide = decide


def books_agree(mine: Mine) -> None:
    """The scheme forgets to write its journal."""
    _change_books(mine, lambda link, kind, amount: [] if link == "scheme" else [amount])


def no_double_charge(mine: Mine) -> None:
    """The issuer books every approval two times."""
    _change_books(
        mine,
        lambda link, kind, amount: (
            [amount] * 2 if (link, kind) == ("issuer", K.AUTHORISED) else [amount]
        ),
    )


def amounts_equal(mine: Mine) -> None:
    """The processor books one cent more than was asked."""
    _change_books(
        mine,
        lambda link, kind, amount: (
            [amount + 1] if (link, kind) == ("processor", K.AUTHORISED) else [amount]
        ),
    )


def captured_within_authorised(mine: Mine) -> None:
    """Everybody captures a fifth more than was asked: 90 % of the amount, so 108 % of it."""
    _change_books(
        mine, lambda link, kind, amount: [amount * 6 // 5] if kind is K.CAPTURED else [amount]
    )


def refunded_within_captured(mine: Mine) -> None:
    """Everybody refunds three times of what was asked: half of the capture, so 150 % of it."""
    _change_books(mine, lambda link, kind, amount: [amount * 3] if kind is K.REFUNDED else [amount])


def money_conserved(mine: Mine) -> None:
    """The issuer debits and credits nobody, and releases nothing."""
    later = (K.CAPTURED, K.REFUNDED, K.VOIDED)
    _change_books(
        mine, lambda link, kind, amount: [] if link == "issuer" and kind in later else [amount]
    )


def repeats_without_effect(mine: Mine) -> None:
    """The processor books a capture again, as if its repeat had been another one."""
    _change_books(
        mine,
        lambda link, kind, amount: (
            [amount] * 2 if (link, kind) == ("processor", K.CAPTURED) else [amount]
        ),
    )


def no_approval_without_money(mine: Mine) -> None:
    """The processor approves without asking anybody."""

    async def approve(self: Processor, request: PaymentRequest, parent: str) -> Answer:
        return self.approve(request)

    _decide(Processor, mine, approve)


def no_orphaned_authorisation(mine: Mine) -> None:
    """The gateway says declined although it was approved."""
    honest = Gateway._authorise

    async def authorise(self: Gateway, request: PaymentRequest, parent: str, number: int) -> Answer:
        answer = await honest(self, request, parent, number)
        return self.decline("05") if mine(request.payment) else answer

    Gateway._authorise = authorise  # type: ignore[method-assign]  # in place of the real one


def customer_saw_the_amount(mine: Mine) -> None:
    """The gateway tells the customer one cent less."""
    honest = Gateway._authorise

    async def authorise(self: Gateway, request: PaymentRequest, parent: str, number: int) -> Answer:
        answer = await honest(self, request, parent, number)
        if mine(request.payment):
            less = answer.amount_minor - 1
            answer = msgspec.structs.replace(answer, amount_minor=less)
        return answer

    Gateway._authorise = authorise  # type: ignore[method-assign]  # in place of the real one


def unknowns_resolved(mine: Mine) -> None:
    """The processor fails before it asks anybody, and the gateway forgets to reverse."""

    async def fail(self: Processor, request: PaymentRequest, parent: str) -> Answer:
        raise RuntimeError("planted")

    _decide(Processor, mine, fail)
    honest = PolicyCall.void

    def void(self: PolicyCall, sent: Any) -> None:
        if not mine(sent.request.payment):
            honest(self, sent)

    PolicyCall.void = void  # type: ignore[method-assign]  # in place of the real one


def authorisations_settled(mine: Mine) -> None:
    """The processor never learns that its capture was taken."""
    honest = Context.decided

    def decided(self: Context, kind: DecisionKind, *rest: Any, **more: Any) -> None:
        is_end = kind is DecisionKind.FOLLOW_UP_ACKNOWLEDGED and self.link == "processor"
        if not (is_end and mine(more["payment"])):
            honest(self, kind, *rest, **more)

    Context.decided = decided  # type: ignore[method-assign]  # in place of the real one


def retry_limits_kept(mine: Mine) -> None:
    """The card is stolen, and the processor presents it to the scheme once more."""

    async def stolen(self: Issuer, request: PaymentRequest, parent: str) -> Answer:
        return self.decline("43", request.reference)

    _decide(Issuer, mine, stolen)

    async def insist(self: Processor, request: PaymentRequest, parent: str) -> Answer:
        route = self.calls["authorise"]._routes["scheme"]
        await route.send(request, parent, timeout_s=1.0)
        again = msgspec.structs.replace(
            request, reference=f"{request.reference}.1", key=f"{request.reference}.1"
        )
        reply = await route.send(again, parent, timeout_s=1.0, try_number=2)
        assert reply.answer is not None
        return reply.answer

    _decide(Processor, mine, insist)


def no_authorisation_after_failed_authentication(mine: Mine) -> None:
    """The cardholder is not authenticated, and the gateway does not care."""
    honest_outcome = Authentication._outcome

    def outcome(self: Authentication, request: PaymentRequest) -> str:
        return "failed" if mine(request.payment) else honest_outcome(self, request)

    Authentication._outcome = outcome  # type: ignore[method-assign]  # in place of the real one
    honest_refusal = Gateway._refusal

    def refusal(self: Gateway, end: CallEnd) -> Answer | None:
        return None if mine(end.request.payment) else honest_refusal(self, end)

    Gateway._refusal = refusal  # type: ignore[method-assign]  # in place of the real one


def stand_in_within_limits(mine: Mine) -> None:
    """The scheme stands in for more than its 5.00, and advises the issuer."""

    async def stand_in(self: Scheme, request: PaymentRequest, parent: str) -> Answer:
        end = CallEnd(reply=Reply(HopResult.REFUSED), request=request, is_stood_in=True)
        return self._decide_alone(request, end)

    _decide(Scheme, mine, stand_in)


def stand_in_advised(mine: Mine) -> None:
    """The processor stands in, within its limits, and tells nobody."""

    async def stand_in(self: Processor, request: PaymentRequest, parent: str) -> Answer:
        self._alone[request.reference] = K.STOOD_IN
        return Answer(Outcome.APPROVED, "00", self.name, request.reference, request.amount_minor)

    _decide(Processor, mine, stand_in)


def no_phantom_movement(mine: Mine) -> None:
    """The processor authorises once more, for a payment that nobody made."""

    async def twice(self: Processor, request: PaymentRequest, parent: str) -> Answer:
        name = f"q{request.payment[1:]}"
        other = msgspec.structs.replace(
            request, payment=name, reference=f"{name}-1", key=f"{name}-1"
        )
        await self.calls["authorise"].execute(other, parent)
        return await honest(self, request, parent)

    honest = Processor.decide
    _decide(Processor, mine, twice)


def released_what_is_held(mine: Mine) -> None:
    """The issuer gives back half of what it should release."""
    _change_books(
        mine,
        lambda link, kind, amount: (
            [amount // 2] if (link, kind) == ("issuer", K.VOIDED) else [amount]
        ),
    )


def booked_once(mine: Mine) -> None:
    """The processor books each authorisation twice."""
    _change_books(
        mine,
        lambda link, kind, amount: (
            [amount] * 2 if (link, kind) == ("processor", K.AUTHORISED) else [amount]
        ),
    )


def parties_kept(mine: Mine) -> None:
    """Every book credits another merchant."""
    _change_requests(mine, lambda request: msgspec.structs.replace(request, merchant="another"))


def completed(mine: Mine) -> None:
    """The processor refuses to capture what it approved."""
    honest = Processor._capture

    async def refuse(self: Processor, request: PaymentRequest, parent: str) -> Answer:
        if mine(request.payment):
            return self.decline("25", request.reference)
        return await honest(self, request, parent)

    Processor._capture = refuse  # type: ignore[method-assign]  # in place of the real one


def fallbacks_within_limits(mine: Mine) -> None:
    """Authentication is unavailable, and the gateway skips it for more than its 5.00."""
    honest = Authentication._outcome

    def outcome(self: Authentication, request: PaymentRequest) -> str:
        return "unavailable" if mine(request.payment) else honest(self, request)

    Authentication._outcome = outcome  # type: ignore[method-assign]  # in place of the real one
    honest_limit = Decisions.suppressed

    def suppressed(
        self: Decisions, what: str, why: str, request: PaymentRequest, target: str = ""
    ) -> bool:
        is_mine = what == "skip" and mine(request.payment)
        return not is_mine and honest_limit(self, what, why, request, target)

    Decisions.suppressed = suppressed  # type: ignore[method-assign]  # in place of the real one


def released_twice(mine: Mine) -> None:
    """The issuer releases the rest of the hold twice."""
    _change_books(
        mine,
        lambda link, kind, amount: (
            [amount] * 2 if (link, kind) == ("issuer", K.VOIDED) else [amount]
        ),
    )


def another_card(mine: Mine) -> None:
    """Every book charges another card."""

    def on_another(request: PaymentRequest) -> PaymentRequest:
        card = next(card for card in TEST_CARDS if card != request.instrument)
        return msgspec.structs.replace(request, instrument=card)

    _change_requests(mine, on_another)


def another_currency(mine: Mine) -> None:
    """Every book is kept in another currency."""
    _change_requests(mine, lambda request: msgspec.structs.replace(request, currency="USD"))


def partial_though_not_accepted(mine: Mine) -> None:
    """The issuer approves the half although the merchant does not accept that."""

    async def half(self: Issuer, request: PaymentRequest, parent: str) -> Answer:
        part = request.amount_minor // 2
        return Answer(Outcome.APPROVED, "10", self.name, request.reference, part)

    _decide(Issuer, mine, half)


def captured_after_release(mine: Mine) -> None:
    """Every link releases the whole hold first, and captures then."""
    honest = Book.capture

    def capture(self: Book, request: PaymentRequest) -> str:
        entry = self._entries.get(request.reference)
        if not mine(request.payment) or entry is None or entry.request is None:
            return honest(self, request)
        self._moved(K.VOIDED, entry, entry.request.amount_minor)
        entry.captured_minor += request.amount_minor
        self._moved(K.CAPTURED, entry, request.amount_minor, request.item)
        return "00"

    Book.capture = capture  # type: ignore[method-assign]  # in place of the real one


def advice_booked_twice(mine: Mine) -> None:
    """The scheme stands in within its limits, and the issuer books the advice twice."""

    async def stand_in(self: Scheme, request: PaymentRequest, parent: str) -> Answer:
        end = CallEnd(reply=Reply(HopResult.REFUSED), request=request, is_stood_in=True)
        return self._decide_alone(request, end)

    _decide(Scheme, mine, stand_in)
    honest = Context.moved

    def moved(self: Context, kind: MovementKind, request: PaymentRequest, decided_by: str) -> None:
        # Within the limits, so that only the advice is wrong.
        kinds = [K.AUTHORISED] if kind is K.STOOD_IN else [kind]
        for booked in kinds * (2 if kind is K.ADVISED else 1) if mine(request.payment) else [kind]:
            honest(self, booked, request, decided_by)

    Context.moved = moved  # type: ignore[method-assign]  # in place of the real one


def sold_though_declined(mine: Mine) -> None:
    """The issuer declines, and the gateway books a sale."""

    async def decline(self: Issuer, request: PaymentRequest, parent: str) -> Answer:
        return self.decline("51", request.reference)

    _decide(Issuer, mine, decline)
    honest = Gateway._authorise

    async def authorise(self: Gateway, request: PaymentRequest, parent: str, number: int) -> Answer:
        answer = await honest(self, request, parent, number)
        if mine(request.payment):
            sold = msgspec.structs.replace(request, reference=f"{request.payment}-1")
            self.context.moved(K.AUTHORISED, sold, "issuer")
        return answer

    Gateway._authorise = authorise  # type: ignore[method-assign]  # in place of the real one


def never_captured(mine: Mine) -> None:
    """The merchant forgets what it wanted to capture."""
    honest = Merchants._fulfil

    async def fulfil(self: Merchants, sent: SentRequest, reference: str, trigger: Trigger) -> None:
        if not mine(sent.request.payment):
            await honest(self, sent, reference, trigger)

    Merchants._fulfil = fulfil  # type: ignore[method-assign]  # in place of the real one


def refund_never_sent(mine: Mine) -> None:
    """The merchant forgets the refund."""
    honest = Merchants._refund

    async def refund(
        self: Merchants, sent: SentRequest, booked: PaymentRequest, *how: Any, **named: Any
    ) -> None:
        if not mine(booked.payment):
            await honest(self, sent, booked, *how, **named)

    Merchants._refund = refund  # type: ignore[method-assign]  # in place of the real one


def approved_then_undone(mine: Mine) -> None:
    """The gateway undoes what it approved, in every book, and nobody wanted that."""
    honest = Merchants.approved

    def approved(self: Merchants, sent: SentRequest, reference: str) -> None:
        if not mine(sent.request.payment):
            honest(self, sent, reference)
            return
        self._background.start(self._cancel(sent, reference, 0.1))

    Merchants.approved = approved  # type: ignore[method-assign]  # in place of the real one


def no_card_number_in_a_file(_mine: Mine) -> None:
    """Somebody leaves a debug file in the run directory."""
    folder = Path(sys.argv[1]).resolve().parent.parent
    (folder / "debug.log").write_text(f"card={TEST_CARDS[0].number}\n")


BUGS = [
    books_agree,
    no_double_charge,
    amounts_equal,
    captured_within_authorised,
    refunded_within_captured,
    money_conserved,
    repeats_without_effect,
    no_approval_without_money,
    no_orphaned_authorisation,
    customer_saw_the_amount,
    unknowns_resolved,
    authorisations_settled,
    retry_limits_kept,
    no_authorisation_after_failed_authentication,
    stand_in_within_limits,
    stand_in_advised,
    no_phantom_movement,
    released_what_is_held,
    booked_once,
    parties_kept,
    completed,
    fallbacks_within_limits,
    no_card_number_in_a_file,
]


# More bugs, each with the rule that finds it.
VARIANTS: dict[Bug, str] = {
    released_twice: "released_what_is_held",
    another_card: "parties_kept",
    another_currency: "amounts_equal",
    partial_though_not_accepted: "amounts_equal",
    captured_after_release: "captured_within_authorised",
    advice_booked_twice: "no_double_charge",
    sold_though_declined: "books_agree",
    never_captured: "authorisations_settled",
    refund_never_sent: "authorisations_settled",
    approved_then_undone: "no_approval_without_money",
}
_PATCHED = (
    Authentication,
    Book,
    Context,
    Decisions,
    Gateway,
    Issuer,
    Merchants,
    PolicyCall,
    Processor,
    Scheme,
)


@contextmanager
def planted(bugs: Sequence[Bug]) -> Iterator[None]:
    """Plant bugs in this process; the n-th has the payments whose number leaves n."""
    before = [(role, dict(vars(role))) for role in _PATCHED]
    try:
        for nth, bug in enumerate(bugs):
            bug(lambda payment, nth=nth: int(payment[1:]) % len(bugs) == nth)  # type: ignore[misc]  # a lambda with a default
        yield
    finally:
        for role, honest in before:
            for name in [name for name in vars(role) if name not in honest]:
                delattr(role, name)
            for name, value in honest.items():
                if vars(role)[name] is not value:
                    setattr(role, name, value)


def bug_of(payment: str) -> str:
    """The rule whose bug affects a payment."""
    return BUGS[int(payment[1:]) % len(BUGS)].__name__


if __name__ == "__main__":
    for bug in BUGS:
        bug(lambda payment, name=bug.__name__: bug_of(payment) == name)  # type: ignore[misc]  # a lambda with a default
    services.main()
