"""The offset of another clock, from the times that messages take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paychain.load.distributed.clock import ENOUGH, ClockExchange, ClockMeasure, ClockOffset

MS = 1_000_000
WAYS = st.integers(0, 50 * MS)


def exchange(offset_ns: int, there_ns: int, back_ns: int, at_ns: int = 0) -> ClockExchange:
    arrives = at_ns + there_ns
    answered = arrives + 7_000
    return ClockExchange(at_ns, arrives + offset_ns, answered + offset_ns, answered + back_ns)


def measured(*exchanges: ClockExchange) -> ClockMeasure:
    measure = ClockMeasure()
    for each in exchanges:
        measure.add(each)
    return measure


def test_even_ways_give_the_offset_itself() -> None:
    # Ours 0, theirs 5 ms ahead; 1 ms each way: t2 - t1 = 6 ms, t3 - t4 = 4 ms; the middle is 5 ms,
    # and 2 ms on the way leave 1 ms of doubt.
    assert exchange(5 * MS, MS, MS).offset == ClockOffset(5 * MS, MS)


def test_the_quickest_exchange_is_the_one_that_counts() -> None:
    slow = [exchange(5 * MS, 9 * MS, MS)] * (ENOUGH - 1)
    # 2 ms there and 1 ms back: the middle is half a millisecond off, 1.5 ms are in doubt
    assert measured(*slow, exchange(5 * MS, 2 * MS, MS)).offset == ClockOffset(5_500_000, 1_500_000)


@given(st.integers(-(10**18), 10**18), st.lists(st.tuples(WAYS, WAYS), min_size=ENOUGH))
def test_the_true_offset_lies_within_the_doubt_that_is_stated(
    offset_ns: int, ways: list[tuple[int, int]]
) -> None:
    measure = measured(
        *(exchange(offset_ns, there, back, at * MS) for at, (there, back) in enumerate(ways))
    )
    for found in (measure.offset, measure.offset_now):
        assert found is not None
        assert abs(found.ns - offset_ns) <= found.uncertainty_ns


def test_too_few_exchanges_are_no_measure() -> None:
    assert measured(*[exchange(0, MS, MS)] * (ENOUGH - 1)).offset is None


def test_an_impossible_exchange_is_not_taken() -> None:
    back_too_soon = ClockExchange(10 * MS, 0, 5 * MS, 12 * MS)  # 2 ms for us, 5 ms of work for them
    assert measured(*[back_too_soon] * ENOUGH).offset is None


def test_what_was_measured_at_the_start_stays_and_the_drift_shows_beside_it() -> None:
    start = [exchange(0, MS, MS)] * ENOUGH
    later = [exchange(3 * MS, 2 * MS, 2 * MS)] * ENOUGH
    measure = measured(*start, *later)
    assert measure.offset == ClockOffset(0, MS)
    assert measure.offset_now == ClockOffset(3 * MS, 2 * MS)
