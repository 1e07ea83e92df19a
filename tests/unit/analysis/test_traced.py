"""What own services trace themselves completes what nobody else saw, and adds nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from paychain.analysis.measures.measure import MeasuredRun
from paychain.analysis.measures.own_services import own_services
from paychain.analysis.store.facts import RunFacts
from paychain.model.experiment import Times
from paychain.payments.exchanges import TRACED, EndedBy, HttpExchange
from paychain.payments.outcome import HopResult
from tests.support.observed_runs import CHAIN, A, B, ObservedRun, own_hops
from tests.support.recorded import ns


class TracedRun(ObservedRun):
    """A run whose shop also sends client spans."""

    def traced(
        self,
        payment: str,
        at_s: float,
        took_s: float = 0.1,
        *,
        to: str = A,
        ended_by: EndedBy = "answer",
        hints: str = "",
    ) -> None:
        """A call as the shop itself reports it. `hints`: its id, and that of what is above it."""
        self.records.append(
            HttpExchange(
                hop=f"shop.authorise.{to}",
                connection=TRACED,
                request=0,
                port=0,
                started_ns=ns(at_s),
                sent_ns=0,
                ended_ns=ns(at_s + took_s),
                method="POST",
                target="/authorise",
                status=200 if ended_by == "answer" else 0,
                ended_by=ended_by,
                toxics="",
                payment=payment,
                by="trace",
                key="",
                hints=hints,
            )
        )

    def linked(self, payment: str, at_s: float, **more: str) -> None:
        """A request that only the link has seen: a real Toxiproxy reads nothing."""
        self.ports += 1
        self.came(payment, self.ports, at_s, 0.05, **more)


def results(run: ObservedRun, path: Path, payment: str) -> list[tuple[str, HopResult, float]]:
    """Link, result and seconds of each hop of the shop."""
    return [
        (hop.callee, hop.result, round((hop.ended_ns - hop.started_ns) / 1e9, 3))
        for hop in own_hops(run.store(path), payment)
    ]


def test_what_only_the_link_saw_has_the_result_and_the_wait_of_its_caller(tmp_path: Path) -> None:
    run = TracedRun()
    run.pay("p1", 1.0)
    run.traced("p1", 1.1, 0.5, ended_by="client")  # it gave up, the answer was on its way
    run.linked("p1", 1.2)
    run.traced("p1", 1.7, 0.2, to=B)
    run.linked("p1", 1.8, to=B)
    assert results(run, tmp_path, "p1") == [
        (A, HopResult.TIMEOUT, 0.5),
        (B, HopResult.APPROVED, 0.2),
    ]


@pytest.mark.parametrize(
    ("ended_by", "result"),
    [
        ("refused", HopResult.REFUSED),
        ("client", HopResult.TIMEOUT),
        ("server", HopResult.RESET),
    ],
)
def test_what_nobody_saw_is_a_hop_where_no_engine_reads(
    tmp_path: Path, ended_by: EndedBy, result: HopResult
) -> None:
    run = TracedRun()
    run.pay("p1", 1.0)
    run.traced("p1", 1.1, 0.3, ended_by=ended_by)
    run.traced("p1", 1.5, to=B)
    run.linked("p1", 1.52, to=B)
    assert results(run, tmp_path, "p1") == [(A, result, 0.3), (B, HopResult.APPROVED, 0.1)]


def test_of_what_the_engine_reads_only_refused_connections_are_missing(tmp_path: Path) -> None:
    run = TracedRun()
    run.pay("p1", 1.0)
    run.traced("p1", 1.1, 0.01, ended_by="refused")
    run.asked("p1", 1.2, to=B)
    run.traced("p1", 1.2, to=B)
    run.traced("p1", 1.25, 0.02, ended_by="client")  # the engine would have seen it
    assert results(run, tmp_path, "p1") == [
        (A, HopResult.REFUSED, 0.01),
        (B, HopResult.APPROVED, 0.1),
    ]


def test_a_refused_call_that_is_traced_is_not_concluded_as_well(tmp_path: Path) -> None:
    run = TracedRun()
    run.is_down(f"shop.authorise.{A}", 0.5, 5.0)
    for payment, at_s in (("traced", 1.0), ("silent", 2.0)):
        run.pay(payment, at_s)
        run.asked(payment, at_s + 0.2, to=B)
    run.traced("traced", 1.1, 0.01, ended_by="refused")
    store = run.store(tmp_path)
    for payment in ("traced", "silent"):
        found = [(hop.callee, hop.result) for hop in own_hops(store, payment)]
        assert found == [(A, HopResult.REFUSED), (B, HopResult.APPROVED)]


def test_of_two_libraries_that_trace_one_call_the_outer_one_counts(tmp_path: Path) -> None:
    run = TracedRun()
    run.pay("p1", 1.0)
    run.traced("p1", 1.1, 0.3, ended_by="server")
    run.traced("p1", 1.12, 0.2, ended_by="server")
    assert results(run, tmp_path, "p1") == [(A, HopResult.RESET, 0.3)]


def test_calls_side_by_side_are_calls_of_their_own(tmp_path: Path) -> None:
    run = TracedRun()
    run.pay("p1", 1.0)
    run.traced("p1", 1.1, 0.5, ended_by="server", hints="a root")
    run.traced("p1", 1.12, 0.3, ended_by="server", hints="b root")
    run.traced("p1", 1.13, 0.2, ended_by="server", hints="c b")  # the library under b
    run.traced("p1", 1.14, 0.1, ended_by="server", hints="d c")
    assert results(run, tmp_path, "p1") == [
        (A, HopResult.RESET, 0.5),
        (A, HopResult.RESET, 0.3),
    ]


@pytest.mark.parametrize("hints", ["b a", "b late", ""])
def test_a_span_within_another_is_no_call_of_its_own(tmp_path: Path, hints: str) -> None:
    run = TracedRun()
    run.pay("p1", 1.0)
    run.traced("p1", 1.1, 0.3, ended_by="server", hints="a root")
    run.traced("p1", 1.1, 0.3, ended_by="server", hints=hints)
    assert results(run, tmp_path, "p1") == [(A, HopResult.RESET, 0.3)]


def test_of_calls_side_by_side_each_has_the_request_that_only_it_can_have(tmp_path: Path) -> None:
    run = TracedRun()
    run.pay("p1", 1.0)
    run.traced("p1", 1.1, 0.9, hints="a root")
    run.traced("p1", 1.15, 0.2, hints="b root")
    run.linked("p1", 1.2)
    run.linked("p1", 1.5)  # after b had its answer
    assert results(run, tmp_path, "p1") == [
        (A, HopResult.APPROVED, 0.9),
        (A, HopResult.APPROVED, 0.2),
    ]


def test_a_request_that_came_after_its_caller_had_left_is_the_same_one(tmp_path: Path) -> None:
    run = TracedRun()
    run.pay("p1", 1.0, 5.0)
    run.traced("p1", 1.1, 0.5, ended_by="client")
    run.linked("p1", 3.0)  # latency on the hop
    assert results(run, tmp_path, "p1") == [(A, HopResult.TIMEOUT, 0.5)]


def test_the_report_says_that_a_trace_was_there(tmp_path: Path) -> None:
    run = TracedRun()
    run.pay("p1", 1.0)
    run.traced("p1", 1.1)
    run.linked("p1", 1.15)
    times = Times(load_start_s=0.0, before_start_s=0.0, faults_start_s=0.0, load_end_s=100.0)
    facts = RunFacts(times=times, seed=1, drained_s=100.0)
    measured = MeasuredRun(run.store(tmp_path), CHAIN, run.experiment, facts)[own_services]
    (at_a,) = (call for call in measured.calls if call.link == A)
    assert (at_a.seen_by, at_a.requests, at_a.connections) == ("link and trace", 1, 0)
