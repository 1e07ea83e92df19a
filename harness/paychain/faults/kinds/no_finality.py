"""`no_finality`: the ledger makes blocks, and none becomes final."""

from __future__ import annotations

from paychain.faults.kind import Facts, Search, StateFaultKind


class NoFinality(StateFaultKind):
    """The ledger makes blocks, and none of them becomes final until the fault is over.

    What was final before stays so. Whoever counts blocks goes on; whoever waits for finality waits.
    A reorganisation meanwhile undoes what was credited after fewer blocks than it replaces.
    """

    facts = Facts(
        meaning="produces blocks, none becomes final",
        switch=({},),
        search=Search(rank=19),
    )
    roles = frozenset({"ledger"})
    lasts = True
