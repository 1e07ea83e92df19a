"""Edge: forwards the customer's request, and answers 502 or 504 when what is behind it fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import msgspec

from paychain.payments.outcome import HopResult
from paychain.protocol.message import AnswerOrError, Error, ErrorKind, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.policies.call_end import ATTEMPTS_PER_GATEWAY
from paychain.services.roles.forwarded import forwarded_as
from paychain.services.roles.role import Role, Work


@dataclass
class Edge(Role):
    """A CDN, WAF or load balancer in front of the chain; it knows nothing of payments.

    With `on_unknown: reverse` it has to: it names each forwarded payment, so that it can reverse
    it, and recognises repeats by their key, since a payment that it reversed must not go on.
    """

    _reverses: bool = field(default=False, init=False)
    _reversed: Counter[str] = field(default_factory=Counter, init=False)  # executions, by payment

    def __post_init__(self) -> None:
        super().__post_init__()
        self._reverses = self.chain.calls_of(self.name)["forward"].reverses("forward")

    def operations(self) -> dict[str, Work]:
        """Forwards whatever the customer asks."""
        return {"pay": self._forward, "forward": self._forward}

    def recognises_repeats(self, operation: str) -> bool:
        """Only where it reads payments at all."""
        return self._reverses and operation in self.operations()

    async def _forward(self, request: PaymentRequest, parent: str) -> AnswerOrError:
        if not self._reverses:
            return answer_to((await self.calls["forward"].execute(request, parent)).reply)
        try:
            end = await self.calls["forward"].execute(self._named(request), parent)
        except asyncio.CancelledError:
            # The link dies, and what is on disk is reversed when it is back.
            self._reversed[request.payment] += self.background.is_kept
            raise
        if not end.reply.result.worked:
            self._reversed[request.payment] += 1
        return answer_to(end.reply)

    def _named(self, request: PaymentRequest) -> PaymentRequest:
        """The payment under a name to reverse it by: a new one after it was reversed.

        A reversal may still be on its way, and must not undo what is taken after it.
        """
        name = forwarded_as(request)
        number = self._reversed[request.payment]
        if not number:
            return msgspec.structs.replace(request, reference=name)
        name = f"{name}+{self.context.mark}{number + 1}"
        gateways = len(self.link.calls["forward"].alternatives)
        attempt = request.attempt + number * gateways * ATTEMPTS_PER_GATEWAY
        return msgspec.structs.replace(request, reference=name, key=name, attempt=attempt)


def answer_to(reply: Reply) -> AnswerOrError:
    """The caller's answer: that of the link behind, or the error of a proxy that got none."""
    if reply.answer is not None:
        return reply.answer
    match reply.result:
        case HopResult.HTTP_ERROR:
            return Error(ErrorKind.FORWARDED, status=int(reply.code))
        # What the error proves is passed on with it.
        case HopResult.REJECTED:
            return Error(ErrorKind.OVERLOADED, status=int(reply.code))
        case HopResult.TIMEOUT:
            return Error(ErrorKind.GATEWAY_TIMEOUT)
        case _:
            return Error(ErrorKind.BAD_GATEWAY)
