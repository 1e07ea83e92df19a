"""Payments split over workers, and who has which share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.load.distributed.chunks import Chunk, Inbox
from paychain.load.distributed.clock import ENOUGH, ClockExchange
from paychain.load.distributed.messages import Heartbeat, Readiness
from paychain.load.distributed.roster import LOST_AFTER_S, Member, Roster
from paychain.load.traffic.arrivals import arrivals
from paychain.load.traffic.plan import AmountPlan, EntryPlan, LoadPlan
from paychain.load.traffic.schedule import count

corners = st.lists(st.integers(0, 40), min_size=2, max_size=4)


def plan(rates: list[int], is_random: bool, share: int = 0, shares: int = 1) -> LoadPlan:
    return LoadPlan(
        entries=(EntryPlan(link="edge"),),
        corners=tuple((float(at), float(rate)) for at, rate in enumerate(rates)),
        is_random=is_random,
        times=(),
        warm_up_s=0.5,
        lasts_s=float(len(rates) - 1),
        deadline_s=1.0,
        seed=7,
        epoch_ns=0,
        currency="EUR",
        amounts=AmountPlan(median=4_000, least=100, most=90_000),
        share=share,
        shares=shares,
    )


@given(corners, st.booleans(), st.integers(1, 9))
def test_the_shares_together_are_the_declared_schedule(
    rates: list[int], is_random: bool, shares: int
) -> None:
    whole = list(arrivals(plan(rates, is_random)))
    parts = [list(arrivals(plan(rates, is_random, share, shares))) for share in range(shares)]
    assert sorted((each for part in parts for each in part), key=lambda each: each.number) == whole
    assert all(each.number % shares == share for share, part in enumerate(parts) for each in part)
    counts = [count(plan(rates, is_random, share, shares)) for share in range(shares)]
    assert counts == [len(part) for part in parts]


def roster(shares: int) -> Roster:
    return Roster(shares)


def inbox(_share: int) -> Inbox:
    return Inbox(bytearray().extend)


def joined(members: Roster, client: str, name: str = "host", now_s: float = 0.0) -> Member:
    member = members.join(client, name, inbox, now_s)
    assert member is not None
    return member


def test_a_worker_that_asks_twice_keeps_its_share() -> None:
    members = roster(2)
    first = joined(members, "a")
    joined(members, "b")
    assert joined(members, "a") is first
    assert [each.share for each in members.in_order] == [0, 1]


def test_there_is_no_share_for_one_too_many() -> None:
    members = roster(1)
    joined(members, "a")
    assert members.join("b", "host", inbox, 0.0) is None


def test_a_process_that_was_started_anew_gets_no_share_of_a_run_that_has_begun() -> None:
    members = roster(2)
    joined(members, "a")
    members.has_begun = True
    assert members.join("b", "host", inbox, 0.0) is None


def test_a_share_given_back_before_the_load_goes_to_the_next_who_asks() -> None:
    members = roster(2)
    gone = joined(members, "a")
    joined(members, "b")
    members.drop(gone)
    assert joined(members, "c").share == 0


def test_two_workers_of_one_host_have_names_of_their_own() -> None:
    members = roster(3)
    assert [joined(members, client).name for client in "abc"] == ["host", "host-2", "host-3"]


def test_a_worker_is_lost_when_it_was_not_heard_for_long_enough() -> None:
    members = roster(2)
    joined(members, "a")
    joined(members, "b")
    members.heard("b", 5.0)
    assert members.silent(LOST_AFTER_S) == []
    assert [each.client for each in members.silent(LOST_AFTER_S + 0.1)] == ["a"]


def test_a_worker_that_has_delivered_everything_may_be_silent() -> None:
    members = roster(1)
    member = joined(members, "a")
    member.heartbeat = Heartbeat(Readiness.GOING, 3, is_over=True, size=4)
    assert members.silent(99.0) == [member]  # its last bytes are not here yet
    member.inbox.receive(Chunk.of(0, b"abcd"))
    assert members.silent(99.0) == []
    assert member.state().delivered


def test_a_heartbeat_of_a_stranger_counts_for_no_worker() -> None:
    assert roster(1).heard("x", 1.0) is None


def test_a_clock_is_reported_with_offset_doubt_and_drift() -> None:
    member = joined(roster(1), "a")
    assert member.state().offset_ns is None
    for _ in range(ENOUGH):
        member.clock.add(ClockExchange(0, 5_000, 5_000, 2_000))
    for _ in range(ENOUGH):
        member.clock.add(ClockExchange(0, 5_600, 5_600, 3_000))
    state = member.state()
    # 2 us on the way: 5,000 - 1,000 = 4,000, in doubt by 1,000; later 5,600 - 1,500 = 4,100, in
    # doubt by 1,500: the drift of 100 by 2,500
    assert (state.offset_ns, state.uncertainty_ns) == (4_000, 1_000)
    assert (state.drift_ns, state.drift_uncertainty_ns) == (100, 2_500)


@pytest.mark.parametrize("reason", ["killed", "not heard"])
def test_a_lost_worker_is_done(reason: str) -> None:
    member = joined(roster(1), "a")
    member.lost = reason
    assert member.is_done
    assert not member.is_delivered


def test_records_go_into_the_file_of_their_worker() -> None:
    members = roster(2)
    files = [bytearray(), bytearray()]
    for name in "ab":
        members.join(name, name, lambda share: Inbox(files[share].extend), 0.0)
    for member in members.in_order:
        member.inbox.receive(Chunk.of(0, member.name.encode()))
    assert files == [b"a", b"b"]
