"""The log of a ledger keeps what its nodes may be asked for, and of the rest what it left."""

from __future__ import annotations

from paychain.payments.ledger import Blockchain
from paychain.payments.ledger_log import LedgerLog
from paychain.payments.rails.finality import Finality
from paychain.payments.transaction import LedgerEvent, Transaction, TransactionChange

HISTORY, PER_BLOCK, TRANSFERS = 10, 3, 900


def transfer(nonce: int) -> Transaction:
    return Transaction(id=f"t{nonce}", sender="0xA", nonce=nonce, to="0xB", amount_minor=2)


def transfers(number: int, log: LedgerLog, ledger: Blockchain) -> int:
    """Send so many transfers, a few in each block; returns the most changes that were kept."""
    most = 0
    for nonce in range(number):
        now_ns = nonce // PER_BLOCK
        transaction = transfer(nonce)
        ledger.submit(transaction, now_ns)
        for event in ledger.events(now_ns):
            log.append(event)
        log.append(
            LedgerEvent(now_ns, TransactionChange.ACCEPTED, transaction, ledger.head(now_ns))
        )
        tip = ledger.tip(now_ns)
        ledger.forget(log.forget(tip.head, tip.final))
        most = max(most, len(log))
    return most


def test_as_many_changes_are_kept_as_some_blocks_have_however_many_there_were() -> None:
    log, ledger = LedgerLog(HISTORY), Blockchain(interval_ns=1, final=Finality(after_blocks=2))
    most = transfers(TRANSFERS, log, ledger)
    assert most <= 2 * PER_BLOCK * (HISTORY + HISTORY // 2 + 3)
    assert log.first + len(log) == 2 * TRANSFERS - len(ledger.waiting(TRANSFERS // PER_BLOCK - 1))
    past = log.past()
    head = ledger.head(TRANSFERS // PER_BLOCK - 1)
    assert HISTORY <= head - past.height <= HISTORY + HISTORY // 2 + 1
    assert past.moved["0xb"] == -past.moved["0xa"] == 2 * past.nonces["0xa"]
    # The ledger itself knows as many, and takes no nonce twice.
    assert not ledger.receipt("t0", TRANSFERS).is_known
    assert ledger.submit(transfer(0), TRANSFERS) == "nonce too low"


def test_what_waits_for_long_is_part_of_the_past() -> None:
    log, ledger = LedgerLog(HISTORY), Blockchain(interval_ns=1)
    stuck = Transaction(id="stuck", sender="0xC", nonce=5, to="0xB", amount_minor=1)
    ledger.submit(stuck, 0)
    log.append(LedgerEvent(0, TransactionChange.ACCEPTED, stuck, 0))
    transfers(TRANSFERS, log, ledger)
    assert stuck in log.past().waiting


def test_a_ledger_goes_on_after_it_has_forgotten_its_last_block() -> None:
    log, ledger = LedgerLog(HISTORY), Blockchain(interval_ns=1, final=Finality(after_blocks=2))
    ledger.submit(transfer(0), 0)
    for event in ledger.events(3 * HISTORY):
        log.append(event)
    tip = ledger.tip(3 * HISTORY)
    gone = log.forget(tip.head, tip.final)
    ledger.forget(gone)
    assert gone == ["t0"]
    assert ledger.submit(transfer(1), 3 * HISTORY) is None
    assert ledger.receipt("t1", 3 * HISTORY + 1).mined_at == 3 * HISTORY + 1
    assert not ledger.receipt("t0", 3 * HISTORY + 1).is_known


def test_what_is_in_a_later_block_since_a_reorganisation_is_known() -> None:
    ledger = Blockchain(interval_ns=1, final=Finality(after_blocks=2))
    ledger.submit(transfer(0), 0)
    assert ledger.receipt("t0", 1).mined_at == 1
    ledger.reorganise(1, 1, lambda _: True)
    ledger.receipt("t0", 2)
    ledger.forget(["t0"])
    assert ledger.receipt("t0", 2).mined_at == 2
    assert ledger.receipt("t0", 4).is_final
    ledger.forget(["t0"])
    assert not ledger.receipt("t0", 4).is_known
