"""Links that pass an authorisation on and take over what follows of it.

A relay books a capture or refund and passes it on by itself, as it does with reversals: the caller
does not wait for the issuer. Advices say what was approved in the issuer's place (0120).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

import msgspec

from paychain.model.disputes import DISPUTE
from paychain.payments.codes import ISSUER_INOPERATIVE, NOT_FOUND
from paychain.payments.journal import MovementKind
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.policies.call_end import CallEnd, CallEnding, SentRequest
from paychain.services.roles.authorising import Authorising
from paychain.services.roles.role import Work

# What a link reports when one behind it refuses what it has booked and passed on.
_FAILED = {"capture": "capture_failed", "refund": "refund_failed"}
# What a link made of a reference has its name after a mark; a number there is another attempt's.
_MADE = re.compile(r"(.+)[+~.](?!\d+(?:$|[+~./-]))[^+~/]*")


@dataclass
class Relay(Authorising):
    """Passes the authorisation on; takes over what follows of what it passed on."""

    _standing: dict[str, tuple[SentRequest, ...]] = field(default_factory=dict, init=False)
    _approved_at: dict[str, SentRequest] = field(default_factory=dict, init=False)
    _alone: dict[str, MovementKind] = field(default_factory=dict, init=False)
    _disputed: set[str] = field(default_factory=set, init=False)  # its own references

    def operations(self) -> dict[str, Work]:
        """Also to report a chargeback, where the merchant gets webhooks."""
        works = super().operations()
        return works if self.webhooks is None else {**works, DISPUTE: self._dispute}

    def decided_as(self, request: PaymentRequest) -> MovementKind:
        """Stood in or stored when the issuer was not reached."""
        return self._alone.get(request.reference, MovementKind.AUTHORISED)

    async def decide(self, request: PaymentRequest, parent: str) -> Answer:
        """The link's own decline, the answer of the link behind, or a technical decline."""
        code = self.declines(request)
        if code is not None:
            return self.decline(code, request.reference)
        self._alone.pop(request.reference, None)  # it may be worked on once more
        before = self._standing.get(request.reference, ())
        onward = self._with_new_reference(request, before)
        # Noted before it is sent: a link that dies meanwhile still knows what to reverse.
        sent = SentRequest(self.link.calls["authorise"].to, onward)
        self._standing[request.reference] = (*before, sent)
        end = await self.calls["authorise"].execute(onward, parent)
        self._standing[request.reference] = (*before, *end.standing)
        match end.ending:
            case CallEnding.DECIDES_ALONE:
                return self._decide_alone(request, end)
            case CallEnding.ANSWERED:
                answer = end.answer
                if answer.outcome is Outcome.APPROVED:
                    self._approved_at[request.reference] = end.standing[-1]
                return answer
            case CallEnding.UNRESOLVED:
                return self.unknown(request.reference)
            case CallEnding.FAILED:
                return end.reply.answer or self.decline(ISSUER_INOPERATIVE, request.reference)

    def _with_new_reference(
        self, request: PaymentRequest, before: tuple[SentRequest, ...]
    ) -> PaymentRequest:
        """The request as it goes on: under another reference when the last one was reversed.

        A reversal may still be on its way, and must not undo what is authorised after it.
        """
        if not before or self.link.calls["authorise"].on_unknown != "reverse":
            return request
        reference = f"{request.reference}+{self.context.mark}{len(before) + 1}"
        return msgspec.structs.replace(request, reference=reference, key=reference)

    def _decide_alone(self, request: PaymentRequest, end: CallEnd) -> Answer:
        """Approve in the issuer's place: stand in and advise, or store and forward."""
        sent = SentRequest(self.link.calls["authorise"].to, end.request)
        before = self._standing.get(request.reference, ())
        self._standing[request.reference] = (*before, sent)
        self._approved_at[request.reference] = sent
        self._alone[request.reference] = MovementKind.STORED
        if end.is_stood_in:
            self._alone[request.reference] = MovementKind.STOOD_IN
            self.advise(end)
        return self.approve(end.request)

    def pass_on(self, operation: str, request: PaymentRequest) -> None:
        """To the link that approved it, under the reference it knows."""
        sent = self._approved_at.get(request.reference)
        if operation == "advise":
            sent = SentRequest(self.link.calls["authorise"].to, request)
            self._standing[request.reference] = (sent,)
            self._approved_at[request.reference] = sent
        if sent is None:
            return
        delivered = self.follow(operation, sent, request)
        if operation in _FAILED:
            kind = _FAILED[operation]
            delivered.add_done_callback(lambda done: self._report_refused(done, kind, request))

    def _report_refused(
        self, delivered: asyncio.Task[Reply], kind: str, request: PaymentRequest
    ) -> None:
        """A link behind refused what is booked here, and has been reported as done."""
        if delivered.cancelled() or delivered.exception() is not None:
            return
        if delivered.result().result is HopResult.DECLINED:
            self.send_webhook(kind, request)

    async def _dispute(self, request: PaymentRequest, parent: str) -> Answer:
        """Report to the merchant that the issuer has charged back what was captured here."""
        reference = self._captured_as(request.reference)
        if reference is None:
            return Answer(Outcome.APPROVED, NOT_FOUND, self.name, request.reference)
        if reference not in self._disputed:
            self._disputed.add(reference)
            self.send_webhook("disputed", msgspec.structs.replace(request, reference=reference))
        return self.approve(request)

    def _captured_as(self, reference: str) -> str | None:
        """The reference under which this link has captured an authorisation; None: it has not.

        This link and those behind may have made another one of it: `p1-1+processor.2` of `p1-1`.
        """
        while True:
            entry = self.book.entry(reference)
            if entry is not None and entry.captured_minor:
                return reference
            made = _MADE.fullmatch(reference)
            if made is None:
                return None
            reference = made[1]

    def forget(self, reference: str) -> None:
        """Reverse whatever may stand behind this link.

        What was passed on of it before arrives first: a release of the rest that overtakes a
        capture would leave nothing for it to take.
        """
        for sent in self._standing.pop(reference, ()):
            if self.follow_ups.is_under_way(sent.request.reference):
                self.background.start(self._void_afterwards(sent))
            else:
                self.calls["authorise"].void(sent)

    async def _void_afterwards(self, sent: SentRequest) -> None:
        await self.follow_ups.settled(sent.request.reference)
        self.calls["authorise"].void(sent)
