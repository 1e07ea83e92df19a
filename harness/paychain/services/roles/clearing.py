"""Clearing: passes transfers from bank to bank, settles what is accepted, rejects what is late.

    payer's bank ──▶ transfer ──▶ payee's bank: credited ──▶ settled, which is final
                                  refused ──▶ rejected
                                  no answer ──▶ rejected, and the payee's bank takes it back

A rejection is final, too: nothing moves for that reference afterwards, whoever sends it again. So
is "not known", the answer to a query: what comes later under the reference is rejected.

On a rail that deems (payments/data/rails.yaml) what has no answer is neither settled nor rejected:
it is deemed to be made until the payee's bank confirms the credit or returns the money.

A recall of what was settled is passed on to the payee's bank, which decides; one that comes later
than the rail permits is refused here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from paychain.payments.codes import (
    IN_PROGRESS,
    ISSUER_INOPERATIVE,
    LATE_RESPONSE,
    NOT_FOUND,
    RECALL_REFUSED,
)
from paychain.payments.outcome import Outcome
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.policies.call_end import CallEnd, CallEnding, SentRequest
from paychain.services.roles.role import Role, Work
from paychain.services.roles.transfers import is_about, rail_of
from paychain.services.state.followup import is_final
from paychain.services.state.retained import Retained


@dataclass(slots=True)
class _Transfer:
    """What the clearing has decided about a transfer; None while the payee's bank is asked.

    On a rail that deems it stays None until that bank has confirmed the credit or returned it.
    `recalls`: the keys of the recalls that came in time, and may be repeated after that.
    """

    answer: Answer | None = None
    decided_ns: int = 0
    recalls: frozenset[str] = frozenset()


@dataclass
class Clearing(Role):
    """Between the banks: both believe what it says."""

    once = frozenset({"transfer"})
    _transfers: Retained[_Transfer] = field(init=False)  # by reference
    # By key: what was passed on and the payee's bank has not answered.
    _passed_on: dict[str, asyncio.Task[Reply]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._transfers = Retained(self.retention, lambda _, each: each.answer is not None)

    def operations(self) -> dict[str, Work]:
        """Transfers and their outcomes."""
        return {
            "transfer": self._transfer,
            "recall": self._recall,
            "confirm": self._confirm,
            "query": self.query,
        }

    async def _transfer(self, request: PaymentRequest, parent: str) -> Answer:
        """Ask the payee's bank, once, and settle or reject; None of both where nobody knows."""
        known = self._transfers.get(request.reference)
        if known is not None and not self.executes_repeats:
            return known.answer or self._in_progress(request)
        transfer = self._transfers[request.reference] = _Transfer()
        answer = self._without_answer(ISSUER_INOPERATIVE, request)
        try:
            answer = self._decided(await self.calls["transfer"].execute(request, parent), request)
        finally:
            self._decide(transfer, answer)
        return transfer.answer or self._in_progress(request)

    def _decide(self, transfer: _Transfer, answer: Answer | None) -> None:
        """Settle or reject, for good: whoever is first."""
        if transfer.answer is None and answer is not None:
            transfer.answer, transfer.decided_ns = answer, self.context.now_ns()

    def _without_answer(self, code: str, request: PaymentRequest) -> Answer | None:
        """What becomes of a transfer that may be credited: rejected, or None where it is deemed."""
        return None if rail_of(self.chain).deems else self.decline(code, request.reference)

    def _decided(self, end: CallEnd, request: PaymentRequest) -> Answer | None:
        """The answer to both banks: without one of the payee's bank in time, a rejection."""
        match end.ending:
            case CallEnding.UNRESOLVED:
                return self._without_answer(LATE_RESPONSE, request)
            case CallEnding.ANSWERED if end.answer.outcome is not Outcome.APPROVED:
                return self.decline(end.answer.code, request.reference)
            case CallEnding.ANSWERED if is_about(end.answer, request):
                return self.approve(request)
            # An approval of another transfer says nothing of this one, which may be credited.
            case CallEnding.ANSWERED if rail_of(self.chain).deems:
                return None
            case CallEnding.ANSWERED:
                self.calls["transfer"].void(SentRequest(self.link.calls["transfer"].to, request))
                return self.decline(LATE_RESPONSE, request.reference)
            case _ if end.reply.result.leaves_unknown:
                return self._without_answer(LATE_RESPONSE, request)
            case _:
                return self.decline(ISSUER_INOPERATIVE, request.reference)

    async def query(self, request: PaymentRequest, parent: str) -> Answer:
        """What became of a transfer; one that is not known is rejected from now on."""
        transfer = self._transfers.get(request.reference)
        if transfer is None:
            return self._unknown(request)
        return transfer.answer or self._in_progress(request)

    def _unknown(self, request: PaymentRequest) -> Answer:
        """Reject what is not known from now on."""
        self._transfers[request.reference] = _Transfer(
            self.decline(LATE_RESPONSE, request.reference), self.context.now_ns()
        )
        return self.decline(NOT_FOUND, request.reference)

    async def _confirm(self, request: PaymentRequest, parent: str) -> Answer:
        """Have the payee's bank confirm or return what is deemed to be made: its word decides."""
        transfer = self._transfers.get(request.reference)
        if transfer is None:
            return self._unknown(request)
        if transfer.answer is None:
            reply = await self._pass_on("confirm", request)
            if reply.answer is not None and is_final(reply):
                self._decide(transfer, self._confirmed(reply.answer, request))
        # Whatever it was declined for, the answer is final: a technical code would be asked again.
        answer = transfer.answer and self._confirmed(transfer.answer, request)
        return answer or self._in_progress(request)

    def _confirmed(self, answer: Answer, request: PaymentRequest) -> Answer | None:
        """What became of a transfer, for good; None if the answer is about another one."""
        if not is_about(answer, request):
            return None
        if answer.outcome is Outcome.APPROVED:
            return self.approve(request)
        return self.decline(LATE_RESPONSE, request.reference)

    async def _recall(self, request: PaymentRequest, parent: str) -> Answer:
        """Pass a recall on until the payee's bank has answered it; its answer is the bank's."""
        transfer = self._transfers.get(request.reference)
        answer = transfer.answer if transfer is not None else None
        if transfer is None or answer is None or answer.outcome is not Outcome.APPROVED:
            return self.decline(NOT_FOUND, request.reference)
        late_ns = self.context.now_ns() - transfer.decided_ns
        is_late = late_ns > rail_of(self.chain).recall_s(request.item) * 1e9
        if is_late and request.key not in transfer.recalls:
            return self.decline(RECALL_REFUSED, request.reference)
        if request.key:  # without one nothing can be recognised as a repeat
            transfer.recalls |= {request.key}
        reply = await self._pass_on("recall", request)
        return reply.answer or self._in_progress(request)

    async def _pass_on(self, operation: str, request: PaymentRequest) -> Reply:
        """What the payee's bank answers in the end, however often the payer's bank asks."""
        task = self._passed_on.get(request.key)
        if task is None:
            to = self.link.calls["transfer"].to
            task = self._passed_on[request.key] = self.follow_ups.start(operation, to, request)
            task.add_done_callback(lambda _: self._passed_on.pop(request.key, None))
        return await asyncio.shield(task)

    def _in_progress(self, request: PaymentRequest) -> Answer:
        return Answer(Outcome.UNKNOWN, IN_PROGRESS, self.name, request.reference)
