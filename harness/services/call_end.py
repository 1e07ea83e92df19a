"""What a call with its policy brought: at one target, and in the end for the role that made it."""

from __future__ import annotations

import asyncio

import msgspec

from harness.services.channel import Reply
from harness.services.message import PaymentRequest


class Sent(msgspec.Struct, frozen=True):
    """One request that went to one target and may have moved money there."""

    target: str
    request: PaymentRequest


class Tried(msgspec.Struct, frozen=True):
    """What the tries at one target brought. `is_unknown`: it may have worked unanswered."""

    target: str
    request: PaymentRequest
    reply: Reply
    is_unknown: bool

    @property
    def worked(self) -> bool:
        """There is a final answer."""
        return self.reply.result.worked

    @property
    def sent(self) -> Sent:
        """What may hold money at the target."""
        return Sent(self.target, self.request)


class CallEnd(msgspec.Struct, frozen=True):
    """How a call with its policy ended. `standing`: what may hold money at a target.

    With `is_stood_in` the role decides itself under `request`'s reference. With `is_queued` it
    accepts, and `later` brings the reply of the delivery (NOT_TRIED when it never was delivered).
    """

    reply: Reply
    request: PaymentRequest  # as it was last sent, or is to be booked
    standing: tuple[Sent, ...] = ()
    attempts: int = 1  # requests with a reference of their own so far
    is_skipped: bool = False
    is_exempt: bool = False
    is_stood_in: bool = False
    is_queued: bool = False
    is_unresolved: bool = False  # an unknown outcome was left as it is
    later: asyncio.Future[Reply] | None = None

    def followed_by(self, end: CallEnd) -> CallEnd:
        """The end of this attempt and of the next one together."""
        return msgspec.structs.replace(
            end,
            standing=(*self.standing, *end.standing),
            attempts=self.attempts + 1,
            is_unresolved=self.is_unresolved or end.is_unresolved,
        )


def next_attempt(operation: str, request: PaymentRequest, number: int, mark: str) -> PaymentRequest:
    """The request as a new attempt: a new authorisation, which no key of the first covers.

    `mark`: of the link that makes it.
    """
    if operation != "authorise":
        return request
    reference = f"{request.reference}.{mark}{number}"
    return msgspec.structs.replace(
        request, attempt=request.attempt + number, reference=reference, key=reference
    )
