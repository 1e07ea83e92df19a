"""A payment's story, told from what every process recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from report_results import DOUBLE, result

from harness.analysis.store import RunStore
from harness.payments.journal import (
    Decision,
    DecisionKind,
    HopRecord,
    Movement,
    MovementKind,
    PaymentRecord,
)
from harness.payments.outcome import HopResult, Outcome
from harness.report.result import Result, Story
from harness.report.story import PER_RULE, STORIES, with_stories
from harness.report.storyline import storyline

MS = 1_000_000


def paid(name: str) -> list[PaymentRecord | HopRecord | Movement | Decision]:
    """Tried at processor-a, whose answer is lost; then at processor-b. Both hold the money."""
    first = f"{name}-1"

    def hop(
        span: str, parent: str, callee: str, start_ms: int, end_ms: int, ended: HopResult
    ) -> HopRecord:
        caller = "gateway" if callee.startswith("processor") else "customer"
        return HopRecord(name, 1, span, parent, caller, "authorise", callee, 0, 1,
                         (1000 + start_ms) * MS, (1000 + end_ms) * MS, ended, "")  # fmt: skip

    def held(link: str, reference: str, at_ms: int) -> Movement:
        return Movement(link, name, 1, MovementKind.AUTHORISED, 1000, "EUR", reference,
                        (1000 + at_ms) * MS, "issuer")  # fmt: skip

    return [
        PaymentRecord(name, 1000 * MS, 1001 * MS, 3700 * MS, Outcome.APPROVED, False, "00",
                      "approved", 1000, "EUR", "visa", "424242…4242", "Shop", "issuer", None,
                      False),
        hop("s1", "", "gateway", 1, 2700, HopResult.APPROVED),
        hop("s2", "s1", "processor-a", 20, 2520, HopResult.TIMEOUT),
        hop("s3", "s1", "processor-b", 2521, 2690, HopResult.APPROVED),
        held("issuer", first, 60), held("issuer", f"{first}.1", 2600),
        Decision("gateway", DecisionKind.FAILOVER, 3521 * MS, name, 2, "authorise", "processor-b",
                 "timeout"),
    ]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    store = RunStore.create(tmp_path / "run.db")
    yield store
    store.close()


def told(store: RunStore, of: Result) -> list[Story]:
    return with_stories(of, store).stories


def test_a_double_charge_is_told_in_order_from_the_intended_start(store: RunStore) -> None:
    store.ingest(paid("p0000007"))
    (story,) = told(store, result(breaks=[]))
    assert (story.payment, story.told) == ("p0000007", "approved")
    assert story.why == "Broke the rule “No double charge”"
    assert [(one.at_ms, one.kind, one.link) for one in story.moments] == [
        (1.0, "call", "gateway"), (20.0, "call", "processor-a"), (60.0, "money", "issuer"),
        (2521.0, "call", "processor-b"), (2521.0, "decision", "gateway"),
        (2600.0, "money", "issuer"), (2700.0, "told", "customer"),
    ]  # fmt: skip
    assert sum(one.amount for one in story.moments) == 2000
    lost = story.moments[1]
    assert (lost.text, lost.is_bad, lost.until_ms) == (
        "gateway → processor-a authorise: timeout", True, 2520.0,
    )  # fmt: skip


def test_its_drawing_names_who_holds_too_much_and_what_the_customer_was_told(
    store: RunStore,
) -> None:
    store.ingest(paid("p0000007"))
    drawn = storyline(told(store, result(breaks=[]))[0], "EUR")
    assert "holds 20.00 EUR" in drawn
    assert "told: approved" in drawn
    assert "failed over to processor-b" in drawn


def test_money_rules_come_before_breaks_and_there_is_a_limit(store: RunStore) -> None:
    names = [f"p{number:07}" for number in range(100)]
    for name in names:
        store.ingest(paid(name))
    finding = DOUBLE.payments[0]
    rules = [
        msgspec.structs.replace(
            DOUBLE, rule=f"rule-{at}",
            payments=[msgspec.structs.replace(finding, payment=name)
                      for name in names[at * 20 : at * 20 + 20]],
        )
        for at in range(4)
    ]  # fmt: skip
    broken = [msgspec.structs.replace(result().breaks[0], examples=["p0000099"])]
    money = msgspec.structs.replace(result().money, rules=rules[:2])
    few = [one.payment for one in told(store, result(money=money, breaks=broken))]
    assert few == names[:PER_RULE] + names[20 : 20 + PER_RULE] + ["p0000099"]
    money = msgspec.structs.replace(money, rules=rules)
    assert len(told(store, result(money=money, breaks=broken))) == STORIES


def test_a_payment_without_a_record_of_the_customer_is_left_out(store: RunStore) -> None:
    assert told(store, result()) == []
