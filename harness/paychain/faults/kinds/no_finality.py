"""`no_finality`: the ledger makes blocks, and none becomes final."""

from __future__ import annotations

from paychain.faults.kind import Facts, StateFaultKind


class NoFinality(StateFaultKind):
    """The ledger makes blocks, and none of them becomes final until the fault is over.

    What was final before stays so. Whoever counts blocks goes on; whoever waits for finality waits.
    Not searched: together with a reorganisation it undoes whatever was credited by counting blocks.
    """

    facts = Facts(
        meaning="produces blocks, none becomes final",
        switch=({},),
        search=None,
    )
    roles = frozenset({"ledger"})
    lasts = True
