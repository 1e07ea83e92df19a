"""Issuer: the cardholder's bank, which decides, and whose book says where the money is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import msgspec

from paychain.model.disputes import DISPUTE, reporters_of
from paychain.payments.codes import (
    AUTHENTICATION_REQUIRED,
    INSUFFICIENT_FUNDS,
    PARTIAL_APPROVAL,
    asks_for_authentication,
    table,
)
from paychain.payments.journal import DecisionKind
from paychain.payments.money import share_of
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.roles.authorising import Authorising

CHALLENGE = "challenge"
CHARGE_BACK = "d1"  # the item of a chargeback


@dataclass
class Issuer(Authorising):
    """The cardholder's bank."""

    _disputed: set[str] = field(default_factory=set, init=False)  # references

    async def decide(self, request: PaymentRequest, parent: str) -> Answer:
        """Approve, ask for a challenge, approve a part, or decline for business reasons."""
        code = self.declines(request)
        if code is not None:
            return self.decline(code, request.reference)
        if self._wants_challenge(request):
            return self.decline(soft_decline(request.instrument.group), request.reference)
        partial = self.link.partial_approvals
        if partial is None or not self.drawn("partial", request, partial.share):
            return self.approve(request)
        if not request.accepts_partial:
            return self.decline(INSUFFICIENT_FUNDS, request.reference)
        part = max(1, share_of(request.amount_minor, partial.of))
        return Answer(Outcome.APPROVED, PARTIAL_APPROVAL, self.name, request.reference, part)

    def on_captured(self, request: PaymentRequest) -> None:
        """The cardholder may dispute what was captured, once however many parts it has."""
        disputes = self.link.disputes
        if (
            disputes is not None
            and request.reference not in self._disputed
            and self.drawn("disputes", request, disputes.share)
        ):
            self._disputed.add(request.reference)
            self.background.start(self._charge_back(request, disputes.after))

    async def _charge_back(self, captured: PaymentRequest, after_s: float) -> None:
        await asyncio.sleep(after_s)
        reference = captured.reference
        amount_minor = self.book.charge_back(reference, CHARGE_BACK)
        if not amount_minor:
            return
        charged_back = msgspec.structs.replace(
            captured, amount_minor=amount_minor, item=CHARGE_BACK, key=f"{reference}-{CHARGE_BACK}"
        )
        # The payment does not name its acquirer: a link that is not its acquirer acknowledges as
        # well.
        for reporter in reporters_of(self.chain.links, self.name):
            self.context.decided(
                DecisionKind.FOLLOW_UP_DUE,
                DISPUTE,
                reporter,
                payment=captured.payment,
                attempt=captured.attempt,
                detail=f"{reference} {_report(reporter)}",
                amount_minor=amount_minor,
            )
            self.follow_ups.start(
                DISPUTE,
                reporter,
                charged_back,
                name=f"{reference} {_report(reporter)}",
                in_order=False,
            )

    def _wants_challenge(self, request: PaymentRequest) -> bool:
        soft = self.link.soft_declines
        if soft is None:
            return False
        if soft.lacking == "challenge":
            is_enough = request.three_ds == CHALLENGE
        else:
            is_enough = request.authenticated or request.exempt
        return not is_enough and self.drawn("soft", request, soft.share)


def _report(reporter: str) -> str:
    """What the report of a chargeback to one link is called: each is a follow-up of its own."""
    return f"{CHARGE_BACK}-{reporter}"


def soft_decline(scheme: str) -> str:
    """The code by which a scheme's issuers ask for authentication."""
    theirs = (code for code, entry in table().items() if scheme in entry.schemes)
    return next(
        (code for code in theirs if asks_for_authentication(code, scheme)), AUTHENTICATION_REQUIRED
    )
