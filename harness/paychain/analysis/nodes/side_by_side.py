"""Several runs of one experiment over nodes that are arranged otherwise, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from paychain.analysis.nodes.arrangement import Arrangement
from paychain.analysis.nodes.breaking import one_of


class SideBySide(msgspec.Struct, frozen=True, kw_only=True):
    """The runs in the order in which they were named. Nothing here is a score."""

    first: str  # the sentence that a reader has to know before any number
    shared: list[str]  # links and providers that none of the arrangements can do without
    notes: list[str]
    runs: list[Arrangement]


def side_by_side(runs: Sequence[Arrangement], notes: Sequence[str]) -> SideBySide:
    """All of them, with what they have in common."""
    shared = [name for name in runs[0].shared if all(name in run.shared for run in runs)]
    return SideBySide(first=_first(runs), shared=shared, notes=list(notes), runs=list(runs))


def _first(runs: Sequence[Arrangement]) -> str:
    """Whether something single still stands in front of the operators."""
    found = [
        f"{run.operators} operator{'s' * (run.operators != 1)} of {run.chain} still stand"
        f"{'s' * (run.operators == 1)} behind one {one_of(*run.front[0])}"
        for run in runs
        if run.front
    ]
    if found:
        return f"{'; '.join(found)}: while that is down, their number makes no difference."
    return "No single component stands in front of the nodes of any of these arrangements."
