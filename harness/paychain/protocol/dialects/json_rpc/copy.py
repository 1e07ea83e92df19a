"""What a node knows of the ledger: a copy that it brings up to date with each question.

Cut off from the ledger it stays as it is, and every answer from it looks valid: an old head, old
balances, receipts that are missing. What is final and older than its history is forgotten, but for
what it left in the accounts.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from paychain.payments.ledger import LedgerEvent, Transaction, TransactionChange
from paychain.payments.ledger_log import Past
from paychain.protocol.message import News, Sighting

HISTORY = 10_000  # blocks that are kept at least, unless a chain asks for more
_HEIGHT_DIGITS = 16  # of a block's hash: its height, so that a block is found by its hash


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
    known: int = 0  # changes of the ledger that are in here
    sent: dict[str, Transaction] = field(default_factory=dict)  # by id: in a block or the pool
    mined: dict[str, int] = field(default_factory=dict)  # the height of each, by id
    blocks: dict[int, list[str]] = field(default_factory=dict)  # ids; only blocks that have any
    pool: dict[tuple[str, int], Transaction] = field(default_factory=dict)  # by sender and nonce
    lowest_fee: int = 1  # that is mined, as a multiple of the usual one
    is_empty: bool = False  # its node denies that anybody ever owned anything
    _moved: Counter[str] = field(default_factory=Counter)  # by account, up to the head
    _nonces: Counter[str] = field(default_factory=Counter)  # by account, up to the head
    oldest: int = 0  # the first block that is kept
    replaced: list[int] = field(default_factory=list)  # heights from which blocks were replaced
    _clock: list[tuple[int, int, int, int]] = field(default_factory=list)  # see time_s

    def update(self, sighting: Sighting) -> list[str]:
        """Take in what the ledger reports; what it has reported before changes nothing.

        Returns the transactions that are forgotten for their age.
        """
        news = sighting.news
        if news is None:
            return []
        before_past: list[str] = []
        if news.past is not None and news.first > self.known:
            before_past = self._begin_after(news.past, news.first)
        if news.first > self.known:  # of another life of this node
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
        """Begin anew with what old blocks left; returns the transactions that were in here."""
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
        # Blocks stand in the order of their heights: what is replaced comes again higher up.
        while self.blocks and (lowest := next(iter(self.blocks))) < self.oldest:
            gone += self.blocks.pop(lowest)
        for name in gone:
            del self.mined[name], self.sent[name]
        return gone

    def _set_clock(self, before: int, news: News) -> None:
        """Know when blocks were made. Those that were seen before keep their times."""
        if not self._clock:
            self._clock.append((0, self.head, news.head_ns, news.every_ns))
        # Later than it looked: the ledger was halted meanwhile.
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
                self.mined[transaction.id] = event.height
                self.blocks.setdefault(event.height, []).append(transaction.id)
            case TransactionChange.UNDONE:
                self.blocks.pop(event.height, None)
                self._move(transaction, -1)
                self.mined.pop(transaction.id, None)
                self.pool[place] = transaction
                self.replaced.append(event.height)
            case TransactionChange.FORGOTTEN:
                if self.pool.get(place) == transaction:
                    del self.pool[place]
                self.sent.pop(transaction.id, None)

    def _move(self, transaction: Transaction, sign: int) -> None:
        sender = transaction.sender.lower()
        self._nonces[sender] += sign
        self._moved[sender] -= sign * transaction.amount_minor
        self._moved[transaction.to.lower()] += sign * transaction.amount_minor

    def moved(self, account: str, height: int) -> int:
        """What an account got less what it sent, up to a height."""
        total = self._moved[account]
        for transaction in self._mined_after(height):
            if transaction.to.lower() == account:
                total -= transaction.amount_minor
            if transaction.sender.lower() == account:
                total += transaction.amount_minor
        return total

    def nonce(self, account: str, height: int) -> int:
        """How many transactions of an account are in blocks up to a height."""
        later = sum(each.sender.lower() == account for each in self._mined_after(height))
        return self._nonces[account] - later

    def pending_nonce(self, account: str) -> int:
        """The first nonce that is neither mined nor waits, without a gap before it."""
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
        """When a block was made, in seconds since 1970."""
        return self._time_ns(height) // 1_000_000_000

    def _time_ns(self, height: int) -> int:
        """From `_clock`: since a height, a known height with its time, and the interval."""
        if not self._clock:
            return 0
        at = bisect_right(self._clock, height, key=lambda entry: entry[0])
        _, known, known_ns, every_ns = self._clock[max(at - 1, 0)]
        return known_ns + (height - known) * every_ns

    def shown(self, height: int) -> list[str]:
        """The transactions of a block by their ids; a mock wallet's have no bytes to show."""
        return [name for name in self.blocks.get(height, []) if self.sent[name].raw]

    def waiting(self) -> list[Transaction]:
        """Those in the pool that can be shown, in the order in which they came."""
        return [each for each in self.pool.values() if each.raw]

    def block_hash(self, height: int) -> str:
        """Another one once the block, or one before it, was replaced. Height -1: all zeros."""
        if height < 0:
            return "0x" + "0" * 64
        replaced = Counter(self.replaced)
        times = sum(count for lowest, count in replaced.items() if lowest <= height)
        seed = f"{self.chain_id}:{height}:{times}".encode()
        return f"0x{height:0{_HEIGHT_DIGITS}x}{hashlib.sha256(seed).hexdigest()[_HEIGHT_DIGITS:]}"

    def height_of(self, block_hash: str) -> int | None:
        """The height of a block by its hash; None when no block has it now."""
        height = int(block_hash[2 : 2 + _HEIGHT_DIGITS], 16)
        is_known = height <= self.head and self.block_hash(height) == block_hash
        return height if is_known else None

    def emptied(self) -> Copy:
        """A copy with the same head in which nobody owns or sent anything."""
        return Copy(
            self.chain_id, head=self.head, final=self.final, is_empty=True, _clock=self._clock
        )
