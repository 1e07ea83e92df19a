"""The chain map keeps its links apart, whatever the chain."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.report.drawings.layout import LabelSpace, Layout, lay_out

GAP = 10.0
ROOM = LabelSpace(40, 60)


def fan(width: int) -> tuple[list[str], list[tuple[str, str]]]:
    """A gateway over so many processors to one scheme, and a ledger it calls past all of them."""
    processors = [f"processor-{number}" for number in range(width)]
    calls = [("customer", "gateway"), ("gateway", "ledger"), ("scheme", "ledger")]
    for name in processors:
        calls += [("gateway", name), (name, "scheme")]
    return ["customer", "gateway", *processors, "scheme", "ledger"], calls


def assert_nothing_overlaps(layout: Layout) -> None:
    for order in layout.orders:
        for upper, lower in combinations(order, 2):
            distance = layout.middles[lower] - layout.middles[upper]
            below = ROOM.below if len(upper) == 1 else 10
            above = ROOM.above if len(lower) == 1 else 10
            assert distance >= below + above + GAP - 1e-6


@pytest.mark.parametrize("width", [1, 2, 3, 6])
def test_a_fan_out_of_processors_has_no_two_links_in_one_place(width: int) -> None:
    links, calls = fan(width)
    layout = lay_out(links, calls, dict.fromkeys(links, ROOM), GAP)
    assert_nothing_overlaps(layout)
    # customer, gateway, processors, scheme, ledger
    assert [layout.columns[name] for name in ("customer", "gateway", "scheme", "ledger")] == [
        0,
        1,
        3,
        4,
    ]


def test_a_call_past_a_column_has_a_passage_of_its_own_there() -> None:
    links, calls = fan(3)
    layout = lay_out(links, calls, dict.fromkeys(links, ROOM), GAP)
    way = layout.way("gateway", "ledger")
    assert [column for column, _ in way] == [1, 2, 3, 4]
    for column, middle in way[1:-1]:
        for key in layout.orders[column]:
            if len(key) == 1:
                top, end = layout.middles[key] - ROOM.above, layout.middles[key] + ROOM.below
                assert not top <= middle <= end


def test_a_chain_in_a_row_is_a_straight_line() -> None:
    links = ["customer", "edge", "gateway", "issuer"]
    calls = [("customer", "edge"), ("edge", "gateway"), ("gateway", "issuer")]
    layout = lay_out(links, calls, dict.fromkeys(links, ROOM), GAP)
    assert {layout.middles[name,] for name in links} == {ROOM.above}
    assert layout.height == ROOM.above + ROOM.below


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(1, 12)), max_size=40))
def test_no_chain_makes_links_or_passages_overlap(pairs: list[tuple[int, int]]) -> None:
    calls = sorted({(f"link-{each}", f"link-{each + step}") for each, step in pairs})
    links = sorted({"link-0", *(name for call in calls for name in call)})
    layout = lay_out(links, calls, dict.fromkeys(links, ROOM), GAP)
    assert_nothing_overlaps(layout)
    assert all(layout.columns[caller] < layout.columns[callee] for caller, callee in calls)
