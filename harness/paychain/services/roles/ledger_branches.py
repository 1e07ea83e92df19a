"""Branches of a ledger: the one that nearly all nodes follow, and those of nodes that do not."""

from __future__ import annotations

from dataclasses import dataclass, field

from paychain.payments.ledger import Blockchain
from paychain.payments.transaction import (
    LedgerEvent,
    Refusal,
    Transaction,
    TransactionChange,
)
from paychain.protocol.message import BranchPoint, Incoming, PaymentRequest

MAX_FORKS = 8  # that are kept although nobody asks about them any more, the latest
IDLE_BLOCKS = 100  # for so many blocks nobody has asked about a branch that may be forgotten


@dataclass(kw_only=True)
class Branch:
    """One chain of blocks with what led to its transactions.

    `requests`: by reference, of what may still be mined or undone. `incoming`: what each account
    got, as the blocks have it now. `point`: where it leaves the rest; None: it is the rest's.
    """

    chain: Blockchain
    point: BranchPoint | None = None
    requests: dict[str, PaymentRequest] = field(default_factory=dict)
    incoming: dict[str, list[Incoming]] = field(default_factory=dict)

    def submit(
        self, transaction: Transaction, request: PaymentRequest, now_ns: int
    ) -> Refusal | None:
        """Put a transaction into the pool; None when it was taken."""
        refusal = self.chain.submit(transaction, now_ns)
        if refusal is None:
            self.requests[request.reference] = request
        return refusal

    def note(self, event: LedgerEvent) -> PaymentRequest:
        """Take note of a change; the request of its transaction."""
        request = self.requests[event.transaction.id]
        # It comes with a request if it comes again.
        if event.change is TransactionChange.FORGOTTEN:
            del self.requests[event.transaction.id]
        elif event.transaction.moved_minor and request.signed is not None and request.signed.to:
            self._note_incoming(event, request)
        return request

    def _note_incoming(self, event: LedgerEvent, request: PaymentRequest) -> None:
        transaction = event.transaction
        got = self.incoming.setdefault(transaction.to, [])
        if event.change is TransactionChange.UNDONE:
            # It was mined lately: what was undone is near the end.
            place = next(
                place
                for place in range(len(got) - 1, -1, -1)
                if got[place].reference == transaction.id
            )
            del got[place]
            return
        got.append(
            Incoming(request.payment, transaction.id, transaction.amount_minor, event.height)
        )

    def forget_settled(self) -> None:
        """Forget the requests of what nothing will happen to any more."""
        for name in self.chain.settled():
            self.requests.pop(name, None)

    def catch_up(self, now_ns: int) -> None:
        """Take note of all changes until now, where nobody writes them down."""
        for event in self.chain.events(now_ns):
            self.note(event)
        self.forget_settled()

    def fork(self, name: str, now_ns: int) -> Branch:
        """Another branch from now on. All changes until now are noted."""
        return Branch(
            chain=self.chain.fork(now_ns),
            point=BranchPoint(name, self.chain.head(now_ns)),
            requests=dict(self.requests),
            incoming={account: list(got) for account, got in self.incoming.items()},
        )


@dataclass
class Forks:
    """The branches that leave the one which the rest follows, by their names.

    Nobody says that a branch has ended: its nodes ask about it no more. One that they still ask
    about is never forgotten, since it would begin anew and lose its blocks.
    """

    rest: Branch
    # The one that was asked about last is the last; each with the time of that.
    _branches: dict[str, tuple[Branch, int]] = field(default_factory=dict, init=False)

    def of(self, request: PaymentRequest, now_ns: int) -> Branch:
        """The branch that a request is for. A new one begins where the ledger is now."""
        if not request.branch:
            return self.rest
        branch, _ = self._branches.pop(request.branch, (None, 0))
        if branch is None:
            branch = self.rest.fork(request.branch, now_ns)
        self._branches[request.branch] = branch, now_ns
        self._forget_left(now_ns)
        branch.catch_up(now_ns)
        return branch

    def _forget_left(self, now_ns: int) -> None:
        """Forget the branches that nobody follows any more, but for the latest."""
        idle_ns = IDLE_BLOCKS * self.rest.chain.interval_ns
        while len(self._branches) > MAX_FORKS:
            name, (_, asked_ns) = next(iter(self._branches.items()))
            if now_ns - asked_ns <= idle_ns:
                return
            del self._branches[name]

    def chains(self) -> list[Blockchain]:
        """All chains of blocks, that of the rest first: a fault of the ledger acts on each."""
        forks = (branch for branch, _ in self._branches.values())
        return [each.chain for each in (self.rest, *forks)]
