"""What every role has: a link's calls, its book, and a handler per operation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from paychain.faults.kind import StateFaultKind
from paychain.model.book_limits import checks_refunds, overcapture
from paychain.model.chain import Chain, Link
from paychain.model.named_calls import named
from paychain.payments.codes import (
    APPROVED,
    IN_PROGRESS,
    LATE_RESPONSE,
    NOT_FOUND,
    PARTIAL_APPROVAL,
)
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, AnswerOrError, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.policies.call_end import CallEnd, SentRequest
from paychain.services.policies.policy import PolicyCall
from paychain.services.state.background import Background
from paychain.services.state.book import AuthorisationState, Book
from paychain.services.state.followup import FollowUpSender
from paychain.services.state.kept import Retention
from paychain.services.state.webhooks import Kinds, WebhookSender

Work = Callable[[PaymentRequest, str], Awaitable[AnswerOrError]]


@dataclass(kw_only=True)
class Role:
    """The behaviour of one link. A role is one module with a subclass that has its name.

    An operation is given a request and the caller's span, and returns an `Answer` or an `Error`;
    how either looks on the wire is the dialect's.
    """

    chain: Chain
    name: str
    link: Link
    context: Context
    calls: dict[str, PolicyCall]
    tenders: dict[str, PolicyCall] = field(default_factory=dict)  # by the link that takes a share
    follow_ups: FollowUpSender
    background: Background
    webhooks: WebhookSender | None
    kinds: Kinds  # what the link calls its events about one thing that became of a request
    retention: Retention = field(init=False)
    book: Book = field(init=False)
    once: ClassVar[frozenset[str]] = frozenset()  # operations that idempotency keys cover

    def __post_init__(self) -> None:
        self.retention = Retention(self.chain, self.name, self.context.now_ns)
        self.book = Book(
            self.context,
            self.retention,
            self.link.expires_after,
            overcapture=overcapture(self.chain, self.name),
            checks_refunds=checks_refunds(self.chain, self.name),
            on_expired=lambda request: self.send_webhook("expired", request),
        )

    def operations(self) -> dict[str, Work]:
        """The operations that the link offers."""
        raise NotImplementedError  # each role has its own

    def connected(self) -> None:
        """Begin what goes on without being asked: the link has its calls from now on."""

    def asked_as(self, operation: str) -> list[str]:
        """The names under which other links call this one for an operation."""
        names = (hop.operation for hop in self.chain.hops() if hop.callee == self.name)
        return list(dict.fromkeys([operation, *named(operation, names)]))

    def apply(self, fault: StateFaultKind, window: str) -> int:
        """Change what the link knows; returns how many payments that touched.

        `window` names this time that the fault is on; it is the same in all its links.
        """
        raise NotImplementedError  # of the roles that the kind names

    def heal(self, fault: StateFaultKind, window: str) -> None:
        """End what a fault has changed."""
        raise NotImplementedError  # of the roles that the kind names

    def recognises_repeats(self, operation: str) -> bool:
        """Whether idempotency keys cover an operation here."""
        return operation in self.once

    @property
    def executes_repeats(self) -> bool:
        """Whether a request that comes a second time moves money once more."""
        return self.link.idempotency.model == "none"

    def refund(self, payment: str) -> None:
        """A merchant refunds a payment manually; without effect on a link without merchants."""

    def send_webhook(self, event: str, request: PaymentRequest) -> None:
        """Send a webhook where the link has any; its API learns of the event without one, too."""
        names = self.kinds(event, request)
        if self.webhooks is not None:
            for name in names:
                self.webhooks.send(name, request)

    def declines(self, request: PaymentRequest) -> str | None:
        """The business code this link declines the payment with, None when it does not."""
        declared = self.link.declines
        if declared is None or not self.drawn("declines", request, declared.share):
            return None
        return declared.code

    def drawn(self, what: str, request: PaymentRequest, share: float) -> bool:
        """Whether this payment is one of a declared share."""
        return self.context.draw(what, request.payment) < share

    def follow(
        self, operation: str, sent: SentRequest, request: PaymentRequest, *, in_order: bool = True
    ) -> asyncio.Task[Reply]:
        """Deliver a capture, refund or advice to where the authorisation was sent.

        `in_order`: after what was started before for the same authorisation.
        """
        reference = sent.request.reference
        follow_up = msgspec.structs.replace(
            sent.request,
            amount_minor=request.amount_minor,
            item=request.item,
            is_final=request.is_final,
            decided_by=request.decided_by,
            key=f"{reference}-{request.item or operation}",
        )
        return self.follow_ups.start(operation, sent.target, follow_up, in_order=in_order)

    def advise(self, end: CallEnd) -> None:
        """Advise the link that should have decided of what was approved in its place (0120)."""
        target = self.link.calls["authorise"].to
        advice = msgspec.structs.replace(end.request, decided_by=self.name)
        self.follow("advise", SentRequest(target, advice), advice)

    def approve(self, request: PaymentRequest, decided_by: str | None = None) -> Answer:
        """An approval of the whole amount."""
        return Answer(
            Outcome.APPROVED,
            APPROVED,
            decided_by or self.name,
            request.reference,
            request.amount_minor,
        )

    def decline(self, code: str, reference: str = "") -> Answer:
        """A decline; whether it is technical is the code's to say."""
        return Answer(Outcome.DECLINED, code, self.name, reference)

    def unknown(self, reference: str = "") -> Answer:
        """No link behind this one answered in time: the outcome of the request is unknown."""
        return Answer(Outcome.UNKNOWN, LATE_RESPONSE, self.name, reference)

    async def query(self, request: PaymentRequest, parent: str) -> Answer:
        """What this link's book knows of an authorisation."""
        entry = self.book.entry(request.reference)
        if entry is not None and entry.state is AuthorisationState.IN_FLIGHT:
            return Answer(Outcome.UNKNOWN, IN_PROGRESS, self.name, request.reference)
        if (
            entry is None
            or entry.request is None
            or entry.state is not AuthorisationState.AUTHORISED
        ):
            return self.decline(NOT_FOUND, request.reference)
        answer = self.approve(entry.request, entry.decided_by)
        if entry.is_partial:
            answer.code = PARTIAL_APPROVAL
        return answer
