"""Laws of a ledger, whatever is sent to it, however long it stands still, whatever is undone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from paychain.payments.ledger import Blockchain
from paychain.payments.rails import Finality
from paychain.payments.transaction import (
    LedgerEvent,
    Receipt,
    Refusal,
    Transaction,
    TransactionChange,
)
from tests.support.laws import examples

INTERVAL_NS = 1_000
SENDERS = ("wallet-a", "wallet-b")
FUNDS = {"wallet-b": 60}  # the other one owns as much as it likes


@dataclass(frozen=True)
class Step:
    """One thing that happens so long after the step before."""

    after_ns: int
    what: str  # submit, halt, resume, stall, settle, reorganise
    transaction: Transaction | None = None
    depth: int = 0
    kept: frozenset[str] = frozenset()  # ids that come back after a reorganisation

    def returns(self, transaction: Transaction) -> bool:
        return transaction.id in self.kept


@dataclass
class Answers:
    """All that a ledger said while it was played a schedule."""

    refusals: list[Refusal | None] = field(default_factory=list)
    events: list[LedgerEvent] = field(default_factory=list)
    head: int = 0
    receipts: dict[str, Receipt] = field(default_factory=dict)
    balances: dict[str, int] = field(default_factory=dict)


@st.composite
def schedules(draw: st.DrawFn) -> list[Step]:
    steps: list[Step] = []
    halted = stalled = False
    sent: list[Transaction] = []
    for _ in range(draw(st.integers(1, 25))):
        after_ns = draw(st.integers(0, 4 * INTERVAL_NS))
        what = draw(st.sampled_from(["submit"] * 5 + ["again", "halt", "stall", "reorganise"]))
        if what == "halt":
            what, halted = ("resume" if halted else "halt"), not halted
            steps.append(Step(after_ns, what))
        elif what == "stall":
            what, stalled = ("settle" if stalled else "stall"), not stalled
            steps.append(Step(after_ns, what))
        elif what == "reorganise":
            kept = frozenset(one.id for one in sent if draw(st.booleans()))
            steps.append(Step(after_ns, what, depth=draw(st.integers(1, 8)), kept=kept))
        elif what == "again" and sent:
            steps.append(Step(after_ns, "submit", draw(st.sampled_from(sent))))
        else:
            sent.append(
                Transaction(
                    id=f"t{len(sent)}",
                    sender=draw(st.sampled_from(SENDERS)),
                    nonce=draw(st.integers(0, 6)),
                    to=draw(st.sampled_from(["payee-a", "payee-b"])),
                    amount_minor=draw(st.integers(1, 30)),
                    fee=draw(st.integers(1, 30)),
                    valid_until_ns=draw(st.one_of(st.none(), st.integers(0, 40 * INTERVAL_NS))),
                )
            )
            steps.append(Step(after_ns, "submit", sent[-1]))
    return steps


Look = Callable[[Blockchain, int], None]


def played(
    steps: Sequence[Step],
    *,
    after_blocks: int = 3,
    until_blocks: float = 0,
    block_limit: int | None = None,
    on_way: int = 0,
    looks: Sequence[int] = (),
    look: Look = lambda _ledger, _now_ns: None,
) -> Answers:
    """What a ledger answers to a schedule. It is also asked at `looks`, and before each step.

    `on_way`: how many blocks later transactions arrive at most, each of them its own number.
    """
    ledger = Blockchain(
        interval_ns=INTERVAL_NS,
        final=Finality(after_blocks=after_blocks, until_s=until_blocks * INTERVAL_NS / 1e9),
        pool_limit=8,
        block_limit=block_limit,
        fee_floor=2,
        funds=FUNDS,
        arrives=lambda transaction: transaction.amount_minor % (on_way + 1),
        reverts=lambda transaction: on_way > 0 and transaction.fee % 5 == 0,
    )
    answers = Answers()
    now_ns = 0
    waiting = sorted(looks)

    def ask(until_ns: int) -> None:
        while waiting and waiting[0] <= until_ns:
            at_ns = waiting.pop(0)
            ledger.head(at_ns)
            ledger.next_change_ns(at_ns)
            look(ledger, at_ns)

    for step in steps:
        ask(now_ns + step.after_ns)
        now_ns += step.after_ns
        if step.what == "submit":
            assert step.transaction is not None
            answers.refusals.append(ledger.submit(step.transaction, now_ns))
        elif step.what == "halt":
            ledger.halt(now_ns)
        elif step.what == "resume":
            ledger.resume(now_ns)
        elif step.what == "stall":
            ledger.stall(now_ns)
        elif step.what == "settle":
            ledger.settle(now_ns)
        else:
            ledger.reorganise(now_ns, step.depth, step.returns)
        look(ledger, now_ns)
    end_ns = now_ns + 50 * INTERVAL_NS
    ask(end_ns)
    answers.head = ledger.head(end_ns)
    answers.events = ledger.events(end_ns)
    ids = {step.transaction.id for step in steps if step.transaction is not None}
    answers.receipts = {id: ledger.receipt(id, end_ns) for id in sorted(ids)}
    accounts = (*SENDERS, "payee-a", "payee-b")
    answers.balances = {account: ledger.balance(account, end_ns) for account in accounts}
    return answers


def limits() -> st.SearchStrategy[int | None]:
    return st.sampled_from([None, 1, 3])


@examples(200)
@given(
    steps=schedules(),
    block_limit=limits(),
    on_way=st.sampled_from([0, 0, 3]),
    looks=st.lists(st.integers(0, 60_000), max_size=30),
)
def test_the_same_schedule_has_the_same_answers_however_often_one_asks(
    steps: list[Step], block_limit: int | None, on_way: int, looks: list[int]
) -> None:
    if on_way:  # such a ledger replaces no block
        steps = [step for step in steps if step.what != "reorganise"]
    quiet = played(steps, block_limit=block_limit, on_way=on_way)
    assert played(steps, block_limit=block_limit, on_way=on_way, looks=looks) == quiet
    assert sum(quiet.balances.values()) == sum(FUNDS.values())
    # Whatever left its sender has arrived in the end, and nothing is mined twice.
    standing(quiet.events)
    assert all(receipt.mined_at or not receipt.is_final for receipt in quiet.receipts.values())


@examples(200)
@given(steps=schedules(), block_limit=limits(), looks=st.lists(st.integers(0, 60_000), max_size=30))
def test_no_block_gets_what_has_expired_and_nothing_expired_waits(
    steps: list[Step], block_limit: int | None, looks: list[int]
) -> None:
    until_ns = {
        step.transaction.id: step.transaction.valid_until_ns
        for step in steps
        if step.transaction is not None and step.transaction.valid_until_ns is not None
    }

    def look(ledger: Blockchain, now_ns: int) -> None:
        made_ns = ledger.tip(now_ns).made_ns
        for waiting in ledger.waiting(now_ns):
            assert made_ns < until_ns.get(waiting.id, made_ns + 1)

    answers = played(steps, block_limit=block_limit, looks=looks, look=look)
    for event in answers.events:
        if event.change is TransactionChange.MINED:
            assert event.at_ns < until_ns.get(event.transaction.id, event.at_ns + 1)


def standing(events: Sequence[LedgerEvent]) -> dict[tuple[str, int], list[Transaction]]:
    """By sender and nonce what is mined at every moment; each list is asserted to have one."""
    mined: dict[tuple[str, int], list[Transaction]] = defaultdict(list)
    for event in events:
        one = event.transaction
        if event.change is TransactionChange.MINED:
            mined[one.sender, one.nonce].append(one)
            assert len(mined[one.sender, one.nonce]) == 1
        elif event.change is TransactionChange.UNDONE:
            mined[one.sender, one.nonce].remove(one)
    return mined


@examples(200)
@given(steps=schedules(), block_limit=limits())
def test_a_nonce_is_mined_once_and_in_order(steps: list[Step], block_limit: int | None) -> None:
    answers = played(steps, block_limit=block_limit)
    next_nonce: dict[str, int] = defaultdict(int)
    for event in answers.events:
        sender, nonce = event.transaction.sender, event.transaction.nonce
        if event.change is TransactionChange.MINED:
            assert nonce == next_nonce[sender]
            next_nonce[sender] += 1
        elif event.change is TransactionChange.UNDONE:
            next_nonce[sender] -= 1
            assert nonce == next_nonce[sender]
    standing(answers.events)
    heights = [event.height for event in answers.events if event.change is TransactionChange.MINED]
    assert all(height <= answers.head for height in heights)


@examples(200)
@given(steps=schedules(), block_limit=limits())
def test_no_money_is_made_or_lost(steps: list[Step], block_limit: int | None) -> None:
    answers = played(steps, block_limit=block_limit)
    assert sum(answers.balances.values()) == sum(FUNDS.values())
    paid: dict[str, int] = defaultdict(int)
    for listed in standing(answers.events).values():
        for one in listed:
            paid[one.to] += one.amount_minor
    assert {name: answers.balances[name] for name in ("payee-a", "payee-b")} == {
        name: paid[name] for name in ("payee-a", "payee-b")
    }
    assert answers.balances["wallet-b"] >= 0  # it owns no more than its funds


@examples(200)
@given(
    steps=schedules(),
    after_blocks=st.integers(0, 4),
    until_blocks=st.sampled_from([0, 0, 1, 2.5]),
    looks=st.lists(st.integers(0, 60_000), max_size=30),
)
def test_what_is_final_is_never_undone(
    steps: list[Step], after_blocks: int, until_blocks: float, looks: list[int]
) -> None:
    final: dict[str, int] = {}
    heights: list[int] = []  # up to which blocks are final
    ids = {step.transaction.id for step in steps if step.transaction is not None}

    def look(ledger: Blockchain, now_ns: int) -> None:
        heights.append(ledger.tip(now_ns).final)
        assert heights == sorted(heights)
        for id in ids:
            receipt = ledger.receipt(id, now_ns)
            if receipt.mined_at is not None:
                assert receipt.is_final == (receipt.mined_at <= heights[-1])
            assert id not in final or (receipt.is_final and receipt.mined_at == final[id])
            if receipt.is_final:
                assert receipt.mined_at is not None
                final[id] = receipt.mined_at

    answers = played(
        steps, after_blocks=after_blocks, until_blocks=until_blocks, looks=looks, look=look
    )
    assert all(answers.receipts[id].mined_at == height for id, height in final.items())
