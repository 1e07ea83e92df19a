"""The records of orders in flight: each order has what its verdict needs, and no more."""

from __future__ import annotations

from paychain.explore.live.records import OrderRecords
from paychain.payments.exchanges import Exchange, ReceivedRequest
from paychain.payments.journal import Decision, DecisionKind
from paychain.payments.outcome import HopResult

FIRST, SECOND = "p0000001", "p0000002"
LINK = "stripe"


def decision(payment: str) -> Decision:
    return Decision(
        link=LINK,
        kind=DecisionKind.FAULT_HIT,
        at_ns=5,
        payment=payment,
        attempt=1,
        operation="authorise",
        target="shop",
        detail="s1/1",
    )


def exchange(port: int, ended_ns: int, payment: str = "") -> Exchange:
    times = (ended_ns - 5, ended_ns - 4, ended_ns)
    return Exchange(
        f"shop.authorise.{LINK}",
        1,
        1,
        port,
        *times,
        "POST",
        "/",
        200,
        "answer",
        "",
        payment,
        "nothing",
        "",
    )


def received(payment: str, port: int) -> ReceivedRequest:
    return ReceivedRequest(
        link=LINK,
        caller="shop",
        port=port,
        span="",
        started_ns=10,
        ended_ns=20,
        method="POST",
        target="/",
        status=200,
        payment=payment,
        by="reference",
        attempt=1,
        operation="authorise",
        key="",
        result=HopResult.APPROVED,
        code="",
    )


def kept() -> OrderRecords:
    made = OrderRecords("p")
    made.expect(FIRST)
    made.expect(SECOND)
    return made


def test_all_payments_of_an_order_are_about_that_order() -> None:
    made = kept()
    again = f"{FIRST}r2"
    assert made.add([decision(FIRST), decision(again), decision("p0000009")]) == {FIRST}
    assert made.payments(FIRST) == {FIRST, again}
    assert made.of([FIRST]) == [decision(FIRST), decision(again)]
    assert made.of([SECOND]) == []


def test_an_exchange_comes_with_the_requests_on_its_connection() -> None:
    """Who sent a request does not know its payment: the link that received it does."""
    made = kept()
    mine, others, lost = exchange(7, 20), exchange(8, 20), exchange(9, 30, payment=f"{FIRST}b")
    asked = received(FIRST, 7)
    made.add([mine, others, lost, asked, received(SECOND, 8)])
    assert made.of([FIRST]) == [asked, mine, lost]
    assert made.requests == 2


def test_what_is_over_is_dropped() -> None:
    made = kept()
    early, late = exchange(7, 20), exchange(7, 90)
    made.add([early, late, received(FIRST, 7)])
    made.forget_before(50)
    assert made.of([FIRST])[1:] == [late]
    made.forget(FIRST)
    assert made.add([decision(FIRST)]) == set()
