"""A ledger: what it refuses, when it mines, what a halt and a reorganisation do to it."""

from __future__ import annotations

from typing import Any

from paychain.payments.ledger import Blockchain
from paychain.payments.rails import Finality
from paychain.payments.transaction import Refusal, Transaction, TransactionChange


def sent(id: str, nonce: int, **more: Any) -> Transaction:
    return Transaction(id=id, sender="wallet", nonce=nonce, to="payee", amount_minor=5, **more)


def ledger(**more: Any) -> Blockchain:
    return Blockchain(**{"interval_ns": 100, "final": Finality(after_blocks=2), **more})


def test_a_transaction_is_mined_in_the_next_block_and_final_some_blocks_later() -> None:
    chain = ledger()
    assert chain.submit(sent("a", 0), 150) is None
    assert not chain.receipt("a", 199).mined_at
    mined = chain.receipt("a", 200)
    assert (mined.mined_at, mined.is_final) == (2, False)
    assert not chain.receipt("a", 399).is_final
    assert chain.receipt("a", 400).is_final
    assert chain.head(1_000) == 10
    assert chain.balance("payee", 1_000) == 5


def test_what_offers_too_little_waits_and_is_replaced_or_mined_when_fees_fall() -> None:
    chain = ledger()
    chain.spike(0, 10)
    for id, nonce, fee in (("low", 0, 9), ("behind", 1, 50)):
        assert chain.submit(sent(id, nonce, fee=fee), 10) is None
    assert chain.next_change_ns(500) is None
    assert chain.receipt("behind", 500).mined_at is None
    chain.spike(500, 3)  # two at a time: the higher one counts
    assert chain.submit(sent("more", 0, fee=10), 510) is None
    assert chain.receipt("more", 600).mined_at == chain.receipt("behind", 600).mined_at == 6
    assert not chain.receipt("low", 600).is_known
    assert chain.submit(sent("late", 2, fee=2), 610) is None
    chain.calm(700, 10)
    assert chain.receipt("late", 800).mined_at is None
    chain.calm(800, 3)
    assert chain.receipt("late", 900).mined_at == 9


def test_the_same_bytes_are_known_and_other_bytes_need_a_higher_fee() -> None:
    chain = ledger()
    assert chain.submit(sent("a", 0, fee=100), 10) is None
    assert chain.submit(sent("a", 0, fee=100), 20) is Refusal.ALREADY_KNOWN
    assert chain.submit(sent("b", 0, fee=109), 30) is Refusal.REPLACEMENT_UNDERPRICED
    assert chain.submit(sent("c", 0, fee=110), 40) is None
    assert not chain.receipt("a", 40).is_known
    assert chain.receipt("c", 100).mined_at == 1
    assert chain.submit(sent("a", 0, fee=100), 110) is Refusal.NONCE_TOO_LOW


def test_a_nonce_in_the_future_waits_for_those_before_it() -> None:
    chain = ledger()
    assert chain.submit(sent("b", 1), 10) is None
    assert chain.next_change_ns(10) is None
    assert chain.receipt("b", 1_000).mined_at is None
    assert chain.submit(sent("a", 0), 1_010) is None
    assert chain.next_change_ns(1_010) == 1_100
    assert chain.receipt("b", 1_100).mined_at == chain.receipt("a", 1_100).mined_at == 11


def test_a_pool_has_a_limit_a_fee_a_floor_and_an_account_an_end() -> None:
    chain = ledger(pool_limit=1, fee_floor=3, funds={"wallet": 7})
    assert chain.submit(sent("cheap", 0, fee=2), 10) is Refusal.UNDERPRICED
    assert chain.submit(sent("a", 0, fee=3), 10) is None
    assert chain.submit(sent("b", 1, fee=3), 20) is Refusal.POOL_FULL
    assert chain.submit(sent("b", 1, fee=3), 120) is Refusal.INSUFFICIENT_FUNDS


def test_a_full_pool_takes_what_its_transactions_wait_for() -> None:
    chain = ledger(pool_limit=2)
    for nonce in (1, 2):
        assert chain.submit(sent(f"t{nonce}", nonce), 10) is None
    assert chain.submit(sent("t3", 3), 20) is Refusal.POOL_FULL
    assert chain.submit(sent("t0", 0), 30) is None
    assert not chain.receipt("t2", 30).is_known  # it gave way
    assert chain.receipt("t1", 100).mined_at == chain.receipt("t0", 100).mined_at == 1


