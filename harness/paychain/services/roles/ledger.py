"""Ledger: a blockchain as nodes see it. Its book says what was transferred and what was undone."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import ceil

from paychain.faults.kind import StateFaultKind
from paychain.faults.kinds.fee_spike import FeeSpike
from paychain.faults.kinds.halt import Halt
from paychain.faults.kinds.no_finality import NoFinality
from paychain.faults.kinds.reorg import Reorg
from paychain.faults.kinds.reverts import Reverts
from paychain.model.ledger_checks import block_interval_s
from paychain.payments import ledger
from paychain.payments.chance import log_normal
from paychain.payments.codes import APPROVED
from paychain.payments.journal import Decision, DecisionKind, Leg, MovementKind
from paychain.payments.ledger_log import LedgerLog
from paychain.payments.outcome import Outcome
from paychain.payments.transaction import LedgerEvent, Transaction, TransactionChange
from paychain.protocol.dialects.json_rpc.copy import history_of
from paychain.protocol.dialects.json_rpc.shapes import PRIORITY_FEE
from paychain.protocol.message import (
    Answer,
    AnswerOrError,
    Error,
    ErrorKind,
    News,
    PaymentRequest,
    Sighting,
)
from paychain.services.roles.ledger_branches import Branch, Forks
from paychain.services.roles.role import Role, Work

_BOOKED = {
    TransactionChange.MINED: MovementKind.TRANSFERRED,
    TransactionChange.UNDONE: MovementKind.UNDONE,
}
# Of what failed, no money moves.
_DECIDED = {
    TransactionChange.MINED: DecisionKind.REVERTED,
    TransactionChange.UNDONE: DecisionKind.REVERT_UNDONE,
}


@dataclass
class Ledger(Role):
    """Accepts signed transfers, and reports the outcome of each."""

    _ledger: ledger.Blockchain = field(init=False)  # what the rest follows, and the book is about
    _forks: Forks = field(init=False)
    _reverting: list[float] = field(default_factory=list, init=False)  # faults: share, each
    _is_watched: bool = field(default=False, init=False)
    _log: LedgerLog | None = field(default=None, init=False)  # for nodes that keep a copy
    _keeps_receipts: bool = field(default=True, init=False)  # of what the log has forgotten

    def __post_init__(self) -> None:
        super().__post_init__()
        blocks = self.link.blocks
        assert blocks is not None  # the checks require it
        self._ledger = ledger.Blockchain(
            interval_ns=round(block_interval_s(self.chain) * 1e9),
            final=self.link.final.finality,
            pool_limit=self.link.pool,
            block_limit=blocks.transactions,
            reverts=self._reverts,
            arrives=self._arrives,
        )
        self._forks = Forks(Branch(chain=self._ledger))
        nodes = [link for link in self.chain.links.values() if link.role == "node"]
        copying = [node.dialect for node in nodes if node.dialect.is_vendors]
        if copying:
            self._log = LedgerLog(max(history_of(dialect.settings) for dialect in copying))
            # A node with a copy answers from it.
            self._keeps_receipts = len(copying) < len(nodes)

    def operations(self) -> dict[str, Work]:
        """Transfers, looks at one, and looks at all that an account got."""
        return {"transfer": self._transfer, "read": self._read, "scan": self._scan}

    def apply(self, fault: StateFaultKind, window: str) -> int:
        """Stand still, replace blocks, or leave them open; returns how many transfers it undid."""
        now_ns = self.context.now_ns()
        undone = 0
        for chain in self._up_to(now_ns):
            match fault:
                case Halt():
                    chain.halt(now_ns)
                case Reorg():
                    number = chain.reorganise(now_ns, fault.depth, self._returning(fault))
                    undone += number if chain is self._ledger else 0
                case FeeSpike():
                    chain.spike(now_ns, fault.times)
                case NoFinality():
                    chain.stall(now_ns)
        if isinstance(fault, Reverts):
            self._reverting.append(fault.share)
        self._journal(now_ns)
        return undone

    def heal(self, fault: StateFaultKind, window: str) -> None:
        """Go on after a halt, without a higher fee, or with blocks that become final."""
        now_ns = self.context.now_ns()
        for chain in self._up_to(now_ns):
            match fault:
                case Halt():
                    chain.resume(now_ns)
                case FeeSpike():
                    chain.calm(now_ns, fault.times)
                case NoFinality():
                    chain.settle(now_ns)
        if isinstance(fault, Reverts):
            self._reverting.remove(fault.share)
        self._watch()

    def _up_to(self, now_ns: int) -> Iterator[ledger.Blockchain]:
        """Each branch, with the blocks that were due before a fault began or ended."""
        for chain in self._forks.chains():
            chain.head(now_ns)
            yield chain

    def _reverts(self, transaction: Transaction) -> bool:
        """Whether a block that gets a transaction now has it as one that failed."""
        messages = self.link.messages
        share = max(*self._reverting, messages.bounces if messages is not None else 0.0, 0.0)
        return share > 0 and self.context.draw("reverts", transaction.id) < share

    def _arrives(self, transaction: Transaction) -> int:
        """How many blocks after its sender's block a transaction is in its receiver's."""
        messages = self.link.messages
        if messages is None:
            return 0
        chance = self.context.draw("message", transaction.id)
        delay_s = log_normal(chance, messages.delay.median, messages.delay.p99)
        return ceil(delay_s * 1e9 / self._ledger.interval_ns)

    def _returning(self, fault: Reorg) -> ledger.Returns:
        """Whether a transaction that is undone waits for a block again: drawn for each."""
        return lambda undone: self.context.draw("returns", undone.id) < fault.returns

    async def _transfer(self, request: PaymentRequest, parent: str) -> AnswerOrError:
        signed = request.signed
        if signed is None:
            return Error(ErrorKind.MALFORMED, "the transfer is not signed")
        transaction = Transaction(
            id=request.reference,
            sender=signed.sender,
            nonce=signed.nonce,
            to=signed.to or request.instrument.identity,
            amount_minor=request.amount_minor,
            fee=signed.fee,
            raw=signed.raw,
            usual_fee=PRIORITY_FEE if signed.raw else 1,
            valid_until_ns=signed.valid_until_ns,
        )
        now_ns = self.context.now_ns()
        branch = self._branch_of(request, now_ns)
        refusal = branch.submit(transaction, request, now_ns)
        self._journal(now_ns)
        if refusal is None and self._log is not None and branch is self._forks.rest:
            height = self._ledger.head(now_ns)
            self._log.append(
                self._dated(LedgerEvent(now_ns, TransactionChange.ACCEPTED, transaction, height))
            )
        self._watch()
        return self.approve(request) if refusal is None else self.decline(refusal, transaction.id)

    async def _read(self, request: PaymentRequest, parent: str) -> Answer:
        now_ns = self.context.now_ns()  # one moment for all that is said
        chain = self._branch_of(request, now_ns).chain
        receipt = chain.receipt(request.reference, now_ns)
        expires = request.signed is not None and request.signed.valid_until_ns is not None
        self._journal(now_ns)
        sighting = Sighting(
            chain.head(now_ns),
            receipt.is_known,
            receipt.mined_at,
            receipt.is_final,
            self._news(request.since, now_ns),
            made_ns=chain.tip(now_ns).made_ns if expires else 0,
            is_reverted=receipt.is_reverted,
        )
        return Answer(Outcome.APPROVED, APPROVED, self.name, request.reference, sighting=sighting)

    async def _scan(self, request: PaymentRequest, parent: str) -> Answer:
        """What an account got in the blocks above a height; of no account, how old the head is."""
        now_ns = self.context.now_ns()  # one moment for all that is said
        self._journal(now_ns)
        branch = self._branch_of(request, now_ns)
        head = branch.chain.head(now_ns)
        if not request.account:
            newest = Sighting(head, made_ns=branch.chain.tip(now_ns).made_ns)
            return Answer(Outcome.APPROVED, APPROVED, self.name, request.reference, sighting=newest)
        got = branch.incoming.get(request.account, [])
        first = bisect_right(got, request.above, key=lambda transfer: transfer.mined_at)
        return Answer(
            Outcome.APPROVED,
            APPROVED,
            self.name,
            request.reference,
            sighting=Sighting(head, branch=branch.point),
            incoming=tuple(transfer for transfer in got[first:] if transfer.mined_at <= head),
        )

    def _news(self, since: int, now_ns: int) -> News | None:
        """What a node that keeps a copy does not know yet; None for one that keeps none."""
        if self._log is None or since < 0:
            return None
        tip = self._ledger.tip(now_ns)
        is_known = since >= self._log.first
        return News(
            first=since if is_known else self._log.first,
            changes=tuple(self._log.since(since)),
            past=None if is_known else self._log.past(),
            lowest_fee=self._ledger.lowest_fee,
            head_ns=self.context.wall_epoch_ns + tip.at_ns,
            every_ns=self._ledger.interval_ns,
            final=tip.final,
        )

    def _branch_of(self, request: PaymentRequest, now_ns: int) -> Branch:
        """The branch that a request is for. One that begins now has all that happened before."""
        if request.branch:
            self._journal(now_ns)
        return self._forks.of(request, now_ns)

    def _dated(self, event: LedgerEvent) -> LedgerEvent:
        return replace(event, at_ns=self.context.wall_epoch_ns + event.at_ns)

    def _journal(self, now_ns: int) -> None:
        """Write down what has happened until now, each at its own time."""
        for event in self._ledger.events(now_ns):
            if self._log is not None:
                self._log.append(self._dated(event))
            request = self._forks.rest.note(event)
            kind = _BOOKED.get(event.change)
            # What moves nothing only uses up a nonce: a transfer that failed, or was called off.
            if kind is None or not request.amount_minor:
                continue
            self._write(event, kind, request)
        self._forks.rest.forget_settled()
        if self._log is not None:
            tip = self._ledger.tip(now_ns)
            gone = self._log.forget(tip.head, tip.final)
            if not self._keeps_receipts:
                self._ledger.forget(gone)

    def _write(self, event: LedgerEvent, kind: MovementKind, request: PaymentRequest) -> None:
        """What a change did to money: all of the amount moved, or nothing did."""
        if event.transaction.is_reverted:
            self.context.journal.append(
                Decision(
                    link=self.name,
                    kind=_DECIDED[event.change],
                    at_ns=event.at_ns,
                    payment=request.payment,
                    attempt=request.attempt,
                    operation="transfer",
                    target="",
                    detail=event.transaction.id,
                )
            )
            return
        is_deposit = request.signed is not None and bool(request.signed.to)
        leg: Leg = "in" if is_deposit else "out"
        self.context.moved(kind, request, self.name, leg=leg, at_ns=event.at_ns)

    def _watch(self) -> None:
        """Ensure that what will be mined is recorded even if nobody reads the ledger."""
        if self._is_watched or self._ledger.next_change_ns(self.context.now_ns()) is None:
            return
        self._is_watched = True
        watching = self.background.start(self._until_nothing_is_due(), payment="")
        watching.add_done_callback(self._stopped)

    def _stopped(self, _: object) -> None:
        self._is_watched = False

    async def _until_nothing_is_due(self) -> None:
        while (due_ns := self._ledger.next_change_ns(self.context.now_ns())) is not None:
            await asyncio.sleep((due_ns - self.context.now_ns()) / 1e9)
            self._journal(self.context.now_ns())
