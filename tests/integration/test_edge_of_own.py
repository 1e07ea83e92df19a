"""Edges in front of an own service pass on what customers send, and fail as proxies do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml

from paychain.declaration.yaml_text import parse
from paychain.faults.kinds.http_error import HttpError
from paychain.load.traffic.arrivals import Arrival
from paychain.load.traffic.paying import Customers
from paychain.load.traffic.planning import customers_plan
from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.paid_at import template_at
from paychain.model.places import InLinkPlace
from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import HopRecord, PaymentRecord, Record
from paychain.payments.outcome import HopResult
from paychain.services.host import Host
from paychain.services.in_link_faults import ActiveFault
from tests.support.paid_shop import PaidShop, Reaction, Received, paid_shop

PAYS = """
steps:
  - {path: "/carts?shop={merchant}", json: {order: "{payment}"}}
  - {path: "/carts/{answer.id}/pay", headers: {idempotency-key: "{key}"}, form: {sum: "{amount}"}}
approved: {status: 200, where: {state: paid}}
declined: {status: 402}
rejected: {status: 429}
pending: {status: 202, then: {get: "/orders/{payment}", every: 50ms}}
"""


def chain_of(**waf: Any) -> Chain:
    instant = {"answers_in": {"median": "0s", "p99": "0s"}}
    links = {
        "cdn": {"role": "edge", "forwards_to": "waf", **instant},
        "waf": {"role": "edge", "forwards_to": "shop-api", **instant, **waf},
        "shop-api": {
            "role": "gateway",
            "service": {"command": "true"},
            "pays": yaml.safe_load(PAYS),
            "calls": {"authorise": {"to": "issuer"}},
        },
        "issuer": {"role": "issuer"},
    }
    chain = Chain.model_validate({"chain": "e", "entry": "cdn", "deadline": "2s", "links": links})
    assert check_chain(chain) == []
    return chain


class Clock:
    def now_ns(self) -> int:
        return time.monotonic_ns()

    async def until(self, when_ns: int) -> None:
        await asyncio.sleep(max(0.0, (when_ns - self.now_ns()) / 1e9))


class Paid(NamedTuple):
    payment: PaymentRecord
    hops: list[HopRecord]

    def results(self, caller: str) -> list[tuple[HopResult, str]]:
        return [(hop.result, hop.code) for hop in self.hops if hop.caller == caller]


def paid_through(
    chain: Chain, shop: PaidShop, faults: Sequence[ActiveFault] = (), *, is_down: bool = False
) -> Paid:
    """One payment through both edges."""
    journal: list[Record] = []
    arrival = Arrival(
        number=7,
        at_s=0.0,
        payment="pk3fa0000007",
        amount_minor=1250,
        instrument=TEST_CARDS[0],
        merchant="Söhne & Co",
        warm_up=False,
    )

    async def pay() -> None:
        clock = Clock()
        host = Host(chain, ["cdn", "waf"], seed=1, now_ns=clock.now_ns, journal=journal)
        ports = await host.start()
        shop_port = 1 if is_down else shop.port
        near = {"cdn.forward.waf": ports["waf"], "waf.forward.shop-api": shop_port}
        host.connect({name: ("127.0.0.1", port) for name, port in near.items()})
        for fault in faults:
            host.faults.apply(fault)
        customers = Customers({"cdn": ("127.0.0.1", ports["cdn"])}, clock, journal)
        await customers.keep_schedule(customers_plan(chain, 1), [arrival])
        await customers.close()
        assert await host.drain(1.0) == []
        await host.stop()

    asyncio.run(pay())
    (payment,) = (record for record in journal if isinstance(record, PaymentRecord))
    return Paid(payment, [record for record in journal if isinstance(record, HopRecord)])


def answering(*reactions: Reaction) -> Any:
    def answer(number: int, _: Received) -> Reaction:
        return reactions[min(number, len(reactions) - 1)]

    return answer


CART: Reaction = (201, {"id": 5}, {"set-cookie": "session=s1; Path=/", "x-shop": "1"})
PAID: Reaction = (200, {"state": "paid"})


def test_what_a_customer_sends_arrives_as_it_was_and_so_does_the_answer() -> None:
    with paid_shop(answering(CART, (202, {}), PAID)) as shop:
        paid = paid_through(chain_of(), shop)
    assert (paid.payment.shown, paid.payment.approved_minor) == ("approved", 1250)
    cart, pay, look = shop.received
    assert (cart.method, cart.path) == ("POST", "/carts?shop=S%C3%B6hne%20%26%20Co")
    assert cart.json == {"order": "pk3fa0000007"}
    assert (pay.path, pay.body) == ("/carts/5/pay", "sum=12.50")
    assert pay.headers["idempotency-key"] == "pk3fa0000007"
    assert pay.headers["content-type"] == "application/x-www-form-urlencoded"
    assert pay.headers["cookie"] == "session=s1"
    assert (look.method, look.path) == ("GET", "/orders/pk3fa0000007")
    # Three requests over each edge; only one of them is an approval.
    answered = [(HopResult.ANSWERED, "201"), (HopResult.ANSWERED, "202")]
    for caller in ("cdn", "waf"):
        assert paid.results(caller) == [*answered, (HopResult.APPROVED, "00")]
    assert paid.results("customer") == [(HopResult.APPROVED, "00")]


def test_the_trace_leads_from_the_customer_over_every_edge() -> None:
    with paid_shop(answering(CART, PAID)) as shop:
        paid = paid_through(chain_of(), shop)
    spans = {hop.span: hop for hop in paid.hops}
    (last,) = (
        hop
        for hop in paid.hops
        if hop.span == shop.received[-1].headers["traceparent"].split("-")[2]
    )
    path = [last]
    while path[-1].parent:
        path.append(spans[path[-1].parent])
    assert [hop.caller for hop in path] == ["waf", "cdn", "customer"]
    assert {hop.payment for hop in paid.hops} == {"pk3fa0000007"}
    assert shop.received[-1].headers["baggage"] == "payment=pk3fa0000007"
    assert shop.received[-1].headers["user-agent"] == "waf"


@pytest.mark.parametrize(
    ("reaction", "shown", "result"),
    [
        ((402, {"reason": "51"}), "declined", HopResult.DECLINED),
        ((429, "slow down"), "error", HopResult.REJECTED),
        ((500, "trace"), "error", HopResult.HTTP_ERROR),
        ((404, "who?"), "error", HopResult.HTTP_ERROR),
    ],
)
def test_an_error_of_the_service_is_passed_on(
    reaction: Reaction, shown: str, result: HopResult
) -> None:
    with paid_shop(answering(CART, reaction)) as shop:
        paid = paid_through(chain_of(), shop)
    assert paid.payment.shown == shown
    assert [paid.results(caller)[-1][0] for caller in ("cdn", "waf", "customer")] == [result] * 3


def test_a_service_that_is_down_or_hangs_up_is_a_502_of_the_edge() -> None:
    with paid_shop(answering(CART, None)) as shop:
        paid = paid_through(chain_of(), shop)
        assert paid.results("waf")[-1] == (HopResult.RESET, "")
        assert paid.results("customer") == [(HopResult.HTTP_ERROR, "502")]
        paid = paid_through(chain_of(), shop, is_down=True)
        assert paid.results("waf") == [(HopResult.REFUSED, "")]
        assert paid.results("customer") == [(HopResult.HTTP_ERROR, "502")]


def test_a_service_that_is_silent_is_a_504_of_the_edge() -> None:
    def silent(number: int, _: Received) -> Reaction:
        time.sleep(0.6 if number else 0.0)
        return PAID if number else CART

    call = {"forward": {"to": "shop-api", "timeout": "300ms"}}
    with paid_shop(silent) as shop:
        paid = paid_through(chain_of(forwards_to=None, calls=call), shop)
    assert paid.results("waf")[-1] == (HopResult.TIMEOUT, "")
    assert paid.results("customer") == [(HopResult.HTTP_ERROR, "504")]


def test_a_retry_of_an_edge_sends_the_same_request_again() -> None:
    retry = {"attempts": 2, "backoff": "10ms", "on": ["http_error"]}
    call = {"forward": {"to": "shop-api", "timeout": "1s", "retry": retry}}
    with paid_shop(answering(CART, (500, {}), PAID)) as shop:
        paid = paid_through(chain_of(forwards_to=None, calls=call), shop)
    assert paid.payment.shown == "approved"
    _, first, second = shop.received
    assert (first.path, first.body) == (second.path, second.body)
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_faults_of_an_edge_act_on_what_it_passes_on() -> None:
    fault = ActiveFault(
        id="f", parameters=HttpError(status=503, share="100%"), spots=(InLinkPlace("waf"),)
    )
    with paid_shop(answering(CART, PAID)) as shop:
        paid = paid_through(chain_of(), shop, [fault])
    assert shop.received == []
    assert paid.results("customer") == [(HopResult.HTTP_ERROR, "503")]
    after = ActiveFault(
        id="f",
        parameters=HttpError(status=503, after_work=True, share="100%"),
        spots=(InLinkPlace("waf"),),
    )
    with paid_shop(answering(CART, PAID)) as shop:
        paid = paid_through(chain_of(), shop, [after])
    assert len(shop.received) == 1
    assert paid.results("customer") == [(HopResult.HTTP_ERROR, "503")]


def test_a_links_process_reads_the_same_template_from_what_it_is_sent() -> None:
    text = yaml.safe_dump(
        {
            "chain": "e",
            "entry": "shop-api",
            "links": {
                "shop-api": {
                    "role": "gateway",
                    "service": {"command": "true"},
                    "pays": {
                        "request": {"path": "/{payment}"},
                        "approved": {"status": [200, 201], "where": {"paid": True, "error": None}},
                        "declined": {"status": 402, "technical": True},
                        "pending": {"status": 202, "then": {"get": "/x", "every": "1s"}},
                    },
                    "calls": {"authorise": {"to": "issuer"}},
                },
                "issuer": {"role": "issuer"},
            },
        }
    )
    value = parse(text).value
    declared = template_at(Chain.model_validate(value), "shop-api")
    assert declared is not None
    # A services process is sent the values as JSON (`services/plan.py`).
    sent = msgspec.json.decode(msgspec.json.encode(value))
    assert template_at(Chain.model_validate(sent), "shop-api") == declared