def test_a_block_has_a_limit() -> None:
    chain = ledger(block_limit=2)
    for nonce in range(3):
        chain.submit(sent(f"t{nonce}", nonce), 10)
    assert [chain.receipt(f"t{nonce}", 200).mined_at for nonce in range(3)] == [1, 1, 2]


def test_nothing_is_mined_while_it_stands_still() -> None:
    chain = ledger()
    chain.halt(250)
    chain.submit(sent("a", 0), 260)
    assert chain.head(9_000) == 2
    assert chain.receipt("a", 9_000).is_known
    assert chain.next_change_ns(9_000) is None
    chain.halt(9_100)
    chain.resume(9_200)  # another halt is on
    assert chain.head(9_900) == 2
    chain.resume(10_000)
    assert chain.receipt("a", 10_099).mined_at is None
    assert chain.receipt("a", 10_100).mined_at == 3


def test_a_reorganisation_undoes_what_is_not_final() -> None:
    chain = ledger()
    for nonce, at_ns in enumerate((10, 110, 210)):
        chain.submit(sent(f"t{nonce}", nonce), at_ns)
    assert chain.receipt("t0", 300).is_final
    undone = chain.reorganise(310, 5, lambda one: one.id == "t2")
    assert undone == 2
    assert chain.receipt("t0", 310).mined_at == 1
    assert not chain.receipt("t1", 310).is_known  # lost
    assert chain.receipt("t2", 310).is_known  # it came back, and waits for the lost one
    assert chain.receipt("t2", 1_000).mined_at is None
    assert chain.submit(sent("t1", 1), 1_010) is None  # the same bytes again
    assert chain.receipt("t2", 1_100).mined_at == 11
    assert [event.change for event in chain.events(1_100)] == [
        *[TransactionChange.MINED] * 3,
        *(TransactionChange.UNDONE, TransactionChange.UNDONE, TransactionChange.FORGOTTEN),
        *[TransactionChange.MINED] * 2,
    ]


def test_a_move_may_be_revocable_for_a_time() -> None:
    chain = ledger(final=Finality(until_s=1e-6))
    chain.submit(sent("a", 0), 10)
    assert not chain.receipt("a", 1_099).is_final
    assert chain.receipt("a", 1_100).is_final
    chain.halt(1_200)
    chain.resume(5_000)  # what was final before a halt still is
    assert chain.receipt("a", 5_010).is_final
    chain.submit(sent("b", 1), 5_020)
    chain.halt(5_150)
    assert chain.receipt("b", 6_150).is_final  # the time passes while blocks do not
    assert chain.reorganise(6_160, 3, lambda _one: True) == 0


def test_how_far_back_blocks_are_final_never_goes_back_after_a_halt() -> None:
    chain = ledger(final=Finality(until_s=200e-9))
    assert chain.submit(sent("a", 0), 250) is None  # in the block at 300
    chain.halt(450)
    assert [chain.tip(at).final for at in (499, 500, 600, 650)] == [2, 3, 4, 4]
    chain.resume(1_000)
    assert [chain.tip(at).final for at in (1_000, 1_299, 1_300)] == [4, 4, 5]
    chain.halt(1_310)  # with three blocks since the first halt
    chain.resume(1_350)
    chain.halt(1_360)
    chain.resume(2_000)  # without one since the second
    assert [chain.tip(at).final for at in (2_000, 2_299, 2_300)] == [7, 7, 8]


def test_a_block_is_as_old_as_it_is_also_when_a_halt_has_just_ended() -> None:
    chain = ledger()
    chain.halt(450)
    chain.resume(1_000)
    tips = [chain.tip(at) for at in (1_000, 1_099, 1_100, 1_250)]
    assert [tip.made_ns for tip in tips] == [400, 400, 1_100, 1_200]
    assert tips[1].at_ns == 1_000  # the next one comes an interval later


def test_nothing_becomes_final_while_finality_stalls_and_all_of_it_at_once_afterwards() -> None:
    chain = ledger()
    for id, nonce, at in (("early", 0, 150), ("late", 1, 350)):
        assert chain.submit(sent(id, nonce), at) is None
    # In the blocks at 200 and 400: at 450 the head is 4, and two blocks follow the first only.
    chain.stall(450)
    chain.stall(460)  # two faults that overlap
    chain.settle(470)
    assert chain.tip(1_000).final == 2
    assert chain.head(1_000) == 10  # blocks go on
    assert chain.receipt("early", 1_000).is_final
    assert not chain.receipt("late", 1_000).is_final
    # What comes meanwhile is mined, and can be undone with all that is not final.
    assert chain.submit(sent("new", 2), 1_010) is None
    assert chain.receipt("new", 1_100).mined_at == 11
    assert chain.reorganise(1_410, 50, lambda _: True) == 2
    assert chain.receipt("early", 1_450).mined_at == 2
    assert chain.receipt("new", 1_500).mined_at == 15
    chain.settle(1_750)
    assert chain.receipt("late", 1_750).is_final
    assert chain.tip(1_750).final == 15


