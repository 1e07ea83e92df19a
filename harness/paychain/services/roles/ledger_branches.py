"""Branches of a ledger: the one that nearly all nodes follow, and those of nodes that do not."""

from __future__ import annotations

from dataclasses import dataclass, field

from paychain.payments.bounded import BoundedDict
from paychain.payments.ledger import Blockchain, Refusal
from paychain.payments.transaction import LedgerEvent, Transaction, TransactionChange
from paychain.protocol.message import Incoming, PaymentRequest

MAX_FORKS = 8  # that are kept, the latest


@dataclass(kw_only=True)
class Branch:
    """One chain of blocks with what led to its transactions.

    `requests`: by reference, of what may still be mined or undone. `incoming`: what each account
    got, as the blocks have it now.
    """

    chain: Blockchain
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

    def fork(self, now_ns: int) -> Branch:
        """Another branch from now on. All changes until now are noted."""
        return Branch(
            chain=self.chain.fork(now_ns),
            requests=dict(self.requests),
            incoming={account: list(got) for account, got in self.incoming.items()},
        )


@dataclass
class Forks:
    """The branches that leave the one which the rest follows, by their names."""

    rest: Branch
    _branches: BoundedDict[str, Branch] = field(
        default_factory=lambda: BoundedDict(MAX_FORKS), init=False
    )

    def of(self, request: PaymentRequest, now_ns: int) -> Branch:
        """The branch that a request is for. A new one begins where the ledger is now."""
        if not request.branch:
            return self.rest
        branch = self._branches.get(request.branch)
        if branch is None:
            branch = self._branches[request.branch] = self.rest.fork(now_ns)
        branch.catch_up(now_ns)
        return branch

    def chains(self) -> list[Blockchain]:
        """All chains of blocks, that of the rest first: a fault of the ledger acts on each."""
        return [each.chain for each in (self.rest, *self._branches.values())]
