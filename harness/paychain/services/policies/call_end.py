"""What a call with its policy brought: at one target, and in the end for the role that made it."""

from __future__ import annotations

import asyncio
from enum import Enum, auto

import msgspec

from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.state.idempotency import is_made_again

ATTEMPTS_PER_GATEWAY = 100  # numbers of attempts: more than the policies of one gateway use


class SentRequest(msgspec.Struct, frozen=True, gc=False):
    """One request that went to one target and may have moved money there."""

    target: str
    request: PaymentRequest


class Attempt(msgspec.Struct, frozen=True):
    """All tries of one request at one target. `is_unknown`: some try may have been executed.

    `sent_s`: when the first of those began, on the clock of the loop; 0 where no query waits for
    the time of its answer to be over.
    """

    target: str
    request: PaymentRequest  # as it was last sent
    reply: Reply  # to the last try
    is_unknown: bool
    sent_s: float = 0.0

    @property
    def worked(self) -> bool:
        """There is a final answer."""
        return self.reply.result.worked

    @property
    def sent(self) -> SentRequest:
        """What may hold money at the target, under the reference that its answer names.

        A target without keys executes a repeat as a new request: follow-ups concern that one, since
        the unanswered execution is unknown to everybody.
        """
        sent, answer = self.request, self.reply.answer
        if (
            answer is not None
            and answer.reference != sent.reference
            and is_made_again(answer.reference, sent.reference, self.target)
        ):
            sent = msgspec.structs.replace(sent, reference=answer.reference)
        return SentRequest(self.target, sent)

    def approved(self) -> CallEnd:
        """The end of the call, where the target has approved."""
        return CallEnd(reply=self.reply, request=self.request, standing=(self.sent,))


class CallEnding(Enum):
    """The four ways a call can end for the role that made it."""

    DECIDES_ALONE = auto()  # a fallback lets the role approve in the target's place
    ANSWERED = auto()  # an answer is final: approved or declined for business reasons
    UNRESOLVED = auto()  # an unknown outcome was left as it is
    FAILED = auto()  # for technical reasons; what may be held is reversed already


class CallEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a call with its policy ended. `standing`: what may hold money at a target.

    With `is_stood_in` the role decides itself under `request`'s reference. With `is_queued` it
    accepts, and `later` brings the reply of the delivery (NOT_TRIED when it never was delivered).
    """

    reply: Reply
    request: PaymentRequest  # as it was last sent, or is to be booked
    standing: tuple[SentRequest, ...] = ()
    attempts: int = 1  # requests with a reference of their own so far
    is_skipped: bool = False
    is_exempt: bool = False
    is_stood_in: bool = False
    is_queued: bool = False
    is_unresolved: bool = False  # an unknown outcome was left as it is
    is_found: bool = False  # the outcome was unknown until a query or a repeat brought it
    later: asyncio.Future[Reply] | None = None

    @property
    def answer(self) -> Answer:
        """The final answer of a call that was answered."""
        assert self.reply.answer is not None  # no result works without one
        return self.reply.answer

    @property
    def ending(self) -> CallEnding:
        """Which of the four it is."""
        if self.is_stood_in or self.is_queued:
            return CallEnding.DECIDES_ALONE
        if self.reply.result.worked:
            return CallEnding.ANSWERED
        return CallEnding.UNRESOLVED if self.is_unresolved else CallEnding.FAILED

    def followed_by(self, end: CallEnd) -> CallEnd:
        """The end of this attempt and of the next one together."""
        return msgspec.structs.replace(
            end,
            standing=(*self.standing, *end.standing),
            attempts=self.attempts + 1,
            is_unresolved=self.is_unresolved or end.is_unresolved,
        )


def next_attempt(
    operation: str, request: PaymentRequest, number: int, mark: str, *, shares_keys: bool = False
) -> PaymentRequest:
    """The request as a new attempt: a new authorisation, which no key of the first covers.

    `mark`: of the link that makes it. A payment that is forwarded to another gateway is a new
    attempt as well, since keys are one provider's own (docs/domain.md §0.2), unless the gateways
    share them (`shares_keys`). Other operations move no money, and stay as they are.
    """
    match operation:
        case "authorise":
            attempt, first = request.attempt + number, request.reference
        case "forward" if not shares_keys:
            # The next gateway numbers its own attempts from here on.
            attempt = request.attempt + number * ATTEMPTS_PER_GATEWAY
            first = request.reference or request.payment
        case _:
            return request
    reference = f"{first}.{mark}{number}"
    return msgspec.structs.replace(request, attempt=attempt, reference=reference, key=reference)
