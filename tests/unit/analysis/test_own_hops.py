"""Hops of own services: joined of what the engine and the links saw, and what is concluded."""

from __future__ import annotations

from pathlib import Path

from paychain.analysis.measures.breaks import break_point
from paychain.payments.journal import DecisionKind, HopRecord
from paychain.payments.outcome import HopResult
from paychain.payments.rules.traces import unresolved
from tests.support.chains import checked
from tests.support.observed_runs import A, B, ObservedRun, decisions, own_hops

HOP = "shop.authorise.processor-a"


def test_a_request_that_both_saw_is_one_hop_between_the_customers_and_the_links(
    tmp_path: Path,
) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0)
    run.asked("p1", 1.1, 0.2, key="k1")
    (hop,) = own_hops(run.store(tmp_path), "p1")
    assert (hop.parent, hop.span) == ("c1p1", "0000000000000001")
    assert (hop.caller, hop.operation, hop.callee, hop.route) == ("shop", "authorise", A, 0)
    # From when it left the service until the service had the answer, not as the link saw it.
    assert (hop.started_ns, hop.ended_ns) == (1_100_000_000, 1_300_000_000)
    assert hop.result is HopResult.APPROVED


def test_requests_on_one_connection_are_joined_in_their_order(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0)
    run.pay("p2", 2.0)
    run.asked("p1", 1.1, port=50_000)
    run.asked("p2", 2.1, port=50_000, result="declined")
    store = run.store(tmp_path)
    assert [hop.started_ns for hop in own_hops(store, "p1")] == [1_100_000_000]
    assert [hop.result for hop in own_hops(store, "p2")] == [HopResult.DECLINED]


def test_the_same_port_at_another_link_is_another_connection(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0)
    run.sent(1.1, port=50_000, to=A, payment="p1", ended_by="client", took_s=0.5)
    port = run.sent(1.6, port=50_000, to=B)
    run.came("p1", port, 1.61, to=B)
    hops = own_hops(run.store(tmp_path), "p1")
    assert [(hop.callee, hop.result.value) for hop in hops] == [(A, "timeout"), (B, "approved")]


def test_who_ended_a_request_without_an_answer_says_what_it_was(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 9.0, "timeout")
    for number, ended_by in enumerate(["client", "server", "engine", "run", "garbage"]):
        run.sent(1.1 + number, payment="p1", ended_by=ended_by, key=f"k{number}")
    hops = own_hops(run.store(tmp_path), "p1")
    assert [hop.result.value for hop in hops] == [
        "timeout",
        "reset",
        "reset",
        "timeout",
        "malformed",
    ]
    # None of them reached a link: each key is an attempt.
    assert [hop.attempt for hop in hops] == [1, 2, 3, 4, 5]


def test_the_link_knows_what_it_answered_and_the_engine_whether_that_arrived(
    tmp_path: Path,
) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 5.0, "timeout")
    port = run.sent(1.1, 2.0, ended_by="client")
    run.came("p1", port, 1.2, 3.0)  # it approves, and nobody is there any more
    (hop,) = own_hops(run.store(tmp_path), "p1")
    assert hop.result is HopResult.TIMEOUT
    assert hop.ended_ns == 3_100_000_000


def test_a_repeat_of_a_key_is_a_try_of_the_same_attempt(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 5.0)
    run.sent(1.1, 0.5, ended_by="client", payment="p1", key="k1")
    run.asked("p1", 2.0, key="k1")
    run.asked("p1", 3.0, key="k2", attempt=2, to=B)
    store = run.store(tmp_path)
    hops = own_hops(store, "p1")
    assert [(hop.attempt, hop.try_number) for hop in hops] == [(1, 1), (1, 2), (2, 1)]
    kinds = [(decision.kind, decision.target) for decision in decisions(store, "p1")]
    assert kinds == [(DecisionKind.RETRY, A), (DecisionKind.FAILOVER, B)]
    assert list(unresolved(hops, decisions(store, "p1"))) == []  # the repeat was answered


def test_a_refund_that_began_before_another_one_failed_does_not_repeat_it(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 9.0)
    run.sent(1.1, 3.0, ended_by="client", payment="p1", target="/refunds", key="r1")
    run.asked("p1", 2.0, key="r2", operation="refund", target="/refunds")
    assert decisions(run.store(tmp_path), "p1") == []


