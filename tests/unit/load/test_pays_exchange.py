"""One try to pay an own service: its requests in order, and what the customer saw in the end."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec
import pytest

from paychain.load.traffic.arrivals import Arrival
from paychain.load.traffic.customer import CustomerPayment, leaves_at_ns
from paychain.load.traffic.doubts import ENOUGH, PaymentDoubts
from paychain.load.traffic.exchange import Got, Send, Step, Try
from paychain.load.traffic.pays import ByTemplate
from paychain.load.traffic.plan import EntryPlan, LoadPlan
from paychain.load.traffic.planning import customers_plan
from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import PaymentRecord
from paychain.payments.outcome import HopResult, Outcome
from paychain.protocol.json_text import decoded
from paychain.protocol.message import PaymentRequest
from paychain.protocol.pays import outcomes
from paychain.protocol.reply import Reply
from paychain.wire.http import (
    CallTimeout,
    ConnectionBroken,
    ConnectRefused,
    HttpResponse,
    MalformedHttp,
    request_head,
)
from tests.support.paid_shop import ORDERS, chain_of, template_of

MS = 1_000_000
REQUEST = PaymentRequest("pk3fa0000001", 1250, "EUR", TEST_CARDS[0], "shop", key="k")


def answer(status: int, body: Any = None, **headers: str) -> HttpResponse:
    data = b"" if body is None else json.dumps(body).encode()
    return HttpResponse(
        status, data, {name.replace("_", "-"): value for name, value in headers.items()}
    )


class Trying:
    """One try whose answers the test gives; a request is made at its time, whatever it is."""

    def __init__(
        self,
        pays: str,
        *,
        timeout_s: float = 2.0,
        patience_s: float = 2.0,
        pages: dict[str, str] | None = None,
        **follows: float,
    ) -> None:
        entry = EntryPlan(
            link="shop-api",
            url="http://127.0.0.1:9001",
            pays=template_of(pays),
            pages=pages or {},
        )
        self.doubts = PaymentDoubts()
        attempt = Try(REQUEST, "c" * 16, timeout_s, entry, patience_s=patience_s, **follows)
        assert entry.pays is not None
        self._exchange = ByTemplate(entry.pays, attempt, self.doubts)
        self.now_ns = 0
        self.step: Step = self._exchange.start(0)
        self.sent: list[tuple[int, str, str]] = []  # ms, method, target
        self._note()

    def _note(self) -> None:
        if isinstance(self.step, Send):
            http = self.step.http
            self.now_ns = max(self.now_ns, self.step.at_ns)
            self.sent.append((self.now_ns // MS, http.method, http.target))

    @property
    def http(self) -> Any:
        assert isinstance(self.step, Send)
        return self.step.http

    def gets(self, got: Got, *, after_ms: int = 10) -> Trying:
        self.now_ns += after_ms * MS
        self.step = self._exchange.receive(got, self.now_ns)
        self._note()
        return self

    @property
    def reply(self) -> Reply:
        assert isinstance(self.step, Reply)
        return self.step


PAID = answer(200, {"state": "paid", "charged": 1250})
OPEN = answer(202, {"state": "open"})


def test_a_pending_payment_is_looked_at_until_it_is_final() -> None:
    trying = Trying(ORDERS).gets(OPEN).gets(OPEN).gets(PAID)
    assert trying.reply.result is HopResult.APPROVED
    # Each look comes 100 ms after the answer before, which takes 10 ms.
    look = "/orders/pk3fa0000001"
    assert trying.sent == [(0, "POST", "/orders"), (110, "GET", look), (220, "GET", look)]


def test_a_customer_who_still_waits_at_the_deadline_sees_that_it_is_pending() -> None:
    trying = Trying(ORDERS, timeout_s=0.3, patience_s=0.3).gets(OPEN).gets(OPEN)
    # At 120 ms the next look would be at 220; at 230 the one after it at 330: too late.
    assert isinstance(trying.step, Send)
    reply = trying.gets(OPEN).reply
    assert (reply.result, reply.code, reply.in_progress) == (HopResult.UNKNOWN, "09", True)


def test_a_look_that_fails_is_repeated() -> None:
    trying = Trying(ORDERS).gets(OPEN).gets(ConnectionBroken("cut", sent=True)).gets(answer(500))
    assert trying.gets(answer(404)).gets(PAID).reply.result is HopResult.APPROVED
    assert len(trying.sent) == 5


def test_what_the_last_look_brought_is_what_the_customer_knows() -> None:
    trying = Trying(ORDERS, timeout_s=0.2, patience_s=0.2).gets(OPEN)
    assert trying.gets(ConnectRefused("down", sent=False)).reply.result is HopResult.REFUSED


def test_a_payment_in_progress_is_waited_for_beyond_the_time_of_one_try() -> None:
    trying = Trying(ORDERS, timeout_s=0.5, patience_s=5.0)
    assert isinstance(trying.step, Send)
    assert trying.step.timeout_s == 0.5
    step = trying.gets(OPEN).step
    assert isinstance(step, Send)
    assert step.timeout_s == 4.89  # 5 s of patience, and 110 ms have passed


def test_no_answer_at_all_is_a_failure_of_the_wire() -> None:
    for error, result in (
        (CallTimeout("late", sent=True), HopResult.TIMEOUT),
        (ConnectionBroken("cut", sent=True), HopResult.RESET),
        (ConnectRefused("down", sent=False), HopResult.REFUSED),
    ):
        assert Trying(ORDERS).gets(error).reply.result is result


STEPS = """
steps:
  - {path: /carts, json: {items: 1}}
  - {method: PUT, path: "/carts/{answer.cart.id}", form: {order: "{payment}"}}
  - {path: "{location}/pay", json: {token: "{answer.token}", sum: "{amount}"}}
