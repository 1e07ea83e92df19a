"""The pool of a ledger: transactions that are in no block yet, one for each nonce of a sender."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from paychain.payments.transaction import Transaction


@dataclass
class Pool:
    """What waits for a block, in the order in which it came. `limit`: how many at a time."""

    limit: int
    _by_nonce: dict[tuple[str, int], Transaction] = field(default_factory=dict, init=False)
    _next_expiry_ns: float = field(default=inf, init=False)  # of all that waits, or sooner

    def __iter__(self) -> Iterator[Transaction]:
        return iter(list(self._by_nonce.values()))

    def __bool__(self) -> bool:
        return bool(self._by_nonce)

    def get(self, sender: str, nonce: int) -> Transaction | None:
        """What waits with a nonce of a sender."""
        return self._by_nonce.get((sender, nonce))

    def enter(self, transaction: Transaction) -> None:
        """Let it wait."""
        self._by_nonce[transaction.sender, transaction.nonce] = transaction
        self._next_expiry_ns = min(self._next_expiry_ns, transaction.expires_ns)

    def leave(self, transaction: Transaction) -> None:
        """It waits no more: a block has it, or it is forgotten."""
        del self._by_nonce[transaction.sender, transaction.nonce]

    @property
    def is_full(self) -> bool:
        """Whether another one has to take the place of one that waits."""
        return len(self._by_nonce) >= self.limit

    def last_behind(self, transaction: Transaction) -> Transaction | None:
        """What gives way to a transaction: its sender's last one, which has to wait for it.

        Otherwise a full pool would wait for a nonce that it does not take.
        """
        behind = (
            waiting
            for waiting in self._by_nonce.values()
            if waiting.sender == transaction.sender and waiting.nonce > transaction.nonce
        )
        return max(behind, key=lambda waiting: waiting.nonce, default=None)

    def expired(self, at_ns: int) -> list[Transaction]:
        """What a block that is made then does not get any more."""
        if self._next_expiry_ns > at_ns:
            return []
        expired = [each for each in self if each.is_expired(at_ns)]
        valid = (each.expires_ns for each in self if not each.is_expired(at_ns))
        self._next_expiry_ns = min(valid, default=inf)
        return expired

    def intervals_until_expiry(self, from_ns: int, interval_ns: int, most: int) -> int:
        """After how many intervals something has expired, at least one and at most `most`."""
        if self._next_expiry_ns == inf:
            return most
        # Rounded up, in integers.
        until_expiry = -((from_ns - int(self._next_expiry_ns)) // interval_ns)
        return min(max(until_expiry, 1), most)

    def copy(self) -> Pool:
        """Another pool with the same."""
        other = Pool(self.limit)
        other._by_nonce, other._next_expiry_ns = dict(self._by_nonce), self._next_expiry_ns
        return other
