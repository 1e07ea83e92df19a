"""Bank: of payers, who are debited, or of payees, who are credited; never of both.

    payer    held ─┬─ confirmed ──▶ debited
                   ├─ rejected ──▶ freed
                   └─ no outcome in time: the hold ends ─┬─ confirmed ──▶ debited all the same
                                                         └─ rejected ──▶ nothing more

    On a rail that deems the payer is debited at once, and the outcome comes at the latest when the
    bank wants it confirmed: debited ─┬─ confirmed ──▶ nothing more
                                      ├─ returned ──▶ the payer has it back
                                      └─ neither, however often it asks ──▶ a dispute: pending

    payee    transfer ──▶ credited ──▶ rejected by the clearing: taken back

A bank with a call `transfer` has payers. They see "pending" once the hold has ended, and the bank
queries on: nothing but the clearing's word says whether the transfer was made.

    recall ──▶ clearing ──▶ payee's bank: returned ──▶ the payer has it back
                                          refused  ──▶ nothing more
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial

import msgspec

from paychain.faults.kind import StateFaultKind
from paychain.model.accounts import Recalls
from paychain.payments.codes import (
    APPROVED,
    IN_PROGRESS,
    ISSUER_INOPERATIVE,
    LATE_RESPONSE,
    NOT_FOUND,
    RECALL_REFUSED,
)
from paychain.payments.journal import DecisionKind, MovementKind
from paychain.payments.outcome import HopResult, Outcome
from paychain.payments.rails import RailLimits
from paychain.protocol.message import Answer, PaymentRequest
from paychain.services.policies.call_end import CallEnd, CallEnding
from paychain.services.roles.credits import Credits, Incoming
from paychain.services.roles.exchange import PATIENCE
from paychain.services.roles.role import Role, Work
from paychain.services.roles.transfers import is_about, rail_of, until_known
from paychain.services.state.followup import is_final
from paychain.services.state.retained import Retained

LATE = "late"  # the mark of a debit whose hold had ended: it is booked as one of its own


@dataclass(slots=True)
class _Outgoing:
    """A transfer that the bank sends. `known`: its outcome, None while it is pending.

    `is_over`: the bank does nothing more about it, whether or not it knows the outcome.
    """

    request: PaymentRequest
    number: int = 1  # of the payment, where repeats are executed
    is_held: bool = False
    may_be_made: bool = False  # a round of calls ended without an outcome
    is_over: bool = False
    known: Outcome | None = None
    code: str = ""
    answerable: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Bank(Role):
    """Keeps the accounts of payers, if it has a call `transfer`, or of payees."""

    once = frozenset({"pay", "forward", "transfer"})
    _outgoing: Retained[_Outgoing] = field(init=False)  # by payment
    _incoming: Retained[Incoming] = field(init=False)  # by reference
    _credits: Credits = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._outgoing = Retained(self.retention, lambda _, each: each.is_over)
        self._incoming = Retained(self.retention)
        self._credits = Credits(
            name=self.name,
            link=self.link,
            context=self.context,
            background=self.background,
            drawn=self.drawn,
        )

    def operations(self) -> dict[str, Work]:
        """Transfers of payers; or transfers to payees, and rejections of those."""
        if "transfer" in self.link.calls:
            return {"pay": self._pay, "forward": self._pay}
        return {
            "transfer": self._credit,
            "void": self._take_back,
            "recall": self._return,
            "confirm": self._confirm,
            "query": self.query,
        }

    # The payer's side.

    async def _pay(self, request: PaymentRequest, parent: str) -> Answer:
        """Hold the money and send it, once; answer when the outcome is known, or the hold ends."""
        transfer = self._outgoing.get(request.payment)
        if transfer is None or self.executes_repeats:
            code = self.declines(request)
            if code is not None:
                return self.decline(code, request.reference)
            number = transfer.number + 1 if transfer is not None else 1
            transfer = self._take(request, number)
            self._outgoing[request.payment] = transfer
            self.background.start(self._send(transfer, parent))
        try:
            async with asyncio.timeout(self.chain.deadline * PATIENCE):
                await transfer.answerable.wait()
        except TimeoutError:
            pass
        return self._status(transfer)

    def _take(self, request: PaymentRequest, number: int) -> _Outgoing:
        """Hold the payer's money, or debit it at once where the rail has no end of a hold."""
        reference = f"{request.payment}-{number}"
        taken = msgspec.structs.replace(request, reference=reference, key=reference)
        transfer = _Outgoing(taken, number)
        self.context.moved(MovementKind.RESERVED, taken, self.name)
        if self._rail.deems:
            self.context.moved(MovementKind.SPENT, taken, self.name)
        else:
            transfer.is_held = True
            ends_after_s = self.link.holds.lasts_s(self._rail)
            asyncio.get_running_loop().call_later(ends_after_s, self._end_hold, transfer)
        return transfer

    @property
    def _rail(self) -> RailLimits:
        return rail_of(self.chain)

    def _end_hold(self, transfer: _Outgoing) -> None:
        """Give the payer the money back although the transfer may still be made."""
        if transfer.is_held:
            transfer.is_held = False
            self.context.moved(MovementKind.EXPIRED, transfer.request, self.name)
            transfer.answerable.set()

    async def _send(self, transfer: _Outgoing, parent: str) -> None:
        """Send a transfer, until the clearing's word is known, and act on it."""
        if self._rail.deems:
            answer = await self._asked(transfer, parent) or await self._deemed(transfer)
        else:
            answer = await self._word(transfer, parent)
        if answer is not None:
            self._end(transfer, answer)
        transfer.is_over = True

    async def _word(self, transfer: _Outgoing, parent: str) -> Answer | None:
        """The clearing's word, which is queried until it comes; None if it never does."""

        def note() -> None:
            transfer.may_be_made = True

        return await until_known(partial(self._asked, transfer, parent), self.context, note)

    async def _deemed(self, transfer: _Outgoing) -> Answer | None:
        """The outcome of a transfer that nobody knows: what the payee's bank says in the end.

        None if it says nothing as often as the rail has it asked: what follows is a dispute, which
        people end.
        """
        match self.link.deemed.shown:
            case "failed":
                return self.decline(LATE_RESPONSE, transfer.request.reference)
            case "paid":
                self._report(transfer, self.approve(transfer.request))
            case "pending":
                transfer.answerable.set()
        request = transfer.request
        asked = msgspec.structs.replace(request, key=f"{request.reference}-confirm")
        target = self.link.calls["transfer"].to
        for _ in range(self._rail.confirm_requests):
            await asyncio.sleep(self.link.deemed.confirmed_after_s(self._rail))
            reply = await self.follow_ups.start("confirm", target, asked)
            if reply.answer is not None and is_final(reply) and is_about(reply.answer, request):
                return reply.answer
        return None

    def _end(self, transfer: _Outgoing, answer: Answer) -> None:
        """Do with the payer's money as the outcome says."""
        if answer.outcome is Outcome.APPROVED:
            if not self._rail.deems:
                self._debit(transfer)
            self._recall_some(transfer)
        elif self._rail.deems:
            self.context.moved(MovementKind.REVERSED, transfer.request, self.name)
        elif transfer.is_held:
            transfer.is_held = False
            self.context.moved(MovementKind.FREED, transfer.request, self.name)
        self._report(transfer, answer)

    def _report(self, transfer: _Outgoing, answer: Answer) -> None:
        """Let the payer see an outcome."""
        transfer.known, transfer.code = answer.outcome, answer.code
        self.context.decided(
            DecisionKind.REPORTED,
            "pay",
            "",
            payment=transfer.request.payment,
            attempt=transfer.request.attempt,
            detail=answer.outcome.value,
        )
        transfer.answerable.set()

    async def _asked(self, transfer: _Outgoing, parent: str) -> Answer | None:
        end = await self.calls["transfer"].execute(transfer.request, parent)
        return self._final(end, transfer)

    def _final(self, end: CallEnd, transfer: _Outgoing) -> Answer | None:
        """The clearing's final word; None while there is none, or it is about something else."""
        request, answer = transfer.request, end.reply.answer
        match end.ending:
            case CallEnding.UNRESOLVED | CallEnding.DECIDES_ALONE:
                return None
            # The clearing does not know it, and will reject it.
            case CallEnding.FAILED if end.reply.result.leaves_unknown:
                return self.decline(ISSUER_INOPERATIVE, request.reference)
            # Nothing was sent. Of an earlier round that may have made the transfer it says nothing.
            case CallEnding.FAILED if answer is None:
                if transfer.may_be_made:
                    return None
                return self.decline(ISSUER_INOPERATIVE, request.reference)
            case _:
                return answer if is_about(answer, request) else None

    def _debit(self, transfer: _Outgoing) -> None:
        """Take the money: what is held, or, once that has ended, what the account still has."""
        if transfer.is_held:
            transfer.is_held = False
            self.context.moved(MovementKind.SPENT, transfer.request, self.name)
            return
        if self.link.holds.late == "dropped":
            return
        reference = f"{transfer.request.reference}.{LATE}"
        late = msgspec.structs.replace(transfer.request, reference=reference)
        if self.drawn("spent", transfer.request, self.link.holds.spent):
            self.context.moved(MovementKind.COVERED, late, self.name)
            return
        for kind in (MovementKind.RESERVED, MovementKind.SPENT):
            self.context.moved(kind, late, self.name)

    def _recall_some(self, transfer: _Outgoing) -> None:
        recalls = self.link.recalls
        if recalls is not None and self.drawn("recalls", transfer.request, recalls.share):
            self.background.start(self._recall(transfer.request, recalls))

    async def _recall(self, request: PaymentRequest, recalls: Recalls) -> None:
        """Want a transfer back, and give the payer what the payee's bank returns."""
        await asyncio.sleep(recalls.after)
        recall = msgspec.structs.replace(
            request, item=recalls.reason, key=f"{request.reference}-{recalls.reason}"
        )
        target = self.link.calls["transfer"].to
        reply = await self.follow_ups.start("recall", target, recall)
        if reply.result is HopResult.APPROVED and is_about(reply.answer, request):
            self.context.moved(MovementKind.RETURNED, request, self.name)

    def _status(self, transfer: _Outgoing) -> Answer:
        """The status that the payer sees now."""
        match transfer.known:
            case Outcome.APPROVED:
                return self.approve(transfer.request)
            case Outcome.DECLINED:
                return self.decline(transfer.code, transfer.request.reference)
            case _:
                return Answer(Outcome.UNKNOWN, IN_PROGRESS, self.name, transfer.request.reference)

    # The payee's side.

    def apply(self, fault: StateFaultKind, window: str) -> int:
        """Do wrong with the credits that come from now on."""
        self._credits.apply(fault)
        return 0

    def heal(self, fault: StateFaultKind, window: str) -> None:
        """Do right again."""
        self._credits.heal(fault)

    async def _credit(self, request: PaymentRequest, parent: str) -> Answer:
        """Credit a transfer, once, unless its rejection came first."""
        known = self._incoming.get(request.reference)
        if known is not None and (known.is_rejected or not self.executes_repeats):
            return self._received(known, request)
        code = self.declines(request)
        if code is not None:
            return self.decline(code, request.reference)
        incoming = self._incoming[request.reference] = Incoming(request)
        self._credits.take(incoming)
        return self._received(incoming, request)

    async def _take_back(self, request: PaymentRequest, parent: str) -> Answer:
        """The clearing has rejected a transfer: take back what was credited for it."""
        known = self._known_or_rejected(request)
        self._credits.reject(known)
        code = APPROVED if known.request is not None else NOT_FOUND
        # What is not known is acknowledged, too: the clearing would repeat it forever otherwise.
        return Answer(Outcome.APPROVED, code, self.name, request.reference)

    def _known_or_rejected(self, request: PaymentRequest) -> Incoming:
        """A transfer that the bank received; one that it did not is rejected from now on."""
        known = self._incoming.get(request.reference)
        if known is None:
            known = self._incoming[request.reference] = Incoming(None, is_rejected=True)
        return known

    async def _return(self, request: PaymentRequest, parent: str) -> Answer:
        """Return the money of a transfer that is recalled, once, or refuse.

        A transfer may be recalled once, and as a whole.
        """
        known, returns = self._incoming.get(request.reference), self.link.returns
        if known is None or known.request is None or not known.is_credited or known.is_rejected:
            return self.decline(NOT_FOUND, request.reference)
        is_known = returns.repeats == "answered" and not self.executes_repeats
        if known.recalled is not None and is_known:
            is_repeat = request.key == known.recall
            return known.recalled if is_repeat else self._refuse_recall(request)
        if request.amount_minor != known.request.amount_minor:
            return self._refuse_recall(request)
        known.recall = request.key
        if self.drawn("agrees", request, returns.agrees):
            self.context.moved(MovementKind.RETURNED, known.request, self.name, leg="out")
            known.recalled = self.approve(known.request)
        else:
            known.recalled = self._refuse_recall(request)
        return known.recalled

    def _refuse_recall(self, request: PaymentRequest) -> Answer:
        return self.decline(RECALL_REFUSED, request.reference)

    async def _confirm(self, request: PaymentRequest, parent: str) -> Answer:
        """Whether a transfer was credited, for good; one that was not is returned."""
        known = self._known_or_rejected(request)
        self._credits.confirm(known)
        return self._received(known, request)

    async def query(self, request: PaymentRequest, parent: str) -> Answer:
        """Whether a transfer was credited; one that is not known is rejected from now on."""
        if request.reference not in self._incoming:
            self._known_or_rejected(request)
            return self.decline(NOT_FOUND, request.reference)
        return self._received(self._incoming[request.reference], request)

    def _received(self, known: Incoming, request: PaymentRequest) -> Answer:
        if known.is_open:
            return Answer(Outcome.UNKNOWN, IN_PROGRESS, self.name, request.reference)
        if known.request is None or known.is_rejected:
            return self.decline(LATE_RESPONSE, request.reference)
        return self.approve(known.request)