def test_finality_that_stalls_holds_what_is_final_after_a_time() -> None:
    chain = ledger(final=Finality(until_s=300e-9))
    assert chain.submit(sent("a", 0), 150) is None
    chain.stall(450)  # 250 ns after its block
    assert not chain.receipt("a", 5_000).is_final
    chain.settle(5_000)
    assert chain.receipt("a", 5_000).is_final


def test_a_message_uses_its_nonce_when_it_leaves_and_moves_its_amount_when_it_arrives() -> None:
    chain = ledger(
        final=Finality(after_blocks=1),
        arrives=lambda one: 5 if one.nonce == 0 else 1,
        reverts=lambda one: one.nonce == 1,
    )
    assert chain.submit(sent("slow", 0), 10) is None
    assert chain.submit(sent("bounces", 1), 20) is None
    assert chain.balance("wallet", 50) == 0
    assert chain.next_change_ns(50) == 100
    assert chain.balance("wallet", 150) == -10  # both have left
    on_way = chain.receipt("slow", 150)  # it left in the block at 100
    assert (on_way.is_known, on_way.mined_at, on_way.is_final) == (True, None, False)
    assert chain.submit(sent("slow", 0), 150) is Refusal.NONCE_TOO_LOW
    assert chain.next_change_ns(150) == 200
    bounced = chain.receipt("bounces", 200)
    assert (bounced.mined_at, bounced.is_reverted) == (2, True)
    assert chain.balance("wallet", 200) == -5  # what bounced is back
    assert chain.next_change_ns(250) == 600
    chain.halt(310)
    assert chain.next_change_ns(400) is None
    chain.resume(1_000)  # three blocks are made, three are missing
    assert chain.next_change_ns(1_000) == 1_300
    assert chain.balance("payee", 1_299) == 0
    arrived = chain.receipt("slow", 1_300)
    assert (arrived.mined_at, arrived.is_final) == (6, False)
    assert chain.receipt("slow", 1_400).is_final
    assert (chain.balance("payee", 1_400), chain.balance("wallet", 1_400)) == (5, -5)


def test_what_is_on_its_way_cannot_be_sent_again() -> None:
    """A sender with 8 has 3 left once 5 have left, long before they arrive."""
    chain = ledger(funds={"wallet": 8}, final=Finality(after_blocks=1), arrives=lambda _: 5)
    assert chain.submit(sent("a", 0), 10) is None
    assert chain.submit(sent("b", 1), 150) is Refusal.INSUFFICIENT_FUNDS
    assert chain.balance("payee", 599) == 0
    assert chain.balance("payee", 600) == 5
    assert chain.submit(sent("b", 1), 700) is Refusal.INSUFFICIENT_FUNDS


def test_what_has_expired_is_in_no_block_and_its_nonce_is_free() -> None:
    chain = ledger()
    assert chain.submit(sent("before", 1, valid_until_ns=450), 10) is None  # it waits for nonce 0
    assert chain.receipt("before", 299).is_known
    assert chain.submit(sent("late", 0, valid_until_ns=400), 310) is Refusal.EXPIRED
    assert not chain.receipt("before", 400).is_known  # the next block is made at 500
    assert chain.submit(sent("before", 1, valid_until_ns=450), 410) is Refusal.EXPIRED
    assert chain.submit(sent("first", 0, valid_until_ns=501), 410) is None
    assert chain.submit(sent("again", 1, valid_until_ns=601), 420) is None
    assert [chain.receipt(name, 500).mined_at for name in ("first", "again")] == [5, 5]
    changes = [(each.change, each.transaction.id, each.at_ns) for each in chain.events(500)]
    assert changes[0] == (TransactionChange.FORGOTTEN, "before", 400)


def test_what_expires_during_a_halt_is_in_no_block_after_it() -> None:
    chain = ledger()
    chain.halt(10)
    assert chain.submit(sent("a", 0, valid_until_ns=250), 20) is None
    assert chain.receipt("a", 240).is_known
    chain.resume(1_000)
    assert not chain.receipt("a", 1_000).is_known
    assert chain.next_change_ns(1_000) is None
