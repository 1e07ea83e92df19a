"""`wrong_network`: a node belongs to another network than its callers believe."""

from __future__ import annotations

from paychain.faults.kind import Facts, Search, StateFaultKind


class WrongNetwork(StateFaultKind):
    """The node is one of another network: what it takes is mined there, and the payee gets nothing.

    Whoever checks the network's id, in what it signs and before it reads, is refused, and can go to
    another node. A wallet with `checks_network: false` is told the truth about the wrong network:
    its transfer is final there.
    """

    facts = Facts(
        meaning="belongs to another network, where transfers do not reach the payee",
        switch=({},),
        search=Search(rank=21),
    )
    roles = frozenset({"node"})
    lasts = True
    of_real_api = "answers from its copy of this chain's ledger"
