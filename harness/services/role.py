"""What every role has: a link's calls, its book, and a handler per operation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from harness.model.chain import Chain, Link
from harness.payments.codes import APPROVED, IN_PROGRESS, NOT_FOUND
from harness.payments.outcome import Outcome
from harness.services.background import Background
from harness.services.book import Book, State
from harness.services.call_end import CallEnd, Sent
from harness.services.channel import Reply
from harness.services.context import Context
from harness.services.followup import FollowUps
from harness.services.message import Answer, PaymentRequest
from harness.services.notifications import Notifier
from harness.services.policy import PolicyCall
from harness.services.reversal import Reversals
from harness.wire.http import HttpResponse

Work = Callable[[PaymentRequest, str], Awaitable[Answer | HttpResponse]]


@dataclass
class Role:
    """The behaviour of one link. A role is one module with a subclass and a line in ROLES."""

    chain: Chain
    name: str
    link: Link
    context: Context
    calls: dict[str, PolicyCall]
    reversals: Reversals
    follow_ups: FollowUps
    background: Background
    notifier: Notifier | None
    book: Book = field(init=False)
    once: ClassVar[frozenset[str]] = frozenset()  # operations that idempotency keys cover

    def __post_init__(self) -> None:
        self.book = Book(self.context, self.link.expires_after)

    def operations(self) -> dict[str, Work]:
        """What the link can be asked to do."""
        raise NotImplementedError

    def give_back(self, payment: str) -> None:
        """A merchant refunds a payment by hand; nothing where no merchant is."""

    def declines(self, request: PaymentRequest) -> str | None:
        """The business code this link declines the payment with, None when it does not."""
        declared = self.link.declines
        if declared is None or not self.drawn("declines", request, declared.share):
            return None
        return declared.code

    def drawn(self, what: str, request: PaymentRequest, share: float) -> bool:
        """Whether this payment is one of a declared share."""
        return self.context.draw(what, request.payment) < share

    def follow(self, operation: str, sent: Sent, request: PaymentRequest) -> asyncio.Task[Reply]:
        """Deliver a capture, refund or advice to where the authorisation was sent."""
        reference = sent.request.reference
        asked = msgspec.structs.replace(
            sent.request, amount_minor=request.amount_minor, item=request.item,
            is_final=request.is_final, decided_by=request.decided_by,
            key=f"{reference}-{request.item or operation}",
        )  # fmt: skip
        return self.follow_ups.start(operation, sent.target, asked)

    def advise(self, end: CallEnd) -> None:
        """Tell the link that should have decided what was approved in its place (0120)."""
        target = self.link.calls["authorise"].to
        advice = msgspec.structs.replace(end.request, decided_by=self.name)
        self.follow("advise", Sent(target, advice), advice)

    def approve(self, request: PaymentRequest, decided_by: str | None = None) -> Answer:
        """An approval of the whole amount."""
        return Answer(
            Outcome.APPROVED, APPROVED, decided_by or self.name, request.reference,
            request.amount_minor,
        )  # fmt: skip

    def decline(self, code: str, reference: str = "") -> Answer:
        """A decline; whether it is technical is the code's to say."""
        return Answer(Outcome.DECLINED, code, self.name, reference)

    async def query(self, request: PaymentRequest, parent: str) -> Answer:  # noqa: ARG002
        """What this link's book knows of an authorisation."""
        entry = self.book.entry(request.reference)
        if entry is not None and entry.state is State.IN_FLIGHT:
            return Answer(Outcome.UNKNOWN, IN_PROGRESS, self.name, request.reference)
        if entry is None or entry.request is None or entry.state is not State.AUTHORISED:
            return self.decline(NOT_FOUND, request.reference)
        return self.approve(entry.request, entry.decided_by)
