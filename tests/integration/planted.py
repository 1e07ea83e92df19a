"""A services process with accounting bugs: `python planted.py PLAN.json`.

Each bug strikes payments of its own, so that one run shows them all: the n-th bug those whose
number leaves n when divided by the number of bugs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from harness.payments.cards import TEST_CARDS
from harness.payments.journal import DecisionKind, MovementKind
from harness.payments.outcome import HopResult, Outcome
from harness.services import __main__ as services
from harness.services.authentication import Authentication
from harness.services.authorising import Issuer, Processor, Scheme
from harness.services.call_end import CallEnd
from harness.services.channel import Reply
from harness.services.context import Context
from harness.services.gateway import Gateway
from harness.services.message import Answer, PaymentRequest
from harness.services.policy import PolicyCall

Mine = Callable[[str], bool]  # whether a payment is the bug's
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

    Context.moved = moved  # type: ignore[method-assign]


def _decide(role: Any, mine: Mine, bug: Callable[[Any, PaymentRequest, str], Any]) -> None:
    """Let a role decide otherwise for the bug's payments."""
    honest = role.decide

    async def decide(self: Any, request: PaymentRequest, parent: str) -> Answer:
        if mine(request.payment):
            return await bug(self, request, parent)  # type: ignore[no-any-return]
        return await honest(self, request, parent)  # type: ignore[no-any-return]

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
    """Everybody captures one cent more than was authorised."""
    _change_books(mine, lambda link, kind, amount: [amount + 1] if kind is K.CAPTURED else [amount])


def refunded_within_captured(mine: Mine) -> None:
    """Everybody refunds three times of what was asked: half of the amount, so 150 % of it."""
    _change_books(mine, lambda link, kind, amount: [amount * 3] if kind is K.REFUNDED else [amount])


def money_conserved(mine: Mine) -> None:
    """The issuer debits and credits nobody."""
    later = (K.CAPTURED, K.REFUNDED)
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

    Gateway._authorise = authorise  # type: ignore[method-assign]


def customer_told_the_amount(mine: Mine) -> None:
    """The gateway tells the customer one cent less."""
    honest = Gateway._authorise

    async def authorise(self: Gateway, request: PaymentRequest, parent: str, number: int) -> Answer:
        answer = await honest(self, request, parent, number)
        if mine(request.payment):
            less = answer.amount_minor - 1
            answer = msgspec.structs.replace(answer, amount_minor=less)
        return answer

    Gateway._authorise = authorise  # type: ignore[method-assign]


def unknowns_resolved(mine: Mine) -> None:
    """The processor fails before it asks anybody, and the gateway forgets to reverse."""

    async def fail(self: Processor, request: PaymentRequest, parent: str) -> Answer:
        raise RuntimeError("planted")

    _decide(Processor, mine, fail)
    honest = PolicyCall.void

    def void(self: PolicyCall, sent: Any) -> None:
        if not mine(sent.request.payment):
            honest(self, sent)

    PolicyCall.void = void  # type: ignore[method-assign]


def authorisations_settled(mine: Mine) -> None:
    """The processor never learns that its capture was taken."""
    honest = Context.decided

    def decided(self: Context, kind: DecisionKind, *rest: Any, **more: Any) -> None:
        is_end = kind is DecisionKind.FOLLOW_UP_ACKNOWLEDGED and self.link == "processor"
        if not (is_end and mine(more["payment"])):
            honest(self, kind, *rest, **more)

    Context.decided = decided  # type: ignore[method-assign]


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

    Authentication._outcome = outcome  # type: ignore[method-assign]
    honest_refusal = Gateway._refusal

    def refusal(self: Gateway, end: CallEnd) -> Answer | None:
        return None if mine(end.request.payment) else honest_refusal(self, end)

    Gateway._refusal = refusal  # type: ignore[method-assign]


def stand_in_within_limits(mine: Mine) -> None:
    """The scheme stands in for more than its 5.00, and advises the issuer."""

    async def stand_in(self: Scheme, request: PaymentRequest, parent: str) -> Answer:
        end = CallEnd(Reply(HopResult.REFUSED), request, is_stood_in=True)
        return self._decide_alone(request, end)

    _decide(Scheme, mine, stand_in)


def stand_in_advised(mine: Mine) -> None:
    """The processor stands in, within its limits, and tells nobody."""

    async def stand_in(self: Processor, request: PaymentRequest, parent: str) -> Answer:
        self._alone[request.reference] = K.STOOD_IN
        return Answer(Outcome.APPROVED, "00", self.name, request.reference, request.amount_minor)

    _decide(Processor, mine, stand_in)


def no_card_number_in_a_file(_mine: Mine) -> None:
    """Somebody leaves a debug file in the run directory."""
    folder = Path(sys.argv[1]).resolve().parent.parent
    (folder / "debug.log").write_text(f"card={TEST_CARDS[0].number}\n")


BUGS = [
    books_agree, no_double_charge, amounts_equal, captured_within_authorised,
    refunded_within_captured, money_conserved, repeats_without_effect, no_approval_without_money,
    no_orphaned_authorisation, customer_told_the_amount, unknowns_resolved,
    authorisations_settled, retry_limits_kept, no_authorisation_after_failed_authentication,
    stand_in_within_limits, stand_in_advised, no_card_number_in_a_file,
]  # fmt: skip


def bug_of(payment: str) -> str:
    """The rule whose bug strikes a payment."""
    return BUGS[int(payment[1:]) % len(BUGS)].__name__


if __name__ == "__main__":
    for bug in BUGS:
        bug(lambda payment, name=bug.__name__: bug_of(payment) == name)  # type: ignore[misc]
    services.main()
