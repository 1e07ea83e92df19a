"""Clearing: passes transfers from bank to bank, settles what is accepted, rejects what is late.

    payer's bank ──▶ transfer ──▶ payee's bank: credited ──▶ settled, which is final
                                  refused ──▶ rejected
                                  no answer ──▶ rejected, and the payee's bank takes it back

A rejection is final, too: nothing moves for that reference afterwards, whoever sends it again. So
is "not known", the answer to a query: what comes later under the reference is rejected.

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
from paychain.services.roles.transfers import is_about
from paychain.services.state.kept import Retained


@dataclass(slots=True)
class _Transfer:
    """What the clearing has decided about a transfer; None while the payee's bank is asked."""

    answer: Answer | None = None
    decided_ns: int = 0


@dataclass
class Clearing(Role):
    """Between the banks: both believe what it says."""

    once = frozenset({"transfer"})
    _transfers: Retained[_Transfer] = field(init=False)  # by reference
    # By key: those that the payee's bank has not answered.
    _recalls: dict[str, asyncio.Task[Reply]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._transfers = Retained(self.retention, lambda _, each: each.answer is not None)

    def operations(self) -> dict[str, Work]:
        """Transfers and their outcomes."""
        return {"transfer": self._transfer, "recall": self._recall, "query": self.query}

    async def _transfer(self, request: PaymentRequest, parent: str) -> Answer:
        """Ask the payee's bank, once, and settle or reject."""
        known = self._transfers.get(request.reference)
        if known is not None and not self.executes_repeats:
            return known.answer or self._in_progress(request)
        transfer = self._transfers[request.reference] = _Transfer()
        answer = self.decline(ISSUER_INOPERATIVE, request.reference)
        try:
            answer = self._decided(await self.calls["transfer"].execute(request, parent), request)
        finally:
            transfer.answer, transfer.decided_ns = answer, self.context.now_ns()
        return answer

    def _decided(self, end: CallEnd, request: PaymentRequest) -> Answer:
        """The answer to both banks: without one of the payee's bank in time, a rejection."""
        match end.ending:
            case CallEnding.ANSWERED if end.answer.outcome is not Outcome.APPROVED:
                return self.decline(end.answer.code, request.reference)
            case CallEnding.ANSWERED if is_about(end.answer, request):
                return self.approve(request)
            # An approval of another transfer says nothing of this one, which may be credited.
            case CallEnding.ANSWERED:
                self.calls["transfer"].void(SentRequest(self.link.calls["transfer"].to, request))
                return self.decline(LATE_RESPONSE, request.reference)
            case _ if end.reply.result.leaves_unknown:
                return self.decline(LATE_RESPONSE, request.reference)
            case _:
                return self.decline(ISSUER_INOPERATIVE, request.reference)

    async def query(self, request: PaymentRequest, parent: str) -> Answer:
        """What became of a transfer; one that is not known is rejected from now on."""
        transfer = self._transfers.get(request.reference)
        if transfer is None:
            late = self.decline(LATE_RESPONSE, request.reference)
            self._transfers[request.reference] = _Transfer(late)
            return self.decline(NOT_FOUND, request.reference)
        return transfer.answer or self._in_progress(request)

    async def _recall(self, request: PaymentRequest, parent: str) -> Answer:
        """Pass a recall on until the payee's bank has answered it; its answer is the bank's."""
        transfer, rail = self._transfers.get(request.reference), self.chain.rail
        answer = transfer.answer if transfer is not None else None
        if transfer is None or answer is None or answer.outcome is not Outcome.APPROVED:
            return self.decline(NOT_FOUND, request.reference)
        assert rail is not None  # its own
        late_ns = self.context.now_ns() - transfer.decided_ns
        if late_ns > rail.recall_s(request.item) * 1e9:
            return self.decline(RECALL_REFUSED, request.reference)
        task = self._recalls.get(request.key)
        if task is None:
            to = self.link.calls["transfer"].to
            task = self._recalls[request.key] = self.follow_ups.start("recall", to, request)
            task.add_done_callback(lambda _: self._recalls.pop(request.key, None))
        reply = await asyncio.shield(task)
        return reply.answer or self._in_progress(request)

    def _in_progress(self, request: PaymentRequest) -> Answer:
        return Answer(Outcome.UNKNOWN, IN_PROGRESS, self.name, request.reference)
