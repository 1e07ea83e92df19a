"""`halt`: the ledger makes no blocks."""

from __future__ import annotations

from paychain.faults.kind import Facts, Search, StateFaultKind


class Halt(StateFaultKind):
    """The ledger makes no blocks, and everybody reaches it: its nodes answer with the last one.

    Transfers are taken into its pool, and mined in the first block afterwards.
    """

    facts = Facts(
        meaning="produces no blocks, still answers",
        switch=({},),
        search=Search(rank=14),
    )
    roles = frozenset({"ledger"})
    lasts = True

    def stops(self, timeout_s: float) -> bool:
        """No transfer is made without blocks."""
        return True
