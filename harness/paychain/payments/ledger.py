"""A blockchain as a function of the clock: blocks, a pool, fees, halts and reorganisations.

    submit ──▶ pool ── the next block, in the order of each sender's nonces ──▶ mined ──▶ final
                 ▲            └─ where messages take time: debited, and mined blocks later ─▶
                 ├──────── returned by a reorganisation ◀───────────────────────┤
                 └─ replaced, expired, or no room ──▶ forgotten ◀── lost by a reorganisation

Nothing ticks. Whoever asks gives the time, which never runs backwards, and the ledger first does
what has become due since it was last asked: answers depend on what happened to it and when, never
on how often it was asked. Times are nanoseconds. Source: docs/crypto.md.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from operator import itemgetter

from paychain.payments import block_times
from paychain.payments.pool import Pool
from paychain.payments.rails.finality import Finality
from paychain.payments.transaction import (
    LedgerEvent,
    Receipt,
    Refusal,
    Transaction,
    TransactionChange,
)

Returns = Callable[["Transaction"], bool]  # whether what is undone waits for a block again
Reverts = Callable[["Transaction"], bool]  # whether a block has it as one that failed
Arrives = Callable[["Transaction"], int]  # how many blocks later its receiver's block has it


_UNKNOWN = Receipt(is_known=False)
_WAITING = Receipt(is_known=True)


def _never(_: Transaction) -> bool:
    """Nothing fails."""
    return False


@dataclass(kw_only=True)
class Blockchain:
    """One chain of blocks, `interval_ns` apart while it is not halted.

    `pool_limit`: transactions that wait at a time. `block_limit`: transactions of one block; None:
    any number. `fee_floor`: a lower fee is refused. `funds`: what senders own at first; others own
    as much as they like. `reverts`: asked when a block gets a transaction. `arrives`: asked when
    one leaves its sender, whose nonce is used and who is debited from then on.
    """

    interval_ns: int
    final: Finality = field(default_factory=Finality)
    pool_limit: int = 5_000
    block_limit: int | None = None
    fee_floor: int = 1
    funds: Mapping[str, int] = field(default_factory=dict)
    reverts: Reverts = _never
    arrives: Arrives = lambda _: 0
    _balances: Counter[str] = field(default_factory=Counter, init=False)
    _nonces: Counter[str] = field(default_factory=Counter, init=False)  # mined, by sender
    _pool: Pool = field(init=False)
    _waiting: set[str] = field(default_factory=set, init=False)  # ids of what is in no block yet
    _on_way: list[tuple[int, Transaction]] = field(default_factory=list, init=False)  # by height
    _mined: dict[str, tuple[int, int]] = field(default_factory=dict, init=False)  # height and time
    _reverted: set[str] = field(default_factory=set, init=False)  # ids of those that are mined
    _blocks: dict[int, list[Transaction]] = field(default_factory=dict, init=False)  # not final
    _events: list[LedgerEvent] = field(default_factory=list, init=False)
    _settled: list[str] = field(default_factory=list, init=False)  # ids, since they were asked for
    _head: int = field(default=0, init=False)
    _head_ns: int = field(default=0, init=False)  # when the last block was made, or would have been
    _steady: list[block_times.Steady] = field(init=False)
    _now_ns: int = field(default=0, init=False)
    _halts: int = field(default=0, init=False)  # that are on
    _stalls: int = field(default=0, init=False)  # that are on: nothing becomes final
    _stalled: tuple[int, int] = field(default=(0, 0), init=False)  # head and time at their begin
    _final: int = field(default=0, init=False)  # the last final height at their begin
    _spikes: list[int] = field(default_factory=list, init=False)  # times the usual fee, each

    def __post_init__(self) -> None:
        """Open the accounts."""
        assert self.interval_ns > 0
        self._pool = Pool(self.pool_limit)
        self._steady = [block_times.FROM_THE_FIRST]
        self._balances.update(self.funds)

    def submit(self, transaction: Transaction, now_ns: int) -> Refusal | None:
        """Put a transaction into the pool; None when it was taken.

        A nonce in the future is taken too: it waits until those before it are mined.
        """
        self._advance(now_ns)
        before = self._pool.get(transaction.sender, transaction.nonce)
        refusal = self._refusal(transaction, before)
        if refusal is None:
            gone = before or (self._pool.last_behind(transaction) if self._pool.is_full else None)
            if gone is not None:
                self._leave(gone)
                self._note(TransactionChange.FORGOTTEN, gone, self._head)
            self._enter(transaction)
        return refusal

    def halt(self, now_ns: int) -> None:
        """From now on there are no blocks, until as many `resume` as `halt`."""
        self._advance(now_ns)
        self._halts += 1

    def resume(self, now_ns: int) -> None:
        """Produce blocks again, the first one interval from now."""
        self._advance(now_ns)
        assert self._halts > 0
        self._halts -= 1
        if not self._halts:
            self._head_ns = now_ns
            self._steady = block_times.resumed(self._steady, self._head, now_ns)

    def stall(self, now_ns: int) -> None:
        """From now on no block becomes final, until as many `settle` as `stall`."""
        if not self._stalls:
            self._final = self.tip(now_ns).final
            self._stalled = self._head, now_ns
        self._stalls += 1

    def settle(self, now_ns: int) -> None:
        """Let blocks become final again: at once those that would be by now."""
        self._advance(now_ns)
        assert self._stalls > 0
        self._stalls -= 1

    def spike(self, now_ns: int, times: int) -> None:
        """From now on only so many times the usual fee is mined, until as many `calm`."""
        self._advance(now_ns)
        self._spikes.append(times)

    def calm(self, now_ns: int, times: int) -> None:
        """End a spike to so many times the usual fee; the next block mines what waited."""
        self._advance(now_ns)
        self._spikes.remove(times)

    def reorganise(self, now_ns: int, depth: int, returns: Returns) -> int:
        """Replace the last `depth` blocks by empty ones; returns how many transactions are undone.

        Each of them waits in the pool again where `returns` says so, and is lost otherwise. Blocks
        with a final transaction are never replaced.
        """
        self._advance(now_ns)
        undone = 0
        lowest = max(self._head - depth, 0)
        for height in range(self._head, lowest, -1):
            block = self._blocks.get(height, [])
            if block and self._is_final(*self._mined[block[0].id]):
                break
            for transaction in reversed(self._blocks.pop(height, [])):
                self._undo(transaction, height, is_kept=returns(transaction))
                undone += 1
        return undone

    def fork(self, now_ns: int) -> Blockchain:
        """Another branch: the same until now, and from now on a chain of its own."""
        self._advance(now_ns)
        branch = copy(self)
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, dict | list | set):
                setattr(branch, each.name, copy(value))
        branch._pool = self._pool.copy()
        branch._events, branch._settled = [], []
        return branch

    def head(self, now_ns: int) -> int:
        """The height of the last block."""
        self._advance(now_ns)
        return self._head

    def tip(self, now_ns: int) -> block_times.Tip:
        """The last block, and how far back blocks are final."""
        self._advance(now_ns)
        old_ns = now_ns - round(self.final.until_s * 1e9)
        old = block_times.last_made_by(self._steady, old_ns, self._head, self.interval_ns)
        final = min(self._head - self.final.after_blocks, old)
        return block_times.Tip(
            self._head,
            self._head_ns,
            final=min(final, self._final) if self._stalls else final,
            made_ns=block_times.made_ns(self._steady, self._head, self.interval_ns),
        )

    @property
    def lowest_fee(self) -> int:
        """The lowest fee that is mined now, as a multiple of the usual one."""
        return max(self._spikes, default=1)

    def receipt(self, transaction: str, now_ns: int) -> Receipt:
        """The state of a transaction, by its id."""
        self._advance(now_ns)
        mined = self._mined.get(transaction)
        if mined is not None:
            return Receipt(
                is_known=True,
                mined_at=mined[0],
                is_final=self._is_final(*mined),
                is_reverted=transaction in self._reverted,
            )
        return _WAITING if transaction in self._waiting else _UNKNOWN

    def balance(self, account: str, now_ns: int) -> int:
        """What an account owns, in minor units."""
        self._advance(now_ns)
        return self._balances[account]

    def waiting(self, now_ns: int) -> list[Transaction]:
        """The pool, in the order in which transactions came."""
        self._advance(now_ns)
        return list(self._pool)

    def next_change_ns(self, now_ns: int) -> int | None:
        """When the next transaction will be mined; None while none can be."""
        self._advance(now_ns)
        due = [height for height, _ in self._on_way[:1]]
        if any(map(self._is_ready, self._pool)):
            due = [self._head + 1]
        if self._halts or not due:
            return None
        return self._head_ns + (due[0] - self._head) * self.interval_ns

    def events(self, now_ns: int) -> list[LedgerEvent]:
        """All that has happened since the last call, in order."""
        self._advance(now_ns)
        found, self._events = self._events, []
        return found

    def settled(self) -> list[str]:
        """The ids of what can be undone no more, since the last call: nothing happens to them."""
        found, self._settled = self._settled, []
        return found

    def forget(self, transactions: Iterable[str]) -> None:
        """Forget those of them that are final; their nonces stay used."""
        self._prune()  # by what it knows of them
        for name in transactions:
            mined = self._mined.get(name)
            # What a reorganisation undid may be in a block that is not final yet.
            if mined is not None and self._is_final(*mined):
                del self._mined[name]
                self._reverted.discard(name)

    def _refusal(self, transaction: Transaction, before: Transaction | None) -> Refusal | None:
        if before is not None and before.id == transaction.id:
            return Refusal.ALREADY_KNOWN
        if transaction.nonce < self._nonces[transaction.sender]:
            return Refusal.NONCE_TOO_LOW
        if transaction.is_expired(self._next_block_ns):
            return Refusal.EXPIRED
        if transaction.fee < self.fee_floor:
            return Refusal.UNDERPRICED
        if before is not None:
            return None if transaction.outbids(before) else Refusal.REPLACEMENT_UNDERPRICED
        if self._pool.is_full and self._pool.last_behind(transaction) is None:
            return Refusal.POOL_FULL
        if not self._can_pay(transaction):
            return Refusal.INSUFFICIENT_FUNDS
        return None

    def _can_pay(self, transaction: Transaction) -> bool:
        sender = transaction.sender
        return sender not in self.funds or transaction.amount_minor <= self._balances[sender]

    def _advance(self, now_ns: int) -> None:
        """Make the blocks that became due; most of them are empty, and cost nothing."""
        assert now_ns >= self._now_ns, "a ledger's clock never runs backwards"
        self._now_ns = now_ns
        if self._halts:
            return
        self._drop_expired()
        due = (now_ns - self._head_ns) // self.interval_ns
        while due:
            made = due
            if (self._pool or self._on_way) and self._mine(self._head + 1):
                made = 1
            elif self._on_way:  # nothing else is mined before the next one arrives
                made = min(due, self._on_way[0][0] - 1 - self._head)
            made = self._pool.intervals_until_expiry(self._next_block_ns, self.interval_ns, made)
            self._head += made
            self._head_ns += made * self.interval_ns
            due -= made
            self._drop_expired()

    def _drop_expired(self) -> None:
        """Forget what no block can get any more, since the last one."""
        gone = TransactionChange.FORGOTTEN
        for waiting in self._pool.expired(self._next_block_ns):
            self._leave(waiting)
            self._events.append(LedgerEvent(self._head_ns, gone, waiting, self._head))

    @property
    def _next_block_ns(self) -> int:
        """When the next block is made, if there is no halt: blocks get what is valid then."""
        return self._head_ns + self.interval_ns

    def _mine(self, height: int) -> bool:
        """Put into a block what may be mined, and what arrives; false when nothing does."""
        mined: list[Transaction] = []
        while self._on_way and self._on_way[0][0] <= height:
            mined.append(self._executed(self._on_way.pop(0)[1], height))
        taken, before = 0, -1
        # One that came before its predecessor is ready in the next pass.
        while before < taken:
            before = taken
            for waiting in self._pool:
                if taken == self.block_limit:
                    break
                if not self._is_ready(waiting):
                    continue
                taken += 1
                self._leave(waiting)
                self._nonces[waiting.sender] += 1
                self._debit(waiting, 1)
                if blocks := self.arrives(waiting):
                    self._waiting.add(waiting.id)
                    insort(self._on_way, (height + blocks, waiting), key=itemgetter(0))
                else:
                    mined.append(self._executed(waiting, height))
        if mined:
            self._blocks[height] = mined
            self._prune()
        return bool(mined or taken)

    def _executed(self, transaction: Transaction, height: int) -> Transaction:
        """The transaction as its block has it: it has moved its amount, or was reverted.

        Its sender, who was debited when it left, gets the amount of one that was reverted back.
        """
        self._waiting.discard(transaction.id)
        if self.reverts(transaction):
            self._reverted.add(transaction.id)
            transaction = replace(transaction, is_reverted=True)
        at_ns = self._next_block_ns
        self._balances[transaction.receiver] += transaction.amount_minor
        self._mined[transaction.id] = height, at_ns
        self._events.append(LedgerEvent(at_ns, TransactionChange.MINED, transaction, height))
        return transaction

    def _is_ready(self, transaction: Transaction) -> bool:
        """Whether it waits behind no other nonce, offers enough and can be paid."""
        if self._spikes and transaction.fee < transaction.usual_fee * self.lowest_fee:
            return False
        is_next = transaction.nonce == self._nonces[transaction.sender]
        return is_next and self._can_pay(transaction)

    def _prune(self) -> None:
        """Forget blocks that cannot be replaced any more."""
        for height, block in list(self._blocks.items()):
            if not self._is_final(*self._mined[block[0].id]):
                break
            del self._blocks[height]
            self._settled += [transaction.id for transaction in block]

    def _enter(self, transaction: Transaction) -> None:
        self._pool.enter(transaction)
        self._waiting.add(transaction.id)

    def _leave(self, transaction: Transaction) -> None:
        self._pool.leave(transaction)
        self._waiting.discard(transaction.id)

    def _debit(self, transaction: Transaction, sign: int) -> None:
        """Take its amount from its sender; with -1 undo that."""
        self._balances[transaction.sender] -= sign * transaction.amount_minor

    def _undo(self, transaction: Transaction, height: int, *, is_kept: bool) -> None:
        self._balances[transaction.receiver] -= transaction.amount_minor
        self._debit(transaction, -1)
        self._nonces[transaction.sender] -= 1
        del self._mined[transaction.id]
        self._reverted.discard(transaction.id)
        self._note(TransactionChange.UNDONE, transaction, height)
        transaction = transaction.waiting
        if is_kept and not transaction.is_expired(self._next_block_ns):
            # Whatever took its place in the pool meanwhile was refused: its nonce was used.
            self._enter(transaction)
        else:
            self._note(TransactionChange.FORGOTTEN, transaction, height)

    def _is_final(self, height: int, at_ns: int) -> bool:
        """Whether a block of this height and time can be replaced no more."""
        head, now_ns = self._stalled if self._stalls else (self._head, self._now_ns)
        return height <= head and self.final.is_final(
            blocks_since=head - height, seconds_since=(now_ns - at_ns) / 1e9
        )

    def _note(self, change: TransactionChange, transaction: Transaction, height: int) -> None:
        self._events.append(LedgerEvent(self._now_ns, change, transaction, height))