def test_a_refund_that_begins_once_another_one_has_failed_repeats_it(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 9.0)
    run.sent(1.1, 0.9, ended_by="client", payment="p1", target="/refunds", key="r1")
    run.asked("p1", 2.0, key="r2", operation="refund", target="/refunds")
    (retry,) = decisions(run.store(tmp_path), "p1")
    assert (retry.kind, retry.detail) == (DecisionKind.RETRY, "timeout")


def test_hops_belong_to_the_try_of_the_customer_that_led_to_them(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 1.0, "timeout")
    run.pay("p1", 3.0, 1.0, tried=2)
    run.asked("p1", 1.1, key="k1", status=500, result="http_error")
    run.asked("p1", 3.1, key="k1")
    parents = [hop.parent for hop in own_hops(run.store(tmp_path), "p1")]
    assert parents == ["c1p1", "c2p1"]


def test_without_the_engines_view_the_links_own_is_the_hop(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0)
    run.came("p1", 50_000, 1.2, 0.3)
    (hop,) = own_hops(run.store(tmp_path), "p1")
    assert (hop.started_ns, hop.ended_ns, hop.parent) == (1_200_000_000, 1_500_000_000, "c1p1")


def test_what_was_lost_on_its_way_is_of_the_attempt_that_its_repeat_is(tmp_path: Path) -> None:
    """A link counts when a key first comes; what was asked before, or never came, is no attempt."""
    run = ObservedRun()
    run.pay("p1", 1.0, took_s=3.0)
    run.asked("p1", 1.0, to=B, operation="screen")
    run.sent(1.2, 0.1, ended_by="refused", payment="p1", key="k1")
    run.sent(1.4, 1.0, to=B, ended_by="client", payment="p1", key="k2")
    run.asked("p1", 2.5, to=B, key="k2")
    store = run.store(tmp_path)
    of_keys = [hop for hop in own_hops(store, "p1") if hop.operation == "authorise"]
    assert [(hop.callee, hop.attempt, hop.try_number) for hop in of_keys] == [
        (A, 1, 1),
        (B, 1, 1),
        (B, 1, 2),
    ]
    assert list(unresolved(own_hops(store, "p1"), decisions(store, "p1"))) == []


def test_a_payment_breaks_at_the_lowest_failed_hop_of_its_last_attempt(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 5.0, "http_error")
    run.asked("p1", 1.1, status=503, result="http_error", key="k1")
    run.sent(2.0, 2.0, to=B, ended_by="client", payment="p1", key="k2")
    point = break_point(run.store(tmp_path).story("p1").hops)
    assert point is not None
    assert (point.caller, point.callee, point.result.value) == ("shop", B, "timeout")


# -- refused connections --------------------------------------------------------------------------
def refused(run: ObservedRun, path: Path, payment: str = "p1") -> list[HopRecord]:
    hops = own_hops(run.store(path), payment)
    return [hop for hop in hops if hop.result is HopResult.REFUSED]


def test_a_call_that_left_no_trace_while_its_hop_was_down_was_refused(tmp_path: Path) -> None:
    run = ObservedRun()
    run.is_down(HOP, 1.0, 3.0)
    run.pay("p1", 1.5)
    run.asked("p1", 1.6, to=B)
    (hop,) = refused(run, tmp_path)
    assert (hop.callee, hop.route, hop.parent) == (A, 0, "c1p1")
    assert hop.started_ns == 1_500_000_000


def test_a_payment_that_broke_while_its_only_hop_was_down_broke_there(tmp_path: Path) -> None:
    run = ObservedRun()
    run.is_down(HOP, 1.0, 3.0)
    run.pay("p1", 1.5, 1.0, "http_error")
    store = run.store(tmp_path)
    point = break_point(store.story("p1").hops)
    assert point is not None
    assert (point.callee, point.result) == (A, HopResult.REFUSED)


def test_nothing_is_concluded_that_need_not_be(tmp_path: Path) -> None:
    run = ObservedRun()
    run.is_down(HOP, 1.0, 3.0)
    run.pay("before", 0.1, 0.5, "http_error")  # over before the hop was down
    run.pay("through", 0.9, 1.0)  # its request came through before that
    run.asked("through", 0.95)
    run.pay("alone", 1.5)  # approved without any request: nobody knows why
    run.pay("after", 3.5, 1.0, "http_error")
    store = run.store(tmp_path)
    for payment in ("before", "through", "alone", "after"):
        assert all(hop.result is not HopResult.REFUSED for hop in own_hops(store, payment)), payment


