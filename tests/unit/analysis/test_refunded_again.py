"""Refunds that a service sends again because it does not know that the first one worked."""

from __future__ import annotations

from pathlib import Path

from paychain.analysis.attribution.keys import refunded_again
from paychain.analysis.attribution.observed import ObservedRequest
from paychain.analysis.store.store import RunStore
from paychain.payments.exchanges import EndedBy, HttpExchange, ReceivedRequest
from paychain.payments.journal import Movement, MovementKind
from paychain.payments.outcome import HopResult


def refund(started_ns: int, key: str = "", ended_by: EndedBy = "answer") -> ObservedRequest:
    status = 200 if ended_by == "answer" else 0
    ended_ns = started_ns + 5
    exchange = HttpExchange(
        "shop.authorise.stripe",
        *(1, 1, 7, started_ns, started_ns, ended_ns),
        *("POST", "/v1/refunds", status, ended_by, "", "", "nothing", key),
    )
    received = ReceivedRequest(
        link="stripe",
        caller="shop",
        port=7,
        span="",
        started_ns=started_ns,
        ended_ns=ended_ns,
        method="POST",
        target="/v1/refunds",
        status=200,
        payment="p1",
        by="object",
        attempt=1,
        operation="refund",
        key=key,
        result=HopResult.APPROVED,
        code="",
    )
    return ObservedRequest(exchange, received)


def found(folder: Path, booked: int, *requests: ObservedRequest) -> list[tuple[int, str]]:
    store = RunStore.create(folder / f"{len(list(folder.iterdir()))}.db")
    try:
        store.ingest(
            Movement(
                link="stripe",
                payment="p1",
                attempt=1,
                kind=MovementKind.REFUNDED,
                amount_minor=100,
                currency="EUR",
                reference="p1-1",
                at_ns=1,
                decided_by="issuer",
                item=f"r{number}",
            )
            for number in range(booked)
        )
        again = refunded_again(store, "p1", requests)
        return [(decision.at_ns, decision.detail) for decision in again]
    finally:
        store.close()


def test_a_refund_without_an_answer_is_not_sent_again_as_another_one(tmp_path: Path) -> None:
    lost = refund(10, ended_by="client")
    assert found(tmp_path, 2, lost, refund(20)) == [(20, "no key")]
    assert found(tmp_path, 2, refund(10, "a", "client"), refund(20, "b")) == [(20, "another key")]
    # Each of three repeats that was booked.
    lost_again = refund(20, ended_by="server")
    assert found(tmp_path, 3, lost, lost_again, refund(30)) == [(20, "no key"), (30, "no key")]


def test_a_repeat_that_moves_nothing_or_was_meant_is_none(tmp_path: Path) -> None:
    assert found(tmp_path, 2, refund(10, "a", "client"), refund(20, "a")) == []
    assert found(tmp_path, 1, refund(10, ended_by="client"), refund(20)) == []
    assert found(tmp_path, 2, refund(10, "a"), refund(20, "b")) == []  # in two parts
