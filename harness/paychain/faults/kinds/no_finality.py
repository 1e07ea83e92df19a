"""`no_finality`: the ledger makes blocks, and none becomes final."""

from __future__ import annotations

from paychain.faults.kind import Facts, Limitation, LinkTraits, Search, StateFaultKind


class NoFinality(StateFaultKind):
    """The ledger makes blocks, and none of them becomes final until the fault is over.

    What was final before stays so. Whoever counts blocks goes on; whoever waits for finality waits.
    A reorganisation meanwhile undoes what was credited after fewer blocks than it replaces. Where
    finality comes with the block, `final: at_once` or `{after: 1}`, the fault is a mistake.
    """

    facts = Facts(
        meaning="produces blocks, none becomes final",
        switch=({},),
        search=Search(rank=19),
    )
    roles = frozenset({"ledger"})
    lasts = True

    def stops(self, timeout_s: float) -> bool:
        """No transfer becomes final."""
        return True

    def limitation(self, name: str, link: LinkTraits) -> Limitation | None:
        """Where finality comes with the block there are no blocks without it, as on TON."""
        limitation = super().limitation(name, link)
        if limitation is not None or not link.final.finality.comes_with_block:
            return limitation
        what = f"finality comes with each block of {name}: it makes none without it"
        return what, "use halt: {}, as there are no blocks then"
