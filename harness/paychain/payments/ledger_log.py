"""What has happened to a ledger, for nodes that keep a copy of it.

    event ──▶ kept ── its block is final and old enough ──▶ folded into what it left in the accounts

A node that knows too little to go on from the changes that are kept begins with what they left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from paychain.payments.transaction import LedgerEvent, Transaction, TransactionChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the blocks up to a height left. Accounts are addresses in lower case.

    `moved`: minor units that each got less what it sent. `nonces`: how many of its transactions are
    in blocks. `waiting`: the pool, as it was then. `replaced`: how many transactions were undone,
    by the height of the block they were in.
    """

    height: int
    moved: dict[str, int]
    nonces: dict[str, int]
    waiting: tuple[Transaction, ...]
    replaced: dict[int, int]


@dataclass(slots=True)
class LedgerLog:
    """The changes of one ledger in order, those of at least the last `history` blocks."""

    history: int
    first: int = 0  # how many changes are no longer kept
    _height: int = 0  # of the last block that is folded
    _events: list[LedgerEvent] = field(default_factory=list)
    _moved: Counter[str] = field(default_factory=Counter)
    _nonces: Counter[str] = field(default_factory=Counter)
    _waiting: dict[str, Transaction] = field(default_factory=dict)  # by id, in order of coming
    _replaced: Counter[int] = field(default_factory=Counter)

    def __len__(self) -> int:
        """How many changes are kept."""
        return len(self._events)

    def append(self, event: LedgerEvent) -> None:
        """Note one more change."""
        self._events.append(event)

    def since(self, known: int) -> Sequence[LedgerEvent]:
        """The changes after the first `known` ones, or all that are kept."""
        return self._events[max(known - self.first, 0) :]

    def past(self) -> Past:
        """What the changes that are not kept left."""
        return Past(
            height=self._height,
            moved=dict(self._moved),
            nonces=dict(self._nonces),
            waiting=tuple(self._waiting.values()),
            replaced=dict(self._replaced),
        )

    def forget(self, head: int, final: int) -> list[str]:
        """Fold what is final and older than the history; returns what was mined there, by id.

        `head`, `final`: the heights of the last block, and of the last one that is final.

        It waits until that is half as much again as has to be kept, so that it costs little.
        """
        until = min(head - self.history, final)
        if until - self._height <= self.history // 2:
            return []
        # What comes after a block that is kept is kept, too: it may be about what is in it.
        number = next(
            (place for place, event in enumerate(self._events) if event.height > until),
            len(self._events),
        )
        gone = [
            event.transaction.id
            for event in self._events[:number]
            if self._fold(event) is TransactionChange.MINED
        ]
        del self._events[:number]
        self.first += number
        self._height = until
        return gone

    def _fold(self, event: LedgerEvent) -> TransactionChange:
        transaction = event.transaction
        match event.change:
            case TransactionChange.ACCEPTED:
                self._waiting[transaction.id] = transaction
            case TransactionChange.MINED:
                self._waiting.pop(transaction.id, None)
                self._move(transaction, 1)
            case TransactionChange.UNDONE:
                self._move(transaction, -1)
                self._replaced[event.height] += 1
                self._waiting[transaction.id] = transaction.waiting
            case TransactionChange.FORGOTTEN:
                self._waiting.pop(transaction.id, None)
        return event.change

    def _move(self, transaction: Transaction, sign: int) -> None:
        sender = transaction.sender.lower()
        self._nonces[sender] += sign
        self._moved[sender] -= sign * transaction.moved_minor
        self._moved[transaction.to.lower()] += sign * transaction.moved_minor
