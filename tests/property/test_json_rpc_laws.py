"""A node's copy of the ledger is the ledger, however often it was brought up to date."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from paychain.payments.ledger import Blockchain
from paychain.payments.ledger_log import LedgerLog
from paychain.payments.rails.finality import Finality
from paychain.payments.transaction import LedgerEvent, Transaction, TransactionChange
from paychain.protocol.dialects.json_rpc.copy import Copy
from paychain.protocol.dialects.json_rpc.methods import METHODS
from paychain.protocol.dialects.json_rpc.moment import TOKEN, Moment, NetworkFacts
from paychain.protocol.dialects.json_rpc.values import RpcError
from paychain.protocol.dialects.json_rpc.words import WORDS as WORDS_OF
from paychain.protocol.message import News, Sighting
from tests.support.laws import examples

CHAIN_ID = 31337
BLOCK_NS = 1_000_000_000
ACCOUNTS = ("0xa", "0xb")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 1), st.integers(0, 3), st.integers(1, 3)),
        st.tuples(st.just("wait"), st.integers(0, 3)),
        st.tuples(st.just("replace"), st.integers(1, 3), st.booleans()),
        st.tuples(st.just("halt"), st.integers(1, 5)),
        st.tuples(st.just("look"), st.booleans()),
    ),
    max_size=30,
)


class Watched:
    """A ledger with its keeper's log, and a node that looks at it now and then."""

    def __init__(self) -> None:
        self.ledger = Blockchain(
            interval_ns=BLOCK_NS,
            final=Finality(after_blocks=2),
            pool_limit=4,
            reverts=lambda sent: sent.nonce == 1,
        )
        self.copy = Copy(1)
        self.now_ns = 0
        self._log: list[LedgerEvent] = []
        self.short = LedgerLog(history=2)
        self._last: Sighting | None = None
        self._senders: dict[str, str] = {}  # of what was accepted, by id

    @property
    def is_new(self) -> bool:
        return self._last is None

    def drain(self) -> None:
        for event in self.ledger.events(self.now_ns):
            self._note(event)
        tip = self.ledger.tip(self.now_ns)
        self.short.forget(tip.head, tip.final)

    def _note(self, event: LedgerEvent) -> None:
        self._log.append(event)
        self.short.append(event)

    def send(self, sender: int, nonce: int, fee: int) -> None:
        transaction = Transaction(
            id=f"{sender}-{nonce}-{fee}",
            sender=ACCOUNTS[sender],
            nonce=nonce,
            to=ACCOUNTS[1 - sender],
            amount_minor=nonce + fee,
            fee=fee,
            raw="" if fee == 3 else "00",  # without: a mock wallet's, which has no bytes to show
        )
        refusal = self.ledger.submit(transaction, self.now_ns)
        self.drain()
        if refusal is None:
            self._senders[transaction.id] = transaction.sender
            head = self.ledger.head(self.now_ns)
            self._note(LedgerEvent(self.now_ns, TransactionChange.ACCEPTED, transaction, head))

    def mined(self, account: str) -> int:
        """How many transactions of an account are in a block."""
        sent = [name for name, sender in self._senders.items() if sender == account]
        receipts = [self.ledger.receipt(name, self.now_ns) for name in sent]
        return sum(receipt.mined_at is not None for receipt in receipts)

    def look(self, *, is_stale: bool = False) -> None:
        """Bring the copy up to date; a stale look is given the last answer again."""
        self.drain()
        if not is_stale or self._last is None:
            tip, known = self.ledger.tip(self.now_ns), self.copy.known
            news = News(known, tuple(self._log[known:]), tip.at_ns, BLOCK_NS, tip.final)
            self._last = Sighting(tip.head, news=news)
        self.copy.update(self._last)

    def late(self, copy: Copy) -> Copy:
        """A copy brought up to date from what is kept of the log."""
        tip, known = self.ledger.tip(self.now_ns), copy.known
        first = max(known, self.short.first)
        past = self.short.past() if known < self.short.first else None
        changes = tuple(self.short.since(known))
        news = News(first, changes, tip.at_ns, BLOCK_NS, tip.final, past)
        copy.update(Sighting(tip.head, news=news))
        return copy

    def do(self, step: tuple[object, ...]) -> None:
        match step:
            case ("send", int(sender), int(nonce), int(fee)):
                self.send(sender, nonce, fee)
            case ("wait", int(blocks)):
                self.now_ns += blocks * BLOCK_NS
            case ("replace", int(depth), bool(returns)):
                self.ledger.reorganise(self.now_ns, depth, lambda _: returns)
            case ("halt", int(seconds)):
                self.ledger.halt(self.now_ns)
                self.now_ns += seconds * BLOCK_NS // 2
                self.ledger.resume(self.now_ns)
            case ("look", bool(is_stale)):
                self.look(is_stale=is_stale)


