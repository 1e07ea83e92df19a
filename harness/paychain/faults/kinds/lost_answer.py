"""`lost_answer`: the work is done, the answer is lost."""

from __future__ import annotations

from paychain.faults.kind import Facts, RequestFaultKind, Search


class LostAnswer(RequestFaultKind):
    """The link does the work and commits it; its answer never leaves."""

    facts = Facts(
        meaning="works, its answer is lost",
        switch=({"share": "50%"},),
        search=Search(rank=2, on_calls=True),
    )
    fails_calls = True
    loses_answer = True
