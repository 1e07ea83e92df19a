"""What an outage of a link affected: the calls that failed meanwhile, or the books it lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from paychain.analysis.measures.hits import fault_hits
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment
from paychain.payments.journal import Decision, DecisionKind, FaultSwitch
from tests.support.chains import checked, shop
from tests.support.recorded import CHAIN, Recorded, ns


def switch(run: Recorded, fault: str, on_s: float, off_s: float) -> None:
    for action, at_s in (("applied", on_s), ("healed", off_s)):
        run.records.append(
            FaultSwitch(
                fault=fault,
                action=action,
                planned_ns=ns(at_s),
                effective_ns=ns(at_s),
                place="link",
                targets=["processor-b"],
                error="",
            )
        )


def hits(
    run: Recorded,
    kind: dict[str, Any],
    on_s: float,
    off_s: float,
    chain: Chain = CHAIN,
    earlier: Sequence[dict[str, Any]] = (),
) -> int | None:
    """Of an outage of processor-b between two moments."""
    switch(run, "gone", on_s, off_s)
    fault = {"id": "gone", "at": "10s", "for": "1s", "target": {"link": "processor-b"}, **kind}
    experiment = Experiment.model_validate(
        {
            "experiment": "outage",
            "load": {"arrivals": "1/s", "before": "1s", "after": "1s"},
            "faults": [*earlier, fault],
        }
    )
    # As the link counts: it was stopped once.
    return fault_hits(run.store(), chain, experiment, {"gone": 1})["gone"]


def served(*, by_b_at_s: float) -> Recorded:
    run = Recorded(ends_s=20)
    for number in range(20):
        run.pay(number)
    run.pay(by_b_at_s, route=1)
    return run


@pytest.mark.parametrize(
    ("kind", "by_b_at_s", "expected"),
    [
        ({"crash": {}}, 15, 0),  # nothing was on its way to it from 10 s to 12 s
        ({"crash": {}}, 5, 0),  # it keeps its books
        ({"crash": {"forgets": "true"}}, 15, 0),  # there was nothing to forget
        ({"crash": {"forgets": "true"}}, 5, 1),
    ],
)
def test_an_outage_that_no_call_met_affected_at_most_what_was_there_before(
    kind: dict[str, Any], by_b_at_s: float, expected: int
) -> None:
    assert hits(served(by_b_at_s=by_b_at_s), kind, 10, 12) == expected


def test_an_outage_affected_every_call_that_failed_meanwhile() -> None:
    run = served(by_b_at_s=5)
    for number in range(3):
        run.pay(11 + number / 10, "unknown", route=1)
    run.pay(13, "unknown", route=1)
    assert hits(run, {"crash": {}}, 10, 12) == 3


def decided(kind: DecisionKind, detail: str, at_s: float) -> Decision:
    return Decision(
        link="processor-b",
        kind=kind,
        at_ns=ns(at_s),
        payment="p1",
        attempt=1,
        operation="capture",
        target="issuer",
        detail=detail,
    )


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([(DecisionKind.FOLLOW_UP_DUE, "p1-1 c1")], 1),
        ([(DecisionKind.FOLLOW_UP_DUE, "p1-1 c1"), (DecisionKind.FOLLOW_UP_SENT, "p1-1 c1")], 1),
        (
            [
                (DecisionKind.FOLLOW_UP_DUE, "p1-1 c1"),
                (DecisionKind.FOLLOW_UP_DUE, "p1-1 c2"),
                (DecisionKind.FOLLOW_UP_SENT, "p1-1 c1"),
                (DecisionKind.FOLLOW_UP_ACKNOWLEDGED, "p1-1 c1 after 1 try"),
            ],
            1,
        ),
        (
            [
                (DecisionKind.FOLLOW_UP_DUE, "p1-1 c1"),
                (DecisionKind.FOLLOW_UP_SENT, "p1-1 c1"),
                (DecisionKind.FOLLOW_UP_REFUSED, "p1-1 c1 after 2 tries"),
            ],
            0,
        ),
        (
            [
                (DecisionKind.FOLLOW_UP_DUE, "p1-1 c1"),
                (DecisionKind.FOLLOW_UP_CANCELLED, "p1-1 c1"),
            ],
            0,
        ),
        # One capture that two triggers send: each sending is work until it has ended.
        (
            [
                (DecisionKind.FOLLOW_UP_DUE, "p1-1 c1"),
                (DecisionKind.FOLLOW_UP_SENT, "p1-1 c1~webhook"),
                (DecisionKind.FOLLOW_UP_ACKNOWLEDGED, "p1-1 c1~webhook after 1 try"),
            ],
            0,
        ),
        (
            [
                (DecisionKind.FOLLOW_UP_DUE, "p1-1 c1"),
                (DecisionKind.FOLLOW_UP_SENT, "p1-1 c1"),
                (DecisionKind.FOLLOW_UP_SENT, "p1-1 c1~webhook"),
                (DecisionKind.FOLLOW_UP_ACKNOWLEDGED, "p1-1 c1~webhook after 1 try"),
            ],
            1,
        ),
        ([(DecisionKind.REVERSAL_SENT, "p1-1")], 1),
        # Each attempt is reversed by itself.
        (
            [
                (DecisionKind.REVERSAL_SENT, "p1-1"),
                (DecisionKind.REVERSAL_SENT, "p1-1.2"),
                (DecisionKind.REVERSAL_ACKNOWLEDGED, "p1-1 after 1 try"),
            ],
            1,
        ),
        (
            [
                (DecisionKind.REVERSAL_SENT, "p1-1"),
                (DecisionKind.REVERSAL_ABANDONED, "p1-1 after 3 tries"),
            ],
            0,
        ),
        # A cancel is due as a follow-up is, and carried out as any reversal.
        ([(DecisionKind.FOLLOW_UP_DUE, "p1-1")], 1),
        ([(DecisionKind.FOLLOW_UP_DUE, "p1-1"), (DecisionKind.REVERSAL_SENT, "p1-1")], 1),
        (
            [
                (DecisionKind.FOLLOW_UP_DUE, "p1-1"),
                (DecisionKind.REVERSAL_SENT, "p1-1"),
                (DecisionKind.REVERSAL_ACKNOWLEDGED, "p1-1 after 1 try"),
            ],
            0,
        ),
        ([(DecisionKind.QUEUE, "refused")], 1),
        ([(DecisionKind.QUEUE, "refused"), (DecisionKind.QUEUE_DELIVERED, "00")], 0),
    ],
)
@pytest.mark.parametrize("kind", ["crash", "freeze"])
def test_a_link_that_is_gone_cannot_deliver_what_it_has_yet_to_deliver(
    kind: str, before: list[tuple[DecisionKind, str]], expected: int
) -> None:
    run = served(by_b_at_s=5)
    for number, (decision, detail) in enumerate(before):
        run.records.append(decided(decision, detail, 8 + number / 10))
    run.records.append(decided(DecisionKind.FOLLOW_UP_DUE, "p1-1 r1", 13))  # not there by then
    assert hits(run, {kind: {}}, 10, 12) == expected


@pytest.mark.parametrize(
    ("outbox", "forgets", "due_at_s", "expected"),
    [
        ("memory", "false", 3, 0),  # the first crash has lost it
        ("disk", "false", 3, 1),
        ("memory", "false", 8, 1),
        ("memory", "true", 3, 0),
        ("disk", "true", 3, 0),  # and what was on disk
        ("disk", "true", 8, 1),
    ],
)
@pytest.mark.parametrize("kind", ["crash", "freeze"])
def test_what_an_earlier_crash_has_lost_is_not_there_to_deliver(
    kind: str, outbox: str, forgets: str, due_at_s: float, expected: int
) -> None:
    run = served(by_b_at_s=2)
    run.records.append(decided(DecisionKind.FOLLOW_UP_DUE, "p1-1 c1", due_at_s))
    assert hits_after_a_crash(run, kind, outbox, forgets) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((DecisionKind.FOLLOW_UP_DUE, "p1-1 c1"), (DecisionKind.FOLLOW_UP_SENT, "p1-1 c1"), 1),
        (
            (DecisionKind.FOLLOW_UP_DUE, "p1-1 c1"),
            (DecisionKind.FOLLOW_UP_SENT, "p1-1 c1~webhook"),
            1,
        ),
        ((DecisionKind.FOLLOW_UP_DUE, "p1-1 c1"), (DecisionKind.FOLLOW_UP_CANCELLED, "p1-1 c1"), 1),
        ((DecisionKind.FOLLOW_UP_DUE, "p1-1 c1"), (DecisionKind.FOLLOW_UP_SENT, "p1-1 c2"), 0),
        ((DecisionKind.REVERSAL_SENT, "r"), (DecisionKind.REVERSAL_ACKNOWLEDGED, "r after 1"), 1),
        ((DecisionKind.REVERSAL_SENT, "r"), (DecisionKind.REVERSAL_ACKNOWLEDGED, "q after 1"), 0),
        ((DecisionKind.QUEUE, "refused"), (DecisionKind.QUEUE_DELIVERED, "00"), 1),
        # Begun once more after the crash: that is other work.
        ((DecisionKind.QUEUE, "refused"), (DecisionKind.QUEUE, "refused"), 0),
    ],
)
@pytest.mark.parametrize(
    ("outbox", "forgets"), [("memory", "false"), ("disk", "true"), ("disk", "false")]
)
def test_what_is_gone_on_with_after_a_crash_was_not_lost(
    before: tuple[DecisionKind, str],
    after: tuple[DecisionKind, str],
    expected: int,
    outbox: str,
    forgets: str,
) -> None:
    run = served(by_b_at_s=2)
    run.records.append(decided(*before, 3))
    run.records.append(decided(*after, 15))
    found = hits_after_a_crash(run, "crash", outbox, forgets)
    assert found == (1 if (outbox, forgets) == ("disk", "false") else expected)


def test_what_has_ended_by_then_is_not_there_to_deliver() -> None:
    run = served(by_b_at_s=2)
    run.records.append(decided(DecisionKind.QUEUE, "refused", 3))
    run.records.append(decided(DecisionKind.QUEUE_DELIVERED, "00", 8))
    assert hits_after_a_crash(run, "crash", "memory", "false") == 0


def hits_after_a_crash(run: Recorded, kind: str, outbox: str, forgets: str) -> int | None:
    """Of an outage at 10 s after a crash at 4 s."""
    first = {"id": "first", "at": "4s", "for": "1s", "target": {"link": "processor-b"}}
    switch(run, "first", 4, 5)
    earlier = [{**first, "crash": {"forgets": forgets}}]
    chain = checked(shop(processor={"outbox": outbox}))
    return hits(run, {kind: {}}, 10, 12, chain, earlier)
