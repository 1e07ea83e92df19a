"""The records of orders in flight: each order has what its verdict needs, and no more."""

from __future__ import annotations

from paychain.explore.live.records import OrderRecords
from paychain.payments.exchanges import HttpExchange, ReceivedRequest
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


def exchange(port: int, ended_ns: int, payment: str = "") -> HttpExchange:
    times = (ended_ns - 5, ended_ns - 4, ended_ns)
    return HttpExchange(
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


def received(payment: str, port: int, started_ns: int = 16, status: int = 200) -> ReceivedRequest:
    return ReceivedRequest(
        link=LINK,
        caller="shop",
        port=port,
        span="",
        started_ns=started_ns,
        ended_ns=20,
        method="POST",
        target="/",
        status=status,
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


def test_a_request_comes_with_its_exchange_and_not_with_others_on_its_connection() -> None:
    """Who sent a request does not know its payment: the link that received it does."""
    made = kept()
    before, mine, after = exchange(7, 10), exchange(7, 20), exchange(7, 90)
    others, lost = exchange(8, 20), exchange(9, 30, payment=f"{FIRST}b")
    asked = received(FIRST, 7)
    made.add([before, mine, others, lost, after, asked, received(SECOND, 8)])
    assert made.of([FIRST]) == [asked, mine, lost]
    assert made.requests == 2


def test_a_request_without_an_answer_is_waited_for_until_its_caller_gives_up() -> None:
    made = kept()
    made.add([received(FIRST, 7, status=0), received(SECOND, 8)])
    assert made.waiting == {FIRST}
    assert made.add([exchange(7, 10)]) == set()  # the one before it, recorded late
    assert made.waiting == {FIRST}
    assert made.add([exchange(7, 2_000)]) == {FIRST}
    assert not made.waiting
    made.add([exchange(9, 20), received(SECOND, 9, status=0)])  # recorded in the other order
    assert not made.waiting
    made.add([received(FIRST, 7, 3_000, status=0)])
    made.forget(FIRST)
    assert not made.waiting


def test_what_is_over_is_dropped() -> None:
    made = kept()
    early, late = exchange(7, 20), exchange(7, 90)
    made.add([early, late, received(FIRST, 7), received(FIRST, 7, 86)])
    made.forget_before(50)
    assert made.of([FIRST])[2:] == [late]
    made.forget(FIRST)
    assert made.add([decision(FIRST)]) == set()
