"""When the orders of a real chain are judged, and judged again; here its clock is the test's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future

import pytest

from paychain.engine.timeline import Switch
from paychain.environment.running_chain import InProgress, NothingOwn, OwnState
from paychain.explore.live import batch as live_batch
from paychain.explore.live.batch import Batches
from paychain.explore.live.judged import Batch, Judged
from paychain.explore.live.outages import AT_S, outage_choices
from paychain.explore.live.rest import APART_S, MOST_TIME, QUIET_S
from paychain.explore.live.steps import step_choices
from paychain.explore.live.through import Met, Through
from paychain.explore.live.verdicts import OrderVerdict
from paychain.load.traffic.arrivals import Arrival
from paychain.model.loading import load_chain
from paychain.model.scripts import AssignedScripts
from paychain.payments.journal import Decision, DecisionKind, FaultSwitch, Record
from paychain.payments.rules import Finding

CHAIN = load_chain("examples/shop-python/chain-naive.yaml").model
LOST = next(step for step in step_choices(CHAIN) if step.name == "lost_answer")
SETTLES_S = 8.0
KILLED = ("crash", 1_000)
MENDS, LASTS = "no_double_charge", "repeats_without_effect"  # one that may be settled yet, and not


class Clockwork:
    """A running chain of which a test says when what is recorded. Customers are done at once."""

    is_virtual = False
    look_every_s = 0.25
    id_prefix = "p"
    settles_within_s = SETTLES_S

    def __init__(self) -> None:
        self.clock_ns = 0
        self.comes: list[tuple[float, str]] = []  # at that second something about a payment
        self.began: list[float] = []
        self.over: list[str] = []
        self.unknown: frozenset[str] = frozenset()
        self.switched: list[float] = []  # when outages began and ended
        self.ready_s = 0.0  # until then the service is on its way back
        self.is_slow = False  # books are read once a test says so
        self.books: list[Future[list[Record]]] = []

    def now_ns(self) -> int:
        return self.clock_ns

    def advance(self, until_ns: int) -> None:
        self.clock_ns = until_ns

    def in_progress(self) -> InProgress:
        return InProgress(unknown=self.unknown)

    def collect(self) -> Iterator[list[Record]]:
        due = [payment for at_s, payment in self.comes if at_s * 1e9 <= self.clock_ns]
        self.comes = [each for each in self.comes if each[0] * 1e9 > self.clock_ns]
        yield [
            Decision(
                link="stripe",
                kind=DecisionKind.FAULT_HIT,
                at_ns=self.clock_ns,
                payment=payment,
                attempt=1,
                operation="refund",
                target="shop",
                detail="",
            )
            for payment in due
        ]

    def read_books(self, _: Collection[str]) -> Future[list[Record]]:
        self.books.append(Future())
        if not self.is_slow:
            self.books[-1].set_result([])
        return self.books[-1]

    def switch(self, _: Switch, at_ns: int) -> FaultSwitch:
        self.switched.append(at_ns / 1e9)
        return FaultSwitch(
            fault="outage",
            action="applied",
            planned_ns=at_ns,
            effective_ns=at_ns,
            place="link",
            targets=["shop"],
            error="",
        )

    @property
    def own(self) -> OwnState:
        return NothingOwn(are_ready=self.clock_ns >= self.ready_s * 1e9)

    def forget_payments(self, payments: Collection[str]) -> None:
        self.over += payments

    def follow_scripts(self, _: AssignedScripts) -> None:
        pass

    def begin_paying(self, arrivals: Sequence[Arrival]) -> None:
        now_s = self.clock_ns / 1e9
        self.began += [now_s] * len(arrivals)
        self.comes += [(now_s, arrival.payment) for arrival in arrivals]


class Judging:
    """Breaks a rule for each order of which enough was recorded. `times`: when it was asked."""

    def __init__(self, running: Clockwork, rule: str, needs: int) -> None:
        self._running, self._rule, self._needs = running, rule, needs
        self.times: list[float] = []

    def verdicts(
        self, records: Sequence[Record], _: object, orders: Collection[str], **__: object
    ) -> dict[str, OrderVerdict]:
        self.times.append(self._running.clock_ns / 1e9)
        finding = Finding("p0000000", 1, "money is wrong", ())
        return {
            order: OrderVerdict(broken={self._rule: finding} if len(records) >= self._needs else {})
            for order in orders
        }


@pytest.fixture
def running() -> Clockwork:
    return Clockwork()


def batches(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch, rule: str, needs: int
) -> tuple[Batches, Judging, list[tuple[float, Judged]]]:
    """Batches whose orders break a rule once so many records are there, and what they report."""
    judging = Judging(running, rule, needs)
    monkeypatch.setattr(live_batch, "Judge", lambda *_, **__: judging)
    told: list[tuple[float, Judged]] = []

    def note(order: Judged, _: Batch) -> None:
        told.append((running.clock_ns / 1e9, order))

    made = Batches(CHAIN, running, 1, 8.0, note, on_changed=note)  # type: ignore[arg-type]  # a stand-in
    return made, judging, told


def until(made: Batches, running: Clockwork, at_s: float) -> None:
    while running.clock_ns < at_s * 1e9:
        made.look()


def test_what_a_service_does_about_an_order_that_was_fine_is_judged_when_it_is_settled(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, judging, told = batches(running, monkeypatch, MENDS, needs=2)
    batch = made.begin([(LOST,)])
    running.comes.append((5.0, f"{running.id_prefix}0000000"))
    until(made, running, 4.5)
    ((at_s, fine),) = told
    assert at_s == pytest.approx(QUIET_S, abs=1.0)
    assert (fine.broken, made.in_flight, made.is_settled(batch)) == ({}, 0, True)
    until(made, running, 6.0)
    assert (made.in_flight, made.is_settled(batch), running.over) == (1, False, [])
    until(made, running, SETTLES_S + 2)
    assert [set(order.broken) for _, order in told] == [set(), {MENDS}]
    assert batch.breaking(MENDS) == [told[1][1]]
    assert len(judging.times) == 2
    assert running.over == [told[0][1].payment]
    assert made.is_settled(batch)


def test_a_batch_whose_chain_stops_while_an_order_is_to_be_judged_again_is_not_decided(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, _ = batches(running, monkeypatch, MENDS, needs=2)
    batch = made.begin([(LOST,)])
    running.comes.append((5.0, f"{running.id_prefix}0000000"))
    until(made, running, 6.0)
    assert batch.is_decided({})
    made.abandon()
    assert batch.is_whole
    assert not batch.is_decided({})


def test_what_nothing_can_undo_is_told_at_once_and_what_may_be_settled_is_not(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rule, when_s in ((LASTS, QUIET_S), (MENDS, SETTLES_S)):
        began_s = running.clock_ns / 1e9
        made, _, told = batches(running, monkeypatch, rule, needs=1)
        made.begin([(LOST,)])
        until(made, running, began_s + SETTLES_S + 2)
        assert [set(order.broken) for _, order in told] == [{rule}]
        assert told[0][0] - began_s == pytest.approx(when_s, abs=1.5)


def test_payments_that_are_to_be_alone_do_not_wait_for_what_a_service_settles(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, _ = batches(running, monkeypatch, MENDS, needs=1)
    batch = made.run_alone((LOST,), 3)
    assert len(batch.breaking(MENDS)) == 3
    first, second, third = running.began
    assert second - first == third - second == pytest.approx(APART_S, abs=0.3)
    assert running.clock_ns / 1e9 < 2 * APART_S + SETTLES_S + 2


def test_payments_that_are_to_be_alone_at_rest_wait_for_the_order_before(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, _ = batches(running, monkeypatch, MENDS, needs=2)
    batch = made.run_alone((LOST,), 3, at_rest=True)
    assert batch.is_whole
    first, second, third = running.began
    assert min(second - first, third - second) >= QUIET_S


def test_an_order_that_may_be_settled_yet_is_a_suspect_of_its_batch(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, _ = batches(running, monkeypatch, MENDS, needs=1)
    batch = made.begin([(LOST,)])
    until(made, running, QUIET_S + 2)
    assert list(batch.suspects.values()) == [((LOST,), frozenset({MENDS}))]
    until(made, running, SETTLES_S + 2)
    assert batch.suspects == {}
    assert batch.breaking(MENDS)


def test_an_order_about_which_something_is_unknown_is_seen_once_and_judged_when_it_is_known(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.unknown = frozenset({f"{running.id_prefix}0000000"})
    for needs in (1, 2):  # one that looks wrong, and one that does not
        made, judging, told = batches(running, monkeypatch, MENDS, needs=needs)
        began_s = running.clock_ns / 1e9
        batch = made.begin([(LOST,)])
        until(made, running, began_s + SETTLES_S - 1)
        assert (len(judging.times), told, made.in_flight) == (1, [], 1)
        assert list(made.suspects) == [((LOST,), frozenset({MENDS}))] * (needs == 1)
        until(made, running, began_s + SETTLES_S + 2)
        assert [set(order.broken) for _, order in told] == [{MENDS} if needs == 1 else set()]
        assert batch.suspects == {}


def test_payments_begin_while_books_are_read_and_what_stirs_meanwhile_is_judged_later(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, told = batches(running, monkeypatch, LASTS, needs=99)
    running.is_slow = True
    made.begin([(LOST,), (LOST,)])
    until(made, running, 4.0)
    assert (len(running.books), told) == (1, [])
    made.begin([(LOST,)])
    running.comes.append((4.1, f"{running.id_prefix}0000001"))
    until(made, running, 5.0)
    assert len(running.began) == 3
    running.is_slow = False
    running.books[0].set_result([])
    until(made, running, 5.5)
    assert [order.payment for _, order in told] == ["p0000000"]
    until(made, running, 9.0)
    assert [order.payment for _, order in told[1:]] == ["p0000001", "p0000002"]


def test_an_order_is_not_judged_with_books_that_are_older_than_what_was_recorded_about_it(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, told = batches(running, monkeypatch, LASTS, needs=99)
    running.is_slow = True
    made.begin([(LOST,), (LOST,)])
    until(made, running, 4.0)
    running.comes.append((4.1, f"{running.id_prefix}0000001"))
    until(made, running, 7.0)  # at rest again, and still the same reading
    running.is_slow = False
    running.books[0].set_result([])
    until(made, running, 7.25)
    assert [order.payment for _, order in told] == ["p0000000"]
    until(made, running, 9.0)
    assert [order.payment for _, order in told] == ["p0000000", "p0000001"]
    assert len(running.books) == 2


def test_the_last_verdict_on_an_order_waits_for_books_that_say_what_it_did_meanwhile(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, judging, _ = batches(running, monkeypatch, MENDS, needs=99)
    made.begin([(LOST,)])
    running.comes.append((5.0, f"{running.id_prefix}0000000"))
    until(made, running, 7.0)
    running.is_slow = True
    until(made, running, SETTLES_S + 1.5)
    running.comes.append((SETTLES_S + 1.6, f"{running.id_prefix}0000000"))
    until(made, running, SETTLES_S + 2.0)
    running.books[-1].set_result([])
    read = len(running.books)
    until(made, running, SETTLES_S + 2.25)
    assert (len(judging.times), running.over) == (1, [])
    running.is_slow = False
    until(made, running, SETTLES_S + 3.5)
    assert len(running.books) == read + 1
    assert (len(judging.times), running.over) == (2, ["p0000000"])


def test_an_order_that_never_rests_while_its_books_are_read_is_judged_in_the_end(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, told = batches(running, monkeypatch, LASTS, needs=99)
    running.comes += [(quarter / 4, f"{running.id_prefix}0000000") for quarter in range(200)]
    running.is_slow = True
    made.begin([(LOST,)])
    while running.clock_ns < (MOST_TIME + 1) * SETTLES_S * 1e9:
        until(made, running, running.clock_ns / 1e9 + 1.0)
        for books in running.books:
            if not books.done():
                books.set_result([])
    ((at_s, _),) = told
    assert at_s >= MOST_TIME * SETTLES_S


def test_an_error_while_books_are_read_ends_the_search(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, _ = batches(running, monkeypatch, LASTS, needs=99)
    running.is_slow = True
    made.begin([(LOST,)])
    until(made, running, 4.0)
    running.books[0].set_exception(OSError("no such file"))
    with pytest.raises(OSError, match="no such file"):
        made.look()


def test_outages_in_a_row_wait_for_the_service_and_leave_it_all_the_time_to_settle(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, told = batches(running, monkeypatch, MENDS, needs=1)
    (killed,) = (each for each in outage_choices(CHAIN) if (each.kind, each.lasts_ms) == KILLED)
    running.ready_s = 4.0
    both = Through(CHAIN, running, made).run([(killed, [()] * 2)] * 2)
    (began_s, ended_s), (again_s, last_s) = running.switched[:2], running.switched[2:]
    assert (ended_s - began_s, last_s - again_s) == (1.0, 1.0)
    assert began_s >= 4.0 + AT_S
    # Long before the first ones are settled.
    assert again_s - ended_s < SETTLES_S
    assert [len(batch.orders) for batch in both] == [2, 2]
    assert all(MENDS in order.broken for _, order in told)
    assert min(at_s for at_s, _ in told) >= last_s + SETTLES_S


def test_outages_that_follow_what_looks_wrong_do_not_wait_until_it_is_settled(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, told = batches(running, monkeypatch, MENDS, needs=1)
    (killed,) = (each for each in outage_choices(CHAIN) if (each.kind, each.lasts_ms) == KILLED)
    asked: list[frozenset[str]] = []

    def further(rules: frozenset[str]) -> list[Met]:
        asked.append(rules)
        return [(killed, [()] * 2)] if MENDS in rules else []

    both = Through(CHAIN, running, made).run([(killed, [()] * 2)], further)
    (_, ended_s), (again_s, last_s) = running.switched[:2], running.switched[2:]
    assert asked[0] == frozenset()  # nobody has looked yet
    assert again_s - ended_s < QUIET_S + 2 * AT_S < SETTLES_S
    assert [len(batch.orders) for batch in both] == [2, 2]
    assert min(at_s for at_s, _ in told) >= last_s + SETTLES_S
    running.switched.clear()
    (alone,) = Through(CHAIN, running, made).run([(killed, [()] * 2)], lambda _: [])
    assert (len(running.switched), len(alone.orders)) == (2, 2)


def test_what_was_judged_before_the_service_was_back_may_lead_to_further_outages_too(
    running: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _, told = batches(running, monkeypatch, LASTS, needs=1)
    (killed,) = (each for each in outage_choices(CHAIN) if (each.kind, each.lasts_ms) == KILLED)
    switch = running.switch

    def switch_slowly(switched: Switch, at_ns: int) -> FaultSwitch:
        running.ready_s = at_ns / 1e9 + 3 * QUIET_S
        return switch(switched, at_ns)

    def further(rules: frozenset[str]) -> list[Met]:
        assert [set(order.broken) for _, order in told] == [{LASTS}] * 2
        return [(killed, [()] * 2)] if LASTS in rules else []

    monkeypatch.setattr(running, "switch", switch_slowly)
    both = Through(CHAIN, running, made).run([(killed, [()] * 2)], further)
    assert [len(batch.orders) for batch in both] == [2, 2]
