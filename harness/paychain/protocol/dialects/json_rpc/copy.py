"""A node's copy of the ledger, which it updates with each call.

Cut off from the ledger the copy goes stale, and every answer from it still looks valid: an old
head, old balances, missing receipts. Final blocks older than the history are forgotten; their
effect on the accounts stays.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from paychain.payments.ledger_log import Past
from paychain.payments.transaction import LedgerEvent, Transaction, TransactionChange
from paychain.protocol.message import News, Sighting

HISTORY = 10_000  # default number of blocks kept
_HEIGHT_DIGITS = 16  # at the start of a block's hash: its height, to find the block by its hash


def history_of(settings: Mapping[str, str]) -> int:
    """How many of the last blocks a node with these settings keeps."""
    return int(settings.get("history", HISTORY))


@dataclass(slots=True)
class Copy:
    """Blocks, pool and accounts. Accounts are addresses in lower case, amounts in minor units.

    `history`: how many of the last blocks are kept with their transactions.
    """

    chain_id: int
    history: int = HISTORY
    head: int = 0
    final: int = -1  # the last height that is never replaced
    known: int = 0  # number of ledger changes applied
    sent: dict[str, Transaction] = field(default_factory=dict)  # by id: in a block or the pool
    mined: dict[str, int] = field(default_factory=dict)  # the height of each, by id
    blocks: dict[int, list[str]] = field(default_factory=dict)  # ids; only blocks that have any
    pool: dict[tuple[str, int], Transaction] = field(default_factory=dict)  # by sender and nonce
    lowest_fee: int = 1  # lowest fee that is mined, as a multiple of the usual one
    is_empty: bool = False  # the node denies all transactions and balances
    _moved: Counter[str] = field(default_factory=Counter)  # by account, up to the head
    _nonces: Counter[str] = field(default_factory=Counter)  # by account, up to the head
    oldest: int = 0  # the first block that is kept
    replaced: list[int] = field(default_factory=list)  # heights from which blocks were replaced
    _clock: list[tuple[int, int, int, int]] = field(default_factory=list)  # see `_time_ns`

    def update(self, sighting: Sighting) -> list[str]:
        """Apply what the ledger reports; changes already applied have no effect.

        Returns the ids of the transactions that are now forgotten.
        """
        news = sighting.news
        if news is None:
            return []
        before_past: list[str] = []
        if news.past is not None and news.first > self.known:
            before_past = self._begin_after(news.past, news.first)
        if news.first > self.known:  # from before this node restarted
            return []
        before = self.head
        self.head = max(self.head, sighting.head)
        self.final = max(self.final, news.final)
        if sighting.head == self.head:
            self._set_clock(before, news)
            self.lowest_fee = news.lowest_fee
        for event in news.changes[self.known - news.first :]:
            self._apply(event)
        self.known = max(self.known, news.first + len(news.changes))
        return before_past + self._forget()

    def _begin_after(self, past: Past, known: int) -> list[str]:
        """Start over from the state after old blocks. Returns the ids of transactions dropped."""
        before = list(self.sent)
        self.sent = {each.id: each for each in past.waiting}
        self.pool = {(each.sender.lower(), each.nonce): each for each in past.waiting}
        self.mined, self.blocks = {}, {}
        self._moved, self._nonces = Counter(past.moved), Counter(past.nonces)
        self.replaced = [height for height, times in past.replaced.items() for _ in range(times)]
        self.oldest = max(self.oldest, past.height + 1)
        self.known = known
        return [name for name in before if name not in self.sent]

    def _forget(self) -> list[str]:
        """Drop the transactions of final blocks that are older than the history."""
        self.oldest = max(self.oldest, min(self.head - self.history, self.final) + 1)
        gone: list[str] = []
        # The dict is ordered by height: a replaced block is removed and added again at its end.
        while self.blocks and (lowest := next(iter(self.blocks))) < self.oldest:
            gone += self.blocks.pop(lowest)
        for name in gone:
            del self.mined[name], self.sent[name]
        return gone

    def _set_clock(self, before: int, news: News) -> None:
        """Record the block times; blocks seen before keep theirs."""
        if not self._clock:
            self._clock.append((0, self.head, news.head_ns, news.every_ns))
        # The next block is later than expected: the ledger was halted.
        elif news.head_ns + news.every_ns > self._time_ns(self.head + 1):
            self._clock.append((before + 1, self.head, news.head_ns, news.every_ns))

    def _apply(self, event: LedgerEvent) -> None:
        transaction = event.transaction
        place = (transaction.sender.lower(), transaction.nonce)
        match event.change:
            case TransactionChange.ACCEPTED:
                self.sent[transaction.id] = transaction
                self.pool[place] = transaction
            case TransactionChange.MINED:
                self.pool.pop(place, None)
                self._move(transaction, 1)
                self.sent[transaction.id] = transaction
                self.mined[transaction.id] = event.height
                self.blocks.setdefault(event.height, []).append(transaction.id)
            case TransactionChange.UNDONE:
                self.blocks.pop(event.height, None)
                self._move(transaction, -1)
                self.mined.pop(transaction.id, None)
                self.sent[transaction.id] = self.pool[place] = transaction.waiting
                self.replaced.append(event.height)
            case TransactionChange.FORGOTTEN:
                if self.pool.get(place) == transaction:
                    del self.pool[place]
                self.sent.pop(transaction.id, None)

    def _move(self, transaction: Transaction, sign: int) -> None:
        sender = transaction.sender.lower()
        self._nonces[sender] += sign
        self._moved[sender] -= sign * transaction.moved_minor
        self._moved[transaction.to.lower()] += sign * transaction.moved_minor

    def moved(self, account: str, height: int) -> int:
        """The net amount that an account received up to a height, in minor units."""
        total = self._moved[account]
        for transaction in self._mined_after(height):
            if transaction.to.lower() == account:
                total -= transaction.moved_minor
            if transaction.sender.lower() == account:
                total += transaction.moved_minor
        return total

    def nonce(self, account: str, height: int) -> int:
        """How many transactions of an account are in blocks up to a height."""
        later = sum(each.sender.lower() == account for each in self._mined_after(height))
        return self._nonces[account] - later

    def pending_nonce(self, account: str) -> int:
        """The first nonce after an account's mined and, without a gap, waiting transactions."""
        nonce = self._nonces[account]
        while (account, nonce) in self.pool:
            nonce += 1
        return nonce

    def _mined_after(self, height: int) -> list[Transaction]:
        if height >= self.head:
            return []
        return [
            self.sent[name]
            for number, names in self.blocks.items()
            if number > height
            for name in names
        ]

    def time_s(self, height: int) -> int:
        """The timestamp of a block, in seconds since 1970."""
        return self._time_ns(height) // 1_000_000_000

    def _time_ns(self, height: int) -> int:
        """Entries of `_clock`: valid from a height; a known height, its time and the interval."""
        if not self._clock:
            return 0
        at = bisect_right(self._clock, height, key=lambda entry: entry[0])
        _, known, known_ns, every_ns = self._clock[max(at - 1, 0)]
        return known_ns + (height - known) * every_ns

    def shown(self, height: int) -> list[str]:
        """The ids of a block's transactions, without those of mock wallets, which have no bytes."""
        return [name for name in self.blocks.get(height, []) if self.sent[name].raw]

    def waiting(self) -> list[Transaction]:
        """The transactions in the pool that have bytes, in their order of arrival."""
        return [each for each in self.pool.values() if each.raw]

    def block_hash(self, height: int) -> str:
        """A block's hash, which changes when it or one before it is replaced; zeros for -1."""
        if height < 0:
            return "0x" + "0" * 64
        replaced = Counter(self.replaced)
        times = sum(count for lowest, count in replaced.items() if lowest <= height)
        seed = f"{self.chain_id}:{height}:{times}".encode()
        return f"0x{height:0{_HEIGHT_DIGITS}x}{hashlib.sha256(seed).hexdigest()[_HEIGHT_DIGITS:]}"

    def height_of(self, block_hash: str) -> int | None:
        """The height of the block with a hash; None if no current block has it."""
        height = int(block_hash[2 : 2 + _HEIGHT_DIGITS], 16)
        is_known = height <= self.head and self.block_hash(height) == block_hash
        return height if is_known else None

    def denying(self) -> Copy:
        """A copy with the same head but without any transactions or balances."""
        return Copy(
            self.chain_id, head=self.head, final=self.final, is_empty=True, _clock=self._clock
        )
