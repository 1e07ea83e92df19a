"""What is collected of own services: payments by hints, and whether anything is still unknown."""

from __future__ import annotations

import msgspec
import pytest

from paychain.environment.own_requests import OwnRequests
from paychain.load.traffic.arrivals import Arrival
from paychain.payments.cards import TEST_CARDS
from paychain.payments.exchanges import HttpExchange
from paychain.protocol.vendor_ids import encode
from tests.support.observed_runs import CHAIN, A, B, ObservedRun


def requests_after(run: ObservedRun) -> OwnRequests:
    requests = OwnRequests(CHAIN)
    requests.completed(run.records)
    return requests


def test_an_outcome_is_unknown_until_the_link_was_asked_again() -> None:
    run = ObservedRun()
    port = run.sent(1.0, 1.0, payment="p1", ended_by="client")
    run.came("p1", port, 1.1)  # the request itself, which the link worked on
    assert requests_after(run).is_unsettled
    run.asked("p1", 3.0, to=B)  # another link settles nothing at the first
    assert requests_after(run).is_unsettled
    run.asked("p1", 4.0, operation="void")
    assert not requests_after(run).is_unsettled


def test_nothing_is_unknown_of_a_request_that_moves_no_money() -> None:
    run = ObservedRun()
    port = run.sent(1.0, 1.0, payment="p1", ended_by="client")
    run.came("p1", port, 1.1, operation="query")
    run.records.reverse()  # the link notes it at once, the engine when its caller has left
    assert not requests_after(run).is_unsettled
    run.sent(
        3.0, 1.0, payment="p1", ended_by="client", port=port
    )  # another one, that none has seen
    assert requests_after(run).is_unsettled


@pytest.mark.parametrize(("operation", "waits"), [("capture", False), ("authorise", True)])
def test_a_capture_without_an_answer_is_settled_once_the_customer_knows_it_is_paid(
    operation: str, waits: bool
) -> None:
    run = ObservedRun()
    port = run.sent(1.0, 1.0, payment="p1", ended_by="client")
    run.came("p1", port, 1.1, operation=operation)
    run.records.reverse()
    assert requests_after(run).is_unsettled
    run.pay("p1", 0.9, 2.0)
    assert requests_after(run).is_unsettled is waits


def test_an_error_that_proves_nothing_is_settled_by_a_repeat() -> None:
    run = ObservedRun()
    run.asked("p1", 1.0, status=500, result="http_error", key="k")
    assert requests_after(run).is_unsettled
    run.asked("p1", 2.0, key="k")
    assert not requests_after(run).is_unsettled


def test_what_a_customer_does_not_know_may_still_be_settled() -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 1.0, "approved")
    assert not requests_after(run).is_unsettled
    run.pay("p2", 1.0, 1.0, "timeout")
    assert requests_after(run).is_unsettled


def test_a_request_that_reached_nobody_is_known_by_the_object_that_it_names() -> None:
    run = ObservedRun()
    run.sent(1.0, ended_by="client")
    (sent,) = run.records
    assert isinstance(sent, HttpExchange)
    hinted = HttpExchange(
        **{name: getattr(sent, name) for name in sent.__struct_fields__ if name != "hints"},
        hints=f"v1 pi_{encode('p0000042-1')} capture",
    )
    (found,) = OwnRequests(CHAIN).completed([hinted])
    assert isinstance(found, HttpExchange)
    assert (found.payment, found.by) == ("p0000042", "object")


def test_a_links_own_view_of_a_hop_is_left_to_the_run() -> None:
    run = ObservedRun()
    run.asked("p1", 1.0)
    run.pay("p1", 1.0)
    kept = OwnRequests(CHAIN).completed(run.records)
    assert len(kept) == len(run.records)  # the customer's own hop stays
    assert A


def test_payments_that_were_judged_leave_nothing_to_wait_for() -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 1.0, "timeout")
    run.pay("p2", 1.0, 1.0, "timeout")
    requests = requests_after(run)
    assert requests.unsettled == {"p1", "p2"}
    requests.forget({"p1"})
    assert requests.unsettled == {"p2"}
    assert requests.orders_of({"p1", "p2"}) == requests.orders
    requests.forget({"p2"})
    assert not requests.is_unsettled
    assert requests.orders == []


def test_a_payment_without_a_load_is_found_by_its_card_and_amount() -> None:
    arrival = Arrival(
        number=42,
        at_s=1.0,
        payment="p0000042",
        amount_minor=9_230,
        instrument=TEST_CARDS[0],
        merchant="a test",
        warm_up=False,
    )
    requests = OwnRequests(CHAIN)
    (expected,) = requests.expect_now([arrival], now_ns=2_000_000_000)
    assert expected.at_ns == 3_000_000_000
    run = ObservedRun()
    run.sent(3.0, ended_by="client")
    (sent,) = run.records
    assert isinstance(sent, HttpExchange)
    hinted = msgspec.structs.replace(sent, hints="424242xxxx4242 92.30")
    (found,) = requests.completed([hinted])
    assert isinstance(found, HttpExchange)
    assert (found.payment, found.by) == ("p0000042", "card and amount")