approved: {status: 200, where: {ok: true}}
declined: {status: 402}
"""


def test_steps_use_what_came_before() -> None:
    trying = Trying(STEPS).gets(answer(201, {"cart": {"id": 7}}, location="/carts/7"))
    trying.gets(answer(200, {"token": "t-9"}))
    assert json.loads(trying.http.body) == {"token": "t-9", "sum": "12.50"}
    assert trying.gets(answer(200, {"ok": True})).reply.result is HopResult.APPROVED
    targets = [target for _, _, target in trying.sent]
    assert targets == ["/carts", "/carts/7", "/carts/7/pay"]


def test_who_lingers_goes_on_later_and_is_then_as_patient_as_before() -> None:
    trying = Trying(STEPS, lingers_s=6.0).gets(
        answer(201, {"cart": {"id": 7}}, location="/carts/7")
    )
    assert trying.sent[-1] == (6_010, "PUT", "/carts/7")
    assert trying.step.timeout_s == pytest.approx(1.99)  # type: ignore[union-attr]  # it sends
    trying.gets(answer(200, {"token": "t-9"}))
    assert trying.sent[-1][0] == 6_020  # only once


def test_who_tampers_names_another_amount_after_the_first_request() -> None:
    pays = STEPS.replace("{items: 1}", '{sum: "{amount}"}')
    trying = Trying(pays, named_share=0.5)
    assert json.loads(trying.http.body) == {"sum": "12.50"}
    trying.gets(answer(201, {"cart": {"id": 7}}, location="/carts/7"))
    trying.gets(answer(200, {"token": "t-9"}))
    assert json.loads(trying.http.body) == {"token": "t-9", "sum": "6.25"}


def test_a_step_may_decline_and_an_error_ends_it() -> None:
    assert Trying(STEPS).gets(answer(402)).reply.result is HopResult.DECLINED
    assert Trying(STEPS).gets(answer(409)).reply.result is HopResult.HTTP_ERROR
    # An answer that would be an approval is none before the step that pays.
    trying = Trying(STEPS).gets(answer(200, {"ok": True, "cart": {"id": 1}}))
    assert isinstance(trying.step, Send)


def test_an_answer_without_what_the_next_step_needs_ends_the_payment() -> None:
    trying = Trying(STEPS).gets(answer(201, {}))
    assert trying.reply.result is HopResult.MALFORMED
    assert "{answer.cart.id}" in trying.doubts.problems()[0]


def test_a_session_keeps_its_cookies() -> None:
    cookies = "session=abc; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT, csrf=x=1; HttpOnly"
    trying = Trying(STEPS).gets(answer(201, {"cart": {"id": 7}}, set_cookie=cookies))
    assert trying.http.headers["cookie"] == "session=abc; csrf=x=1"
    trying.gets(answer(200, {"token": "t"}, location="/carts/7", set_cookie="session=new"))
    assert trying.http.headers["cookie"] == "session=new; csrf=x=1"


FORM = """
request: {path: /checkout, form: {order: "{payment}"}}
approved: {contains: Thank you}
declined: {headers: {location: /failed}}
"""


def test_a_shop_of_pages_redirects_its_customers() -> None:
    trying = Trying(FORM).gets(answer(303, location="/thanks?o=1", set_cookie="s=1"))
    assert trying.sent[1] == (10, "GET", "/thanks?o=1")
    assert trying.http.body == b""
    assert "content-type" not in trying.http.headers
    assert trying.http.headers["cookie"] == "s=1"
    assert trying.http.headers["baggage"] == "payment=pk3fa0000001"
    assert trying.gets(HttpResponse(200, b"<p>Thank you!</p>")).reply.result is HopResult.APPROVED


def test_a_redirect_may_be_the_answer() -> None:
    assert Trying(FORM).gets(answer(303, location="/failed?o=1")).reply.result is HopResult.DECLINED


def test_307_repeats_the_request() -> None:
    trying = Trying(FORM).gets(answer(307, location="http://127.0.0.1:9001/v2/checkout"))
    assert trying.sent[1][1:] == ("POST", "/v2/checkout")
    assert trying.http.body == b"order=pk3fa0000001"


def test_a_redirect_that_leads_elsewhere_or_in_a_circle_ends() -> None:
    elsewhere = answer(303, location="http://psp.example/3ds")
    assert Trying(FORM).gets(elsewhere).reply.result is HopResult.MALFORMED
    trying = Trying(FORM)
    for _ in range(6):
        trying.gets(answer(302, location="/checkout"))
    assert trying.reply.result is HopResult.MALFORMED


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("thanks", "/v2/thanks"),
        ("../thanks", "/thanks"),
        ("?paid=1", "/v2/checkout?paid=1"),
        (
            "/danke sch\u00c3\u00b6n",
            "/danke%20sch%C3%B6n",
        ),  # UTF-8, of which a header has the bytes
        ("/caf\u00e9", "/caf%E9"),
        ("/thanks?a=%20&b=[]#top", "/thanks?a=%20&b=[]"),
    ],
)
def test_a_redirect_leads_where_it_leads_a_browser(location: str, target: str) -> None:
    form = FORM.replace("/checkout", "/v2/checkout")
    trying = Trying(form).gets(answer(303, location=location))
    assert trying.sent[1][1:] == ("GET", target)
    request_head("GET", target, "shop", 0, {})


def test_a_template_that_describes_no_answer_is_doubted() -> None:
    trying = Trying(ORDERS).gets(answer(400, {"error": "card 4242424242424242 is no token"}))
    assert trying.reply.result is HopResult.HTTP_ERROR
    (problem,) = trying.doubts.problems()
    assert "no answer to POST /orders is approved, declined or pending; the first: 400" in problem
    assert "4242" not in problem
    # One answer that it does describe, and it is the service that fails.
    trying.doubts.paid.understood += 1
    assert trying.doubts.problems() == []


@pytest.mark.parametrize(
    ("got", "code"),
    [
        (HttpResponse(200), "200 without a body"),
        (HttpResponse(204), "204"),
        (HttpResponse(200, b"<p>Paid", {"content-type": "text/html"}), "200 HTML page"),
        (HttpResponse(200, b"paid"), "200 not JSON"),
        (HttpResponse(200, b"[]"), "200 not an object"),
        (HttpResponse(200, gzip.compress(b"{}"), {"content-encoding": "gzip"}), "200 compressed"),
        (HttpResponse(200, b"{}"), "200"),
        (HttpResponse(302), "302"),
        (MalformedHttp("not an answer: Duplicate Content-Length", sent=True), "Duplicate Content"),
        (MalformedHttp("more than 4,194,304 bytes", sent=True), "more than 4,194,304 bytes"),
    ],
)
def test_what_was_wrong_with_an_answer_is_the_code_of_its_hop(got: Got, code: str) -> None:
    reply = Trying(ORDERS).gets(got).reply
    assert reply.result is HopResult.MALFORMED
    assert reply.code.startswith(code)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_service_that_fails_casts_no_doubt_on_the_template(status: int) -> None:
    assert Trying(ORDERS).gets(answer(status)).doubts.problems() == []


def html(status: int) -> HttpResponse:
    return HttpResponse(status, b"<html><h1>Pay here</h1></html>", {"content-type": "text/html"})


GZIP = {"content-encoding": "gzip"}
NO_WAIT = ORDERS[: ORDERS.index("pending:")]


@pytest.mark.parametrize(
    ("pays", "got", "why"),
    [
        (ORDERS, answer(404, {"detail": "Not Found"}), 'first: 404 {"detail": "Not Found"}; check'),
        (ORDERS, html(200), "an HTML page has no fields: check the path, or match"),
        (ORDERS, answer(200, {"status": "ok"}), "wants state: paid, but the answer has status"),
        (ORDERS, answer(200, {"state": "ok"}), "approved: wants state: paid, but it is ok"),
        (NO_WAIT, answer(202, {"state": "open"}), "a payment in progress needs pending:"),
        (ORDERS, answer(303, location="http://psp.example/3ds"), "303 to http://psp.example/3ds;"),
        (ORDERS, answer(401), "the headers that prove who sends it"),
        (ORDERS, answer(422, {"error": "card is missing"}), "check what the request sends"),
        (ORDERS, HttpResponse(200, gzip.compress(b"{}"), GZIP), "no content-encoding: send it"),
        (ORDERS, HttpResponse(200, '{"state": 1}'.encode("utf-16")), "26 bytes that are no UTF-8"),
        (ORDERS, MalformedHttp("not an answer: SSH", sent=True), "read as HTTP; the first: not an"),
        (ORDERS, HttpResponse(200), "wants state: paid, but the answer has no body"),
        (ORDERS, answer(200, [{"state": "paid"}]), "but the answer is a list; a path into one"),
        (ORDERS, HttpResponse(200, b'{"charged": NaN}'), "the answer is not JSON: invalid charac"),
        (ORDERS, HttpResponse(200, b"[" * 100_000 + b"]" * 100_000), "it is nested too deeply"),
        (ORDERS, answer(302), "302; it has no Location header, so it leads nowhere"),
        (
            ORDERS,
            answer(302, location="http://[::1/"),
            "its Location is not the address of a page: In",
        ),
        (ORDERS, answer(302, location="shop://paid"), "'shop:' is not http: or https:"),
    ],
)
def test_a_doubt_says_what_does_not_fit(pays: str, got: Got, why: str) -> None:
    (problem,) = Trying(pays).gets(got).doubts.problems()
    assert why in problem


def test_a_doubt_is_certain_after_some_payments_of_which_none_fits() -> None:
    doubts = PaymentDoubts()
    for number in range(ENOUGH):
        assert not doubts.are_certain
        doubts.paid.note_unexpected("POST /orders 404", f"the payment {number}")
    assert doubts.are_certain
    assert doubts.problems() == [f"the payment 0 ({ENOUGH} times)"]
    doubts.paid.understood += 1
    assert not doubts.are_certain


def test_looks_that_show_nothing_are_doubted_although_the_payment_was_pending() -> None:
    trying = Trying(ORDERS, patience_s=0.3).gets(OPEN)
    while isinstance(trying.step, Send):
        trying.gets(answer(404))
    (problem,) = trying.doubts.problems()
    assert "no answer to GET /orders/{payment} is approved" in problem
    # A look may come before there is anything to see.
    early = Trying(ORDERS).gets(OPEN).gets(answer(404)).gets(PAID)
    assert early.doubts.problems() == []


def test_an_approval_without_its_amount_is_always_a_problem() -> None:
    trying = Trying(ORDERS).gets(answer(200, {"state": "paid"}))
    assert trying.reply.result is HopResult.APPROVED
    assert "no amount at 'charged'" in trying.doubts.problems()[0]


# -- what the customer does with it ---------------------------------------------------------------
def plan_of(customer: dict[str, Any] | None = None) -> LoadPlan:
    return customers_plan(chain_of(ORDERS, **({"customer": customer} if customer else {})), 1)


ARRIVAL = Arrival(
    number=1,
    at_s=0.0,
    payment="pk3ra0000001",  # a run's prefix may have an r
    amount_minor=1250,
    instrument=TEST_CARDS[0],
    merchant="shop",
    warm_up=False,
)


def recorded(reply: Reply, plan: LoadPlan | None = None) -> PaymentRecord:
    payment = CustomerPayment(plan or plan_of(), ARRIVAL, 0, 0)
    payment.start_try(0)
    payment.end_try(reply, 5 * MS)
    assert payment.retry_ns is None
    return payment.record(5 * MS)


def test_the_customer_record_says_what_was_shown() -> None:
    for got, outcome, shown, is_technical in (
        (PAID, Outcome.APPROVED, "approved", False),
        (answer(402, {"state": "refused", "reason": "51"}), Outcome.DECLINED, "declined", False),
        (answer(402, {"state": "refused", "reason": "91"}), Outcome.DECLINED, "declined", True),
        (answer(404), Outcome.UNKNOWN, "error", True),
        (answer(500), Outcome.UNKNOWN, "error", True),
        (answer(200, {}), Outcome.UNKNOWN, "error", True),
    ):
        record = recorded(Trying(ORDERS).gets(got).reply)
        assert (record.outcome, record.shown, record.technical) == (outcome, shown, is_technical)
    record = recorded(Trying(ORDERS).gets(CallTimeout("late", sent=True)).reply)
    assert (record.outcome, record.shown) == (Outcome.UNKNOWN, "no answer")
    record = recorded(Trying(ORDERS, timeout_s=0.1, patience_s=0.1).gets(OPEN).reply)
    assert (record.outcome, record.shown, record.technical) == (Outcome.UNKNOWN, "pending", True)


def test_the_customer_is_shown_the_amount_of_the_answer() -> None:
    reply = Trying(ORDERS).gets(answer(200, {"state": "paid", "charged": 1000})).reply
    assert recorded(reply).approved_minor == 1000


def test_a_customer_who_sees_that_it_is_pending_neither_repeats_nor_orders_again() -> None:
    in_progress = Trying(ORDERS, timeout_s=0.1, patience_s=0.1).gets(OPEN).reply
    failed = Trying(ORDERS).gets(answer(500)).reply
    for key in ("same", "new"):
        plan = plan_of({"retry": {"after": "1s", "key": key}})
        for reply, repeats in ((in_progress, False), (failed, True)):
            payment = CustomerPayment(plan, ARRIVAL, 0, 0)
            payment.start_try(0)
            payment.end_try(reply, 5 * MS)
            is_repeated = payment.retry_ns is not None or (
                key == "new" and payment.another() is not None
            )
            assert is_repeated == repeats


# -- customers who leave --------------------------------------------------------------------------
LEAVES = {"leaves": {"share": "100%", "after": "500ms", "returns_after": "3s"}}


class Leaving:
    """One payment of a customer who leaves after half a second; times are in ms."""

    def __init__(self, customer: dict[str, Any], pays: str = ORDERS) -> None:
        self.plan = customers_plan(chain_of(pays, customer=customer), 1)
        self.payment = CustomerPayment(self.plan, ARRIVAL, 0, 0)
        self.doubts = PaymentDoubts()

    def tries(self, now_ms: int) -> tuple[Try, ByTemplate, Step]:
        attempt = self.payment.start_try(now_ms * MS)
        assert attempt.entry.pays is not None
        exchange = ByTemplate(attempt.entry.pays, attempt, self.doubts)
        return attempt, exchange, exchange.start(now_ms * MS)

    def ends(self, reply: Step, now_ms: int) -> int | None:
        """When the customer acts next, in ms."""
        assert isinstance(reply, Reply)
        self.payment.end_try(reply, now_ms * MS)
        return None if self.payment.retry_ns is None else self.payment.retry_ns // MS


def test_a_customer_leaves_without_an_answer_comes_back_and_sees_that_it_is_paid() -> None:
    leaving = Leaving(LEAVES)
    _, exchange, step = leaving.tries(0)
    assert isinstance(step, Send)
    assert step.timeout_s == 0.5  # and not the two seconds of the deadline
    late = exchange.receive(CallTimeout("left", sent=True), 500 * MS)
    assert leaving.ends(late, 500) == 3_500
    attempt, exchange, step = leaving.tries(3_500)
    assert isinstance(step, Send)
    assert (step.http.method, step.http.target) == ("GET", "/orders/pk3ra0000001")
    assert attempt.is_look
    step = exchange.receive(OPEN, 3_510 * MS)  # still in progress: looked at again
    assert isinstance(step, Send)
    assert step.at_ns == 3_610 * MS
    assert leaving.ends(exchange.receive(PAID, 3_620 * MS), 3_620) is None
    record = leaving.payment.record(3_620 * MS)
    assert (record.outcome, record.shown) == (Outcome.APPROVED, "approved")
    assert record.ended_ns == 500 * MS  # so long the customer waited
    assert leaving.payment.another() is None
    assert leaving.doubts.problems() == []


def test_a_customer_comes_back_by_the_return_page_once_and_then_looks_as_others_do() -> None:
    leaving = Leaving(LEAVES, ORDERS + 'returns: {get: "/orders/{payment}/return"}\n')
    _, exchange, _ = leaving.tries(0)
    late = exchange.receive(CallTimeout("left", sent=True), 500 * MS)
    assert leaving.ends(late, 500) == 3_500
    _, exchange, step = leaving.tries(3_500)
    targets = []
    for _ in range(3):
        assert isinstance(step, Send)
        targets.append((step.http.method, step.http.target))
        step = exchange.receive(OPEN, max(step.at_ns, 3_500 * MS) + 10 * MS)
    look = ("GET", "/orders/pk3ra0000001")
    assert targets == [("GET", "/orders/pk3ra0000001/return"), look, look]


@pytest.mark.parametrize("tells", [True, False])
def test_who_comes_back_looks_where_the_return_page_says_and_leaves_where_it_does_not(
    tells: bool,
) -> None:
    told = ORDERS.replace("/orders/{payment}", "/orders/{answer.id}")
    assert told != ORDERS
    leaving = Leaving(LEAVES, told + 'returns: {get: "/orders/{payment}/return"}\n')
    _, exchange, _ = leaving.tries(0)
    late = exchange.receive(CallTimeout("left", sent=True), 500 * MS)
    assert leaving.ends(late, 500) == 3_500
    _, exchange, step = leaving.tries(3_500)
    pending = answer(202, {"state": "open", **({"id": "o7"} if tells else {})})
    step = exchange.receive(pending, 3_510 * MS)
    if tells:
        for _ in range(2):
            assert isinstance(step, Send)
            assert step.http.target == "/orders/o7"
            step = exchange.receive(OPEN, step.at_ns + 10 * MS)
        step = exchange.receive(PAID, 4_000 * MS)
    assert isinstance(step, Reply)
    assert step.result is (HopResult.APPROVED if tells else HopResult.UNKNOWN)
    assert leaving.doubts.problems() == []


def test_a_customer_who_stays_away_saw_no_answer() -> None:
    leaving = Leaving({"leaves": {"share": "100%", "after": "500ms"}})
    _, exchange, _ = leaving.tries(0)
    late = exchange.receive(CallTimeout("left", sent=True), 500 * MS)
    assert leaving.ends(late, 500) is None
    record = leaving.payment.record(500 * MS)
    assert (record.outcome, record.shown) == (Outcome.UNKNOWN, "no answer")


def test_a_customer_leaves_a_page_in_progress_and_comes_back_to_it() -> None:
    leaving = Leaving(LEAVES)
    _, exchange, _ = leaving.tries(0)
    step = exchange.receive(OPEN, 10 * MS)
    now_ms = 10
    while isinstance(step, Send):
        now_ms = step.at_ns // MS + 10
        step = exchange.receive(OPEN, now_ms * MS)
    assert 390 < now_ms < 500  # the next look would come after the customer left
    assert leaving.ends(step, now_ms) == 3_500


def test_who_has_an_answer_in_time_does_not_leave() -> None:
    for got in (PAID, answer(402, {"state": "refused", "reason": "51"}), answer(500)):
        leaving = Leaving(LEAVES)
        _, exchange, _ = leaving.tries(0)
        assert leaving.ends(exchange.receive(got, 20 * MS), 20) is None
        assert leaving.payment.record(20 * MS).ended_ns == 20 * MS


def test_a_customer_tries_again_before_leaving_and_not_after() -> None:
    retries = {"retry": {"after": "200ms", "key": "same"}, **LEAVES}
    leaving = Leaving(retries)
    for now_ms, next_ms in ((0, 200), (200, 400), (400, 3_500)):
        _, exchange, step = leaving.tries(now_ms)
        assert isinstance(step, Send)
        end_ms = now_ms + int(step.timeout_s * 1e3)
        late = exchange.receive(CallTimeout("late", sent=True), end_ms * MS)
        assert leaving.ends(late, end_ms) == next_ms


def test_a_share_of_the_customers_leaves() -> None:
    plan = customers_plan(chain_of(ORDERS, customer={"leaves": {"share": "5%", "after": "1s"}}), 1)
    arriving = [msgspec.structs.replace(ARRIVAL, number=number) for number in range(2_000)]
    left = sum(leaves_at_ns(plan, arrival, 0) is not None for arrival in arriving)
    assert 70 <= left <= 130  # 100, and three standard deviations of 9.7
    assert plan.longest_s == plan.deadline_s


def test_further_payments_of_an_order_keep_the_prefix_of_the_run() -> None:
    plan = plan_of({"retry": {"after": "1s", "key": "new"}})
    payment = CustomerPayment(plan, ARRIVAL, 0, 0)
    payment.start_try(0)
    payment.end_try(Trying(ORDERS).gets(answer(500)).reply, 5 * MS)
    further = payment.another()
    assert further is not None
    assert further.arrival.payment == "pk3ra0000001r2"
    again = msgspec.structs.replace(further.arrival, nth=98)
    payment = CustomerPayment(plan, again, 0, 0)
    payment.start_try(0)
    payment.end_try(Trying(ORDERS).gets(answer(500)).reply, 5 * MS)
    last = payment.another()
    assert last is not None
    assert (last.arrival.payment, len(last.arrival.payment + "b")) == ("pk3ra0000001r99", 16)


# -- pages of providers ---------------------------------------------------------------------------
PSP, NEAR = "127.0.0.1:9101", "127.0.0.1:9102"
VISITED = """
steps:
  - {path: /checkout, json: {order: "{payment}"}}
  - {method: GET, path: "{answer.url}"}