# -- a service that passes payments on ------------------------------------------------------------
EDGE = checked(
    """
chain: own-edge
entry: shop
links:
  shop:
    role: edge
    dialect: paychain
    service: {command: nginx}
    calls: {forward: {to: gateway-a, fallback: [{to: gateway-b}]}}
  gateway-a: {role: gateway, calls: {authorise: {to: issuer}}}
  gateway-b: {role: gateway, calls: {authorise: {to: issuer}}}
  issuer: {role: issuer}
"""
)


def test_all_that_an_edge_passes_on_goes_over_one_hop_whoever_saw_it(tmp_path: Path) -> None:
    run = ObservedRun()
    # Lost on its way, then answered by the gateway: a customer's `pay` for it.
    run.pay("p1", 1.0)
    run.sent(1.1, 0.2, ended_by="engine", payment="p1", to="gateway-a", call="forward")
    run.asked("p1", 1.4, operation="pay", to="gateway-a", call="forward")
    run.pay("p2", 2.0)
    run.sent(2.1, 0.2, ended_by="engine", payment="p2", to="gateway-a", call="forward")
    run.asked("p2", 2.4, operation="pay", to="gateway-b", call="forward")
    store = run.store(tmp_path, EDGE)
    assert {hop.operation for name in ("p1", "p2") for hop in own_hops(store, name)} == {"forward"}
    # The failure in front of the success is none of the payment.
    assert break_point(store.story("p1").hops) is None
    made = [decisions(store, name)[0] for name in ("p1", "p2")]
    assert [(each.kind.value, each.target) for each in made] == [
        ("retry", "gateway-a"),
        ("failover", "gateway-b"),
    ]


TWO = checked(
    """
chain: two-services
entry: shop
links:
  shop:
    role: gateway
    dialect: paychain
    service: {command: shop}
    calls: {authorise: {to: gateway, fallback: [{to: processor-b}]}}
  gateway:
    role: gateway
    dialect: paychain
    service: {command: gateway}
    calls: {authorise: {to: processor-a}}
  processor-a: {role: processor, calls: {authorise: {to: issuer}}}
  processor-b: {role: processor, calls: {authorise: {to: issuer}}}
  issuer: {role: issuer}
"""
)


def test_a_repeat_without_a_key_at_another_own_service_is_answered_for_the_first_try(
    tmp_path: Path,
) -> None:
    """Whether that worked on it twice, its own requests show."""
    run = ObservedRun()
    for name, answering in (("p1", "gateway"), ("p2", "processor-b")):
        run.pay(name, 1.0, 5.0)
        run.sent(1.1, 1.0, ended_by="client", payment=name, to="gateway", target="/pay")
        if answering == "gateway":
            run.sent(2.2, payment=name, to="gateway", target="/pay")
        else:
            run.asked(name, 2.2, to=answering, key="k", attempt=2)
    store = run.store(tmp_path, TWO)
    left = {
        name: list(unresolved(own_hops(store, name), decisions(store, name)))
        for name in ("p1", "p2")
    }
    assert left == {"p1": [], "p2": ["shop → gateway, attempt 1 (timeout)"]}
    assert [hop.try_number for hop in own_hops(store, "p1")] == [1, 2]


def test_a_payment_that_an_edge_passed_on_was_not_refused(tmp_path: Path) -> None:
    run = ObservedRun()
    run.is_down("shop.forward.gateway-a", 1.0, 3.0)
    run.pay("p1", 0.9, 1.0, "http_error")
    run.asked("p1", 0.95, operation="pay", to="gateway-a", call="forward", status=503)
    store = run.store(tmp_path, EDGE)
    assert [hop.result.value for hop in own_hops(store, "p1")] == ["approved"]


# -- decisions ------------------------------------------------------------------------------------
def test_a_void_of_an_unknown_outcome_is_its_reversal(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 5.0)
    run.sent(1.1, 1.0, ended_by="client", payment="p1", key="k1")
    run.asked("p1", 2.2, operation="void", key="v1")
    run.asked("p1", 2.4, to=B, key="k2", attempt=2)
    store = run.store(tmp_path)
    made = decisions(store, "p1")
    kinds = [decision.kind for decision in made]
    assert kinds.count(DecisionKind.REVERSAL_SENT) == 1
    assert kinds.count(DecisionKind.REVERSAL_ACKNOWLEDGED) == 1
    assert list(unresolved(store.story("p1").hops, made)) == []


def lost_sale(run: ObservedRun, *, captured: int) -> None:
    """An approval that the service never learnt of, captured by the provider at once or in part."""
    run.pay("p1", 1.0, 5.0)
    run.sent(1.1, 1.0, ended_by="client", payment="p1", key="k1")
    run.booked("p1", 1.2, "authorised")
    run.booked("p1", 1.3, "captured", amount=captured, item="c1")


