"""`lies`: a node keeps transfers to itself, and says that each is final."""

from __future__ import annotations

from paychain.faults.kind import Facts, Search, StateFaultKind


class Lies(StateFaultKind):
    """The node says that every transfer is final, and of an account that ten times as much came.

    It passes no transfer on. All nodes that lie are of one mind, so that a quorum counts them as
    agreeing. Whoever asks one node alone believes it.
    """

    facts = Facts(
        meaning="keeps transfers to itself, says that they are final",
        switch=({},),
        search=Search(rank=23, is_on_request=True),
    )
    roles = frozenset({"node"})
    lasts = True
    of_real_api = "answers from its copy of the ledger, which says nothing untrue"