@examples(200)
@given(STEPS)
def test_the_copy_is_the_ledger(steps: list[tuple[object, ...]]) -> None:
    watched = Watched()
    times: dict[int, int] = {}
    for step in steps:
        watched.do(step)
        copy = watched.copy
        for height, at_s in times.items():
            assert copy.time_s(height) == at_s, "the time of a block that was seen has changed"
        if watched.is_new:
            continue
        times = {height: copy.time_s(height) for height in range(copy.head + 1)}
        assert sorted(times.values()) == list(times.values())
    watched.look()
    copy, ledger, now_ns = watched.copy, watched.ledger, watched.now_ns
    assert copy.head == ledger.head(now_ns)
    for account in ACCOUNTS:
        assert copy.nonce(account, copy.head) == watched.mined(account)
        assert copy.moved(account, copy.head) == ledger.balance(account, now_ns)
        assert copy.nonce(account, -1) == copy.moved(account, -1) == 0
    waiting = ledger.waiting(now_ns)
    assert sorted(copy.pool) == sorted((each.sender, each.nonce) for each in waiting)
    assert {each.id for each in copy.waiting()} == {each.id for each in waiting if each.raw}
    for name, height in copy.mined.items():
        assert ledger.receipt(name, now_ns).mined_at == height
        assert name in copy.blocks[height]
    hashes = [copy.block_hash(height) for height in range(copy.head + 1)]
    assert [copy.height_of(each) for each in hashes] == list(range(copy.head + 1))


@examples(200)
@given(STEPS, STEPS)
def test_a_node_that_begins_late_or_comes_back_has_the_same_copy(
    steps: list[tuple[object, ...]], more: list[tuple[object, ...]]
) -> None:
    watched = Watched()
    for step in steps:
        watched.do(step)
    watched.look()
    away = watched.late(Copy(1))
    for step in more:
        watched.do(step)
    watched.look()
    whole = watched.copy
    for copy in (away, Copy(1)):
        watched.late(copy)
        assert (copy.head, copy.final, copy.known) == (whole.head, whole.final, whole.known)
        assert copy.pool == whole.pool
        assert [each.id for each in copy.waiting()] == [each.id for each in whole.waiting()]
        for account in ACCOUNTS:
            assert copy.nonce(account, copy.head) == whole.nonce(account, whole.head)
            assert copy.moved(account, copy.head) == whole.moved(account, whole.head)
        assert copy.oldest <= max(copy.final, 0) + 1
        for height in range(copy.oldest, copy.head + 1):
            assert copy.blocks.get(height) == whole.blocks.get(height)
            assert copy.block_hash(height) == whole.block_hash(height)
        assert set(copy.sent) <= set(whole.sent)


HEX = st.sampled_from(["0x", "0x0", "0x5", "0x" + "f" * 70, "latest", "pending", "finalized", "a"])
WORDS = st.one_of(
    HEX, st.just(TOKEN), st.just("0x" + "ab" * 32), st.none(), st.integers(), st.text()
)
KEYS = st.sampled_from(
    ["to", "from", "data", "input", "value", "address", "topics", "fromBlock", "blockHash"]
)
ANYTHING = st.recursive(
    WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=6,
)


@examples(400)
@given(st.sampled_from(sorted(METHODS)), st.lists(ANYTHING, max_size=4), st.booleans())
def test_any_parameters_are_answered_or_refused(
    method: str, params: list[Any], is_token: bool
) -> None:
    """Nothing that a client may send is a defect of the node."""
    network = NetworkFacts(
        asset="USDC" if is_token else "ETH", chain_id=CHAIN_ID, words=WORDS_OF["geth"]
    )
    copy = Copy(CHAIN_ID, head=5, final=1)
    try:
        answered = METHODS[method](Moment(network=network, copy=copy, forges=True), params)
    except RpcError as error:
        assert error.message
    else:
        msgspec.json.encode(answered)
