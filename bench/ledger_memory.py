"""Memory of a ledger and of a node with a copy of it, over many transfers: is it level?

`python -m bench ledger_memory --transfers 200000 --history 1000` prints the resident memory of the
process after each tenth. What a node may be asked for is bounded by blocks: memory grows until
there are so many, and stays.
"""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Sequence
from pathlib import Path

from paychain.payments.ledger import Blockchain
from paychain.payments.ledger_log import LedgerLog
from paychain.payments.rails.finality import Finality
from paychain.payments.transaction import LedgerEvent, Transaction, TransactionChange
from paychain.protocol.dialects.json_rpc.copy import Copy
from paychain.protocol.message import News, Sighting

BLOCK_NS, PER_BLOCK = 1_000_000_000, 10
RAW = "02f8b1" + "ab" * 170  # as long as a signed transfer of a token


def resident_mb() -> float:
    """Of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(options: Sequence[str] = ()) -> None:
    """Send transfers through a ledger to a node, and print what they need."""
    parser = argparse.ArgumentParser(prog="python -m bench ledger_memory")
    parser.add_argument("--transfers", type=int, default=200_000)
    parser.add_argument("--history", type=int, default=1_000, help="blocks that the node keeps")
    chosen = parser.parse_args(options)
    ledger = Blockchain(interval_ns=BLOCK_NS, final=Finality(after_blocks=12))
    log, copy = LedgerLog(chosen.history), Copy(1, chosen.history)
    step = max(chosen.transfers // 10, 1)
    for number in range(chosen.transfers):
        now_ns = number // PER_BLOCK * BLOCK_NS
        transfer = Transaction(
            id=f"0x{number:064x}",
            sender=f"0x{number % 10:040x}",
            nonce=number // 10,
            to=f"0x{number % 97:040x}",
            amount_minor=100,
            raw=f"{RAW}{number:010x}",
        )
        refusal = ledger.submit(transfer, now_ns)
        assert refusal is None, refusal
        for event in ledger.events(now_ns):
            log.append(event)
        log.append(LedgerEvent(now_ns, TransactionChange.ACCEPTED, transfer, ledger.head(now_ns)))
        ledger.settled()
        tip = ledger.tip(now_ns)
        ledger.forget(log.forget(tip.head, tip.final))
        if number % PER_BLOCK == 0:
            changes = tuple(log.since(copy.known))
            news = News(copy.known, changes, tip.at_ns, BLOCK_NS, tip.final)
            copy.update(Sighting(tip.head, news=news))
        if (number + 1) % step == 0:
            gc.collect()
            print(f"  {number + 1:,} transfers: {len(log):,} changes kept, {resident_mb():.0f} MB")


if __name__ == "__main__":
    main()