def reversal_ends(run: ObservedRun, path: Path) -> list[str]:
    ends = (DecisionKind.REVERSAL_ACKNOWLEDGED, DecisionKind.REVERSAL_ABANDONED)
    made = decisions(run.store(path), "p1")
    return [decision.kind.value for decision in made if decision.kind in ends]


def test_a_cancel_that_the_provider_takes_and_then_fails_is_no_acknowledged_reversal(
    tmp_path: Path,
) -> None:
    run = ObservedRun()
    lost_sale(run, captured=1_000)
    run.asked("p1", 2.2, operation="void", key="v1")  # "received": nothing is held any more
    store = run.store(tmp_path)
    made = [decision.kind for decision in decisions(store, "p1")]
    assert DecisionKind.REVERSAL_ABANDONED in made
    assert DecisionKind.REVERSAL_ACKNOWLEDGED not in made
    assert list(unresolved(store.story("p1").hops, decisions(store, "p1"))) != []


def test_a_void_that_is_refused_because_the_money_was_taken_is_none_either(tmp_path: Path) -> None:
    run = ObservedRun()
    lost_sale(run, captured=1_000)
    run.asked("p1", 2.2, operation="void", status=400, result="rejected")
    assert reversal_ends(run, tmp_path) == ["reversal_abandoned"]


def test_a_refund_after_a_cancel_that_failed_is_what_reverses(tmp_path: Path) -> None:
    run = ObservedRun()
    lost_sale(run, captured=1_000)
    run.asked("p1", 2.2, operation="void", key="v1")
    run.asked("p1", 3.2, operation="refund", key="r1")
    run.booked("p1", 3.22, "refunded", item="r1")
    store = run.store(tmp_path)
    (end,) = [
        decision
        for decision in decisions(store, "p1")
        if decision.kind is DecisionKind.REVERSAL_ACKNOWLEDGED
    ]
    assert (end.operation, end.at_ns) == ("refund", 3_300_000_000)


def test_a_refund_of_a_part_leaves_the_rest_taken(tmp_path: Path) -> None:
    run = ObservedRun()
    lost_sale(run, captured=1_000)
    run.asked("p1", 3.2, operation="refund", key="r1")
    run.booked("p1", 3.22, "refunded", amount=400, item="r1")
    assert reversal_ends(run, tmp_path) == ["reversal_abandoned"]


def test_a_void_that_releases_what_was_not_captured_takes_effect(tmp_path: Path) -> None:
    run = ObservedRun()
    lost_sale(run, captured=600)
    run.asked("p1", 2.2, operation="void", key="v1")
    run.booked("p1", 2.22, "voided", amount=400)
    assert reversal_ends(run, tmp_path) == ["reversal_acknowledged"]


def test_what_is_authorised_after_its_cancel_was_answered_does_not_undo_the_cancel(
    tmp_path: Path,
) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 5.0)
    run.sent(1.1, 1.0, ended_by="client", payment="p1", key="k1")
    run.asked("p1", 2.2, operation="void", key="v1")
    run.booked("p1", 9.0, "authorised")  # a finding of its own: money that nobody knows of
    assert reversal_ends(run, tmp_path) == ["reversal_acknowledged"]


def test_an_unknown_outcome_that_nothing_follows_stays_unresolved(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 5.0)
    run.sent(1.1, 1.0, ended_by="client", payment="p1", key="k1")
    run.asked("p1", 2.4, to=B, key="k2", attempt=2)
    story = run.store(tmp_path).story("p1")
    assert list(unresolved(story.hops, story.decisions)) == [
        "shop → processor-a, attempt 1 (timeout)"
    ]


def test_a_webhook_that_the_service_took_tells_it_the_outcome(tmp_path: Path) -> None:
    run = ObservedRun()
    run.pay("p1", 1.0, 5.0, "timeout")
    run.sent(1.1, 1.0, ended_by="client", payment="p1", key="k1")
    run.records.append(
        HopRecord(
            payment="p1",
            attempt=1,
            span="00ff",
            parent="",
            caller=A,
            operation="notify",
            callee="shop",
            route=0,
            try_number=1,
            started_ns=4_000_000_000,
            ended_ns=4_100_000_000,
            result=HopResult.APPROVED,
            code="200",
        )
    )
    story = run.store(tmp_path).story("p1")
    assert list(unresolved(story.hops, story.decisions)) == []
