"""A payment's timeline, read from the records of every process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from paychain.analysis.store.store import RunStore
from paychain.payments.journal import (
    Decision,
    DecisionKind,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
)
from paychain.payments.outcome import HopResult, Outcome
from paychain.report.drawings.payment_timeline import timeline_drawing
from paychain.report.result import PaymentTimeline, Result
from paychain.report.text.payment_timeline import (
    MAX_EVENTS,
    MAX_PER_RULE,
    MAX_TIMELINES,
    with_timelines,
)
from tests.support.report_results import DOUBLE, result

MS = 1_000_000


def paid(name: str) -> list[PaymentRecord | HopRecord | Movement | Decision]:
    """Tried at processor-a, whose answer is lost; then at processor-b. Both hold the money."""
    first = f"{name}-1"

    def hop(
        span: str, parent: str, callee: str, start_ms: int, end_ms: int, ended: HopResult
    ) -> HopRecord:
        caller = "gateway" if callee.startswith("processor") else "customer"
        return HopRecord(
            payment=name,
            attempt=1,
            span=span,
            parent=parent,
            caller=caller,
            operation="authorise",
            callee=callee,
            route=0,
            try_number=1,
            started_ns=(1000 + start_ms) * MS,
            ended_ns=(1000 + end_ms) * MS,
            result=ended,
            code="",
        )

    def held(link: str, reference: str, at_ms: int) -> Movement:
        return Movement(
            link=link,
            payment=name,
            attempt=1,
            kind=MovementKind.AUTHORISED,
            amount_minor=1000,
            currency="EUR",
            reference=reference,
            at_ns=(1000 + at_ms) * MS,
            decided_by="issuer",
        )

    return [
        PaymentRecord(
            payment=name,
            intended_ns=1000 * MS,
            started_ns=1001 * MS,
            ended_ns=3700 * MS,
            outcome=Outcome.APPROVED,
            technical=False,
            code="00",
            shown="approved",
            amount_minor=1000,
            currency="EUR",
            scheme="visa",
            instrument="424242…4242",
            merchant="Shop",
            decided_by="issuer",
            error=None,
            warm_up=False,
        ),
        hop("s1", "", "gateway", 1, 2700, HopResult.APPROVED),
        hop("s2", "s1", "processor-a", 20, 2520, HopResult.TIMEOUT),
        hop("s3", "s1", "processor-b", 2521, 2690, HopResult.APPROVED),
        held("issuer", first, 60),
        held("issuer", f"{first}.1", 2600),
        Decision(
            link="gateway",
            kind=DecisionKind.FAILOVER,
            at_ns=3521 * MS,
            payment=name,
            attempt=2,
            operation="authorise",
            target="processor-b",
            detail="timeout",
        ),
    ]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    store = RunStore.create(tmp_path / "run.db")
    yield store
    store.close()


def timelines(store: RunStore, of: Result) -> list[PaymentTimeline]:
    return with_timelines(of, store).timelines


def test_what_a_provider_received_and_refused_later_is_not_called_approved(
    store: RunStore,
) -> None:
    seen = paid("p0000007")
    asked = next(each for each in seen if isinstance(each, HopRecord))
    void = msgspec.structs.replace(
        asked,
        caller="shop",
        callee="psp",
        operation="void",
        code="received",
        result=HopResult.APPROVED,
    )
    refused = Decision(
        link="psp",
        kind=DecisionKind.REFUSED_LATER,
        at_ns=3601 * MS,
        payment="p0000007",
        attempt=0,
        operation="void",
        target="psp",
        detail="",
    )
    store.ingest([*seen, void, refused])
    (timeline,) = timelines(store, result(breaks=[]))
    texts = [event.text for event in timeline.events]
    assert "shop → psp void: received" in texts
    assert "refused the void that it had received" in texts
    assert not any("void: approved" in text for text in texts)


def test_a_double_charge_is_shown_in_order_from_the_intended_start(store: RunStore) -> None:
    store.ingest(paid("p0000007"))
    (timeline,) = timelines(store, result(breaks=[]))
    assert (timeline.payment, timeline.customer_saw) == ("p0000007", "approved")
    assert timeline.why == "Broke the rule “No double charge”"
    assert [(event.at_ms, event.kind, event.link) for event in timeline.events] == [
        (1.0, "call", "gateway"),
        (20.0, "call", "processor-a"),
        (60.0, "money", "issuer"),
        (2521.0, "call", "processor-b"),
        (2521.0, "decision", "gateway"),
        (2600.0, "money", "issuer"),
        (2700.0, "customer", "customer"),
    ]
    assert sum(event.amount for event in timeline.events) == 2000
    lost = timeline.events[1]
    assert (lost.text, lost.is_bad, lost.until_ms) == (
        "gateway → processor-a authorise: timeout",
        True,
        2520.0,
    )


def test_its_drawing_names_who_holds_too_much_and_what_the_customer_saw(
    store: RunStore,
) -> None:
    store.ingest(paid("p0000007"))
    drawing = timeline_drawing(timelines(store, result(breaks=[]))[0], "EUR")
    assert "holds 20.00 EUR" in drawing
    assert "saw approved" in drawing
    assert "failed over to processor-b" in drawing


def test_one_of_each_kind_comes_before_further_ones_and_there_is_a_limit(store: RunStore) -> None:
    names = [f"p{number:07}" for number in range(100)]
    for name in names:
        store.ingest(paid(name))
    finding = DOUBLE.payments[0]
    rules = [
        msgspec.structs.replace(
            DOUBLE,
            rule=f"rule-{at}",
            payments=[
                msgspec.structs.replace(finding, payment=name)
                for name in names[at * 20 : at * 20 + 20]
            ],
        )
        for at in range(4)
    ]
    broken = [msgspec.structs.replace(result().breaks[0], examples=["p0000099"])]
    money = msgspec.structs.replace(result().money, rules=rules[:2])
    payments = [
        timeline.payment for timeline in timelines(store, result(money=money, breaks=broken))
    ]
    first = [names[0], names[20], "p0000099"]
    assert payments == first + names[1:MAX_PER_RULE] + names[21 : 20 + MAX_PER_RULE]
    money = msgspec.structs.replace(money, rules=rules)
    assert len(timelines(store, result(money=money, breaks=broken))) == MAX_TIMELINES


def test_findings_that_differ_in_more_than_figures_are_each_shown_first(store: RunStore) -> None:
    for name in ("p1", "p2", "p3"):
        store.ingest(paid(name))
    finding = DOUBLE.payments[0]
    found = [
        msgspec.structs.replace(finding, payment=payment, text=text)
        for payment, text in (
            ("p1", "20.00 EUR held for an order of 10.00 EUR"),
            ("p2", "44.00 EUR held for an order of 22.00 EUR"),
            ("p3", "credited 20.00 EUR without a debit"),
        )
    ]
    rule = msgspec.structs.replace(DOUBLE, payments=found)
    money = msgspec.structs.replace(result().money, rules=[rule])
    shown = [timeline.payment for timeline in timelines(store, result(money=money, breaks=[]))]
    assert shown == ["p1", "p3", "p2"]


def test_a_long_timeline_keeps_its_money_and_its_end(store: RunStore) -> None:
    records = paid("p0000007")
    call = next(record for record in records if isinstance(record, HopRecord))
    retries = [
        msgspec.structs.replace(call, span=f"r{number}", started_ns=call.started_ns + number * MS)
        for number in range(2 * MAX_EVENTS)
    ]
    store.ingest([*records, *retries])
    (timeline,) = timelines(store, result(breaks=[]))
    assert len(timeline.events) == MAX_EVENTS
    assert sum(event.amount for event in timeline.events) == 2000
    assert timeline.events[-1].kind == "customer"


def test_a_payment_without_a_record_of_the_customer_is_left_out(store: RunStore) -> None:
    assert timelines(store, result()) == []
