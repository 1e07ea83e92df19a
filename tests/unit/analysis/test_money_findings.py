"""What is listed of a money rule's findings."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

from paychain.analysis.money.findings import most_frequent

CALLS = [("gateway", "authorise", callee) for callee in ("processor-a", "processor-b", "fraud")]


def test_calls_that_are_equally_frequent_are_listed_in_one_order() -> None:
    often = ("gateway", "void", "processor-a")
    listed = {
        tuple(most_frequent(Counter([often, *order, often]), 3)) for order in permutations(CALLS)
    }
    assert listed == {((often, 2), (CALLS[2], 1), (CALLS[0], 1))}
