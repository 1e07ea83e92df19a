"""`lies`: a node keeps transfers to itself, and says that each is final."""

from __future__ import annotations

from paychain.faults.kind import Facts, Limitation, LinkTraits, StateFaultKind


class Lies(StateFaultKind):
    """The node says that every transfer is final, and of an account that ten times as much came.

    It passes no transfer on. All nodes that lie are of one mind, so that a quorum counts them as
    agreeing. Not searched: whoever asks one node alone believes it, whatever the chain.
    """

    facts = Facts(
        meaning="keeps transfers to itself, says that they are final",
        switch=({},),
        search=None,
    )
    roles = frozenset({"node"})
    lasts = True

    def limitation(self, name: str, link: LinkTraits) -> Limitation | None:
        """A node with the API of a real one answers from its copy of the ledger."""
        if link.role in self.roles and link.dialect.is_vendors:
            what = f"{name} answers from its copy of the ledger, which says nothing untrue"
            return what, "let a node without a dialect lie"
        return super().limitation(name, link)
