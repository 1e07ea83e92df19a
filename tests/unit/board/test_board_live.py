"""What the board counts while payments go on."""

from __future__ import annotations

import re
from pathlib import Path

from paychain.board.live import HISTORY_S, LiveFault, LiveRecords
from paychain.board.money import MoneyWatch
from paychain.board.plots import latency_plot, success_plot
from paychain.payments.journal import Movement, MovementKind
from paychain.report.drawings.chain_map import chain_map
from paychain.report.result import CallEdge, ChainFacts, LinkNode
from tests.support.recorded import CHAIN, Recorded, ns

FACTS = ChainFacts(
    name="shop",
    title="",
    file="",
    sha256="",
    currency="EUR",
    entries=["gateway"],
    deadline_ms=10_000,
    links=[LinkNode(name, link.role, "", "") for name, link in CHAIN.links.items()],
    edges=[
        CallEdge("gateway", "authorise", "processor-a", 0),
        CallEdge("gateway", "authorise", "processor-b", 1),
        CallEdge("processor-a", "authorise", "issuer", 0),
        CallEdge("processor-b", "authorise", "issuer", 0),
    ],
    providers={},
)


def live_of(made: Recorded) -> LiveRecords:
    """All records seen, and each failed payment looked at."""
    live, store = LiveRecords(), made.store()
    for payment, _ in live.add(made.records):
        live.add_break(store.story(payment))
    return live


def test_a_payment_counts_in_the_second_in_which_it_was_over() -> None:
    made = Recorded()
    made.pay(3.9, took_ms=200)  # over at 4.1 s
    made.pay(4.5, "declined", took_ms=100)
    made.pay(5.0, "technical", took_ms=100)
    history = live_of(made).history(ns(6.5))  # the seconds before the sixth
    assert len(history) == HISTORY_S
    assert [(each.payments, each.succeeded, each.approved) for each in history[-3:]] == [
        (0, 0, 0),
        (2, 2, 1),
        (1, 0, 0),
    ]


def test_the_window_holds_the_last_ten_seconds() -> None:
    made = Recorded()
    for at_s in range(20):
        made.pay(at_s + 0.5, "technical" if at_s >= 18 else "approved")
    recent = live_of(made).recent(ns(20.2))
    assert (recent.payments, recent.succeeded) == (10, 8)


def test_breaks_are_counted_by_the_hop_where_they_happened() -> None:
    made = Recorded()
    made.pay(1.0)
    made.pay(1.1, "technical")
    made.pay(1.2, "technical")
    live = live_of(made)
    window = live.window(ns(2.5), FACTS, [LiveFault("down-1", ("issuer",))])
    (broke,) = window.breaks
    assert (broke.caller, broke.callee, broke.failure, broke.payments) == (
        "processor-a",
        "issuer",
        "technical",
        2,
    )
    by_name = {(hop.caller, hop.callee): hop for hop in window.hops}
    assert by_name["processor-a", "issuer"].executions == 3
    assert by_name["processor-a", "issuer"].failed == 2
    assert by_name["processor-a", "issuer"].broke == 2
    assert by_name["gateway", "processor-a"].broke == 0
    assert live.broke.total() == 2


def test_what_healed_leaves_the_map_after_ten_seconds() -> None:
    made = Recorded()
    made.pay(1.0, "technical")
    live = live_of(made)
    assert live.window(ns(11.9), FACTS, []).breaks  # over in the second from 1 s to 2 s
    assert not live.window(ns(12.0), FACTS, []).breaks
    assert live.broke.total() == 1


def test_the_map_shows_breaks_and_what_is_affected() -> None:
    made = Recorded()
    for _ in range(3):
        made.pay(1.0)
    made.pay(1.1, "technical")
    drawn = chain_map(live_of(made).window(ns(2.5), FACTS, [LiveFault("down-1", ("issuer",))]))
    assert "4 payments" in drawn
    assert "1 ← processor-a" in drawn
    assert "affected by down-1" in drawn


def test_seconds_that_are_no_longer_shown_are_forgotten() -> None:
    made = Recorded()
    made.pay(1.0, "technical")
    live = live_of(made)
    live.forget(ns(1.0 + HISTORY_S + 5))
    assert not live._seconds
    assert not live._hops
    assert not live._broke
    assert live.total.payments == 1


def test_plots_are_drawn_with_and_without_payments() -> None:
    made = Recorded()
    made.pay(4.5, took_ms=100)
    history = live_of(made).history(ns(6.5))
    assert "success now 100" in success_plot(history)
    assert re.search(r"p50 now (99\.[6-9]|100)", latency_plot(history))  # 100 ms, within 0.4 %
    empty = LiveRecords().history(ns(6.5))
    assert "no payments yet" in success_plot(empty)
    assert "no payments" in latency_plot(empty)


def watched(made: Recorded, folder: Path) -> MoneyWatch:
    watch = MoneyWatch(CHAIN, made.store(folder).story)
    watch.add(made.records, ns(20.0))
    return watch


def twice_charged() -> tuple[Recorded, str]:
    """A payment that holds 10.00 at processor-a and again at processor-b."""
    made = Recorded()
    payment = made.pay(1.0)
    for link in ("gateway", "processor-b", "issuer"):
        made.records.append(
            Movement(
                link=link,
                payment=payment,
                attempt=2,
                kind=MovementKind.AUTHORISED,
                amount_minor=1_000,
                currency="EUR",
                reference="again",
                at_ns=ns(1.5),
                decided_by="issuer",
            )
        )
    return made, payment


def test_a_payment_is_judged_once_it_has_been_quiet(tmp_path: Path) -> None:
    made, payment = twice_charged()
    watch = watched(made, tmp_path)
    assert watch.quiet_s == 15.0  # the customers' 10 s and 5 s for a reversal
    watch.judge(ns(34.9))
    assert (watch.open, watch.findings) == (1, {})
    watch.judge(ns(35.0))
    assert watch.open == 0
    assert set(watch.findings) == {payment}
    titles = [rule.title for rule in watch.broken()]
    assert "No double charge" in titles
    assert watch.wrong_minor == 1_000  # once, however many rules say so


def test_a_late_reversal_takes_its_finding_away(tmp_path: Path) -> None:
    made, payment = twice_charged()
    store = made.store(tmp_path)
    watch = MoneyWatch(CHAIN, store.story)
    watch.add(made.records, ns(20.0))
    watch.judge(ns(40.0))
    assert watch.findings
    late = [
        Movement(
            link=link,
            payment=payment,
            attempt=2,
            kind=MovementKind.VOIDED,
            amount_minor=1_000,
            currency="EUR",
            reference="again",
            at_ns=ns(41.0),
            decided_by="issuer",
        )
        for link in ("gateway", "processor-b", "issuer")
    ]
    store.ingest(late)
    watch.add(late, ns(41.0))
    watch.judge(ns(56.0))
    assert watch.findings == {}
    assert watch.wrong_minor == 0


def test_sound_payments_leave_nothing_behind(tmp_path: Path) -> None:
    made = Recorded()
    for _ in range(3):
        made.pay(1.0)
    watch = watched(made, tmp_path)
    watch.judge(ns(60.0))
    assert (watch.open, watch.findings, watch.broken()) == (0, {}, [])