approved: {status: 200, where: {state: paid}}
declined: {status: 402}
"""


def shopping(pays: str) -> Trying:
    return Trying(pays, pages={PSP: NEAR, "*.adyen.com": NEAR})


def test_a_customer_who_is_sent_to_a_providers_page_pays_there_and_comes_back() -> None:
    trying = shopping(FORM).gets(answer(303, location=f"http://{PSP}/c/pay/cs_1"))
    assert isinstance(trying.step, Send)
    assert trying.step.to == NEAR
    assert trying.sent[-1][1:] == ("GET", "/c/pay/cs_1?card=tok_visa_4242")
    trying.gets(answer(302, location="/bank?id=1"))  # stays there
    assert (trying.step.to, trying.http.target) == (NEAR, "/bank?id=1&card=tok_visa_4242")
    # A shop may tell the provider any public name of its own.
    trying.gets(answer(303, location="http://localhost:4242/done?o=1"))
    assert (trying.step.to, trying.http.target) == ("", "/done?o=1")


def test_the_address_of_a_page_in_an_answer_is_visited_as_a_step() -> None:
    trying = shopping(VISITED).gets(answer(200, {"url": f"http://{PSP}/c/pay/cs_1"}))
    assert isinstance(trying.step, Send)
    assert (trying.step.to, trying.http.target) == (NEAR, "/c/pay/cs_1?card=tok_visa_4242")
    assert shopping(VISITED).gets(answer(402, "declined")).reply.result is HopResult.DECLINED
    back = trying.gets(answer(303, location="http://127.0.0.1:9001/done")).gets(PAID)
    assert back.reply.result is HopResult.APPROVED


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("thanks", "/v2/thanks"),
        ("../thanks", "/thanks"),
        ("?a=1", "/v2/orders?a=1"),
        ("/thanks?a=1#top", "/thanks?a=1"),
        ("http://127.0.0.1:9001", "/"),
        (12, "/v2/12"),
    ],
)
def test_an_address_in_a_field_leads_where_a_link_of_the_page_does(url: Any, target: str) -> None:
    visits = VISITED.replace("/checkout", "/v2/orders")
    trying = Trying(visits, pages={PSP: NEAR}).gets(answer(200, {"url": url}))
    assert trying.http.target == target


def test_every_look_goes_where_the_pending_answer_leads() -> None:
    pays = ORDERS.replace("/orders/{payment}", "{answer.url}").replace("/orders", "/v2/orders")
    pending = answer(202, {"state": "open", "url": "status/1"})
    trying = Trying(pays).gets(pending).gets(pending).gets(OPEN).gets(PAID)
    assert trying.reply.result is HopResult.APPROVED
    assert [target for _, _, target in trying.sent[1:]] == ["/v2/status/1"] * 3


def test_an_address_of_an_earlier_step_is_relative_to_its_own_answer() -> None:
    between = '  - {path: /pay/card, json: {}}\n  - {method: GET, path: "{answer.url}"}'
    pays = VISITED.replace('  - {method: GET, path: "{answer.url}"}', between)
    pays = pays.replace("/checkout", "/v2/cart/new")
    trying = Trying(pays).gets(answer(200, {"url": "thanks"})).gets(answer(200, {}))
    assert [target for _, _, target in trying.sent] == [
        "/v2/cart/new",
        "/pay/card",
        "/v2/cart/thanks",
    ]
    # A step that was redirected answers from where it was sent to.
    moved = (
        Trying(pays).gets(answer(303, location="/baskets/7/")).gets(answer(200, {"url": "thanks"}))
    )
    assert moved.gets(answer(200, {})).http.target == "/baskets/7/thanks"


def test_an_answer_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[bytes] = []

    def noting(text: bytes) -> Any:
        texts.append(text)
        return decoded(text)

    monkeypatch.setattr(outcomes, "decoded", noting)
    trying = Trying(ORDERS).gets(OPEN).gets(PAID).reply
    assert trying.result is HopResult.APPROVED
    assert texts == [OPEN.body, PAID.body]


def test_a_providers_own_host_names_are_its_pages_too() -> None:
    away = answer(302, location="https://checkoutshopper-test.adyen.com/threeDS?x=1")
    trying = shopping(FORM).gets(away)
    assert isinstance(trying.step, Send)
    assert (trying.step.to, trying.http.target) == (NEAR, "/threeDS?x=1&card=tok_visa_4242")
    elsewhere = answer(302, location="https://adyen.com.example/x")
    assert shopping(FORM).gets(elsewhere).reply.result is HopResult.MALFORMED


def test_cookies_of_the_shop_are_not_for_the_page() -> None:
    leaves = answer(303, location=f"http://{PSP}/c/pay/cs_1", set_cookie="session=1; Path=/")
    trying = shopping(FORM).gets(leaves)
    assert "cookie" not in trying.http.headers
    trying.gets(answer(303, location="/next", set_cookie="psp=1"))
    trying.gets(answer(303, location="http://shop.example/done"))
    assert trying.http.headers["cookie"] == "session=1"
