"""What every role has: a link's calls, its book, and a handler per operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar

from harness.model.chain import Chain, Link
from harness.payments.codes import APPROVED, IN_PROGRESS, NOT_FOUND
from harness.payments.outcome import Outcome
from harness.services.book import Book, State
from harness.services.context import Context
from harness.services.message import Answer, PaymentRequest
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
    book: Book = field(init=False)
    once: ClassVar[frozenset[str]] = frozenset()  # operations that idempotency keys cover

    def __post_init__(self) -> None:
        self.book = Book(self.context)

    def operations(self) -> dict[str, Work]:
        """What the link can be asked to do."""
        raise NotImplementedError

    def declines(self, request: PaymentRequest) -> str | None:
        """The business code this link declines the payment with, None when it does not."""
        declared = self.link.declines
        if declared is None or self.context.draw("declines", request.payment) >= declared.share:
            return None
        return declared.code

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
        match self.book.state_of(request.reference):
            case State.AUTHORISED:
                return self.approve(request)
            case State.IN_FLIGHT:
                return Answer(Outcome.UNKNOWN, IN_PROGRESS, self.name, request.reference)
            case _:
                return self.decline(NOT_FOUND, request.reference)
