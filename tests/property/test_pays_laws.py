"""Whatever a template looks like, its requests name their payment, and a run's ids are readable."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from paychain.environment.run_prefix import run_prefix
from paychain.load.traffic.arrivals import again, arrivals, second
from paychain.load.traffic.doubts import PaymentDoubts
from paychain.load.traffic.exchange import Send, Try
from paychain.load.traffic.pays import ByTemplate
from paychain.load.traffic.plan import EntryPlan
from paychain.load.traffic.planning import load_plan
from paychain.model.experiment import Experiment
from paychain.payments.attribution import PaymentIds
from paychain.payments.cards import TEST_CARDS
from paychain.protocol.dialects.relayed import payment_in
from paychain.protocol.message import PaymentRequest
from paychain.protocol.pays.outcomes import read
from paychain.protocol.pays.placeholders import MEANINGS, fill, mistakes_in
from paychain.protocol.pays.requests import Values, written
from paychain.protocol.pays.template import PaysTemplate, RequestTemplate
from paychain.wire.http import HttpResponse, request_head
from tests.support.laws import examples
from tests.support.paid_shop import ORDERS, chain_of, template_of

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="{}"), max_size=12)
URL_TEXT = st.text("abcXYZ019-_.~/", max_size=10)
NAMES = st.sampled_from([f"{{{name}}}" for name in MEANINGS if name != "payment"])
MARK = "{payment}"


@st.composite
def with_mark(draw: Any, text: st.SearchStrategy[str] = TEXT) -> str:
    """A text around {payment}, with other placeholders beside it."""
    others = [draw(NAMES), ""]
    return draw(text) + draw(st.sampled_from(others)) + MARK + draw(text)


@st.composite
def json_with_mark(draw: Any) -> Any:
    """A JSON value with {payment} somewhere in it."""
    value: Any = draw(with_mark())
    for _ in range(draw(st.integers(0, 3))):
        other = draw(st.none() | st.booleans() | st.integers(-9, 9) | TEXT)
        if draw(st.booleans()):
            value = [other, value]
        else:
            value = {"other": other, draw(TEXT.filter(lambda key: key != "other")): value}
    return value


@st.composite
def requests(draw: Any) -> tuple[str, RequestTemplate]:
    """Where {payment} stands, and a request with it there."""
    where = draw(st.sampled_from(["path", "headers", "json", "form", "body"]))
    if where == "path":
        return where, RequestTemplate(path="/" + draw(with_mark(URL_TEXT)))
    if where == "headers":
        text = draw(with_mark(st.text("abc 019-;=", max_size=8))).strip()
        return where, RequestTemplate(path="/", headers={"x-order": text})
    if where == "json":
        return where, RequestTemplate(path="/", kind="json", content=draw(json_with_mark()))
    if where == "form":
        content = {"a": draw(TEXT), "order": draw(with_mark())}
        return where, RequestTemplate(path="/", kind="form", content=content)
    return where, RequestTemplate(path="/", kind="body", content=draw(with_mark()))


PREFIXES = st.integers(0, 4_000_000_000).map(run_prefix)


@given(requests(), PREFIXES, st.integers(0, 9_999_999), TEXT, st.sampled_from(TEST_CARDS))
@examples(100)
def test_a_request_carries_the_payment_wherever_the_template_puts_it(
    drawn: tuple[str, RequestTemplate], prefix: str, number: int, merchant: str, card: Any
) -> None:
    where, template = drawn
    payment = f"{prefix}{number:07d}"
    request = PaymentRequest(payment, 1250, "EUR", card, merchant, key="k")
    http = written(template, Values(PaysTemplate(link="s"), request, 1), "c" * 16)
    request_head(http.method, http.target, "h", len(http.body), http.headers)  # it can be sent
    match where:
        case "path":
            found = unquote(http.target)
        case "headers":
            found = http.headers["x-order"]
        case "json":
            found = json.dumps(json.loads(http.body))
        case "form":
            found = dict(parse_qsl(http.body.decode(), keep_blank_values=True))["order"]
        case _:
            found = http.body.decode()
    assert payment in found
    # Whoever gets it knows its payment from the envelope, whatever the template says.
    assert payment_in(http) == payment
    del http.headers["baggage"]  # it may pass on the trace alone
    assert payment_in(http) == payment


@given(TEXT)
@examples(50)
def test_text_without_placeholders_stays_as_it_is(text: str) -> None:
    assert fill(text, lambda _: "x") == text
    assert list(mistakes_in(text, has_answer=False)) == []


@given(PREFIXES, st.integers(0, 9_999_999), st.integers(1, 98), st.booleans())
@examples(100)
def test_every_id_of_a_run_is_read_back(
    prefix: str, number: int, nth: int, is_second: bool
) -> None:
    plan = load_plan(
        chain_of(ORDERS),
        Experiment.model_validate(
            {"experiment": "x", "load": {"arrivals": "1/s", "before": "1s", "after": "0s"}}
        ),
        1,
    )
    first = next(iter(arrivals(msgspec.structs.replace(plan, id_prefix=prefix))))
    assert first.payment == f"{prefix}0000000"
    arrival = msgspec.structs.replace(first, payment=f"{prefix}{number:07d}")
    if is_second:
        arrival = second(arrival, 1.0, same_key=False)
    arrival = again(msgspec.structs.replace(arrival, nth=arrival.nth + nth - 1))
    payment = arrival.payment
    assert len(payment) <= 16
    assert re.fullmatch(rf"{prefix}{number:07d}b?r{nth + 1}", payment)
    assert again(arrival).payment == payment.removesuffix(f"r{nth + 1}") + f"r{nth + 2}"
    ids = PaymentIds(prefix)
    for text in (payment, f"order {payment}.", f"{{'id':'{payment}'}}", f"{payment}-1"):
        assert ids.in_text(text) == payment


@given(st.integers(100, 599), st.binary(max_size=60))
@examples(100)
def test_no_answer_breaks_the_reading_of_it(status: int, body: bytes) -> None:
    template = template_of(ORDERS)
    request = PaymentRequest("p0000001", 1250, "EUR", TEST_CARDS[0], "m")
    reading = read(template, HttpResponse(status, body), Values(template, request, 1))
    assert reading.pattern is not None or reading.reply is not None


BYTES = st.binary(max_size=40) | st.sampled_from([b"[" * 99_999, b'{"url": "http://[::1/ x"}'])
HEADER = st.text(st.characters(max_codepoint=255, exclude_categories=("Cc",)), max_size=20)
LOCATIONS = HEADER | st.builds("".join, st.lists(st.sampled_from("/:?#[]@. a1ü"), max_size=12))
VISITS = """
steps:
  - {path: /orders, json: {order: "{payment}"}}
  - {method: GET, path: "{answer.url}"}
approved: {where: {state: paid}, amount: {field: charged, unit: minor}}
declined: {status: 402, code: reason}
"""


@given(
    st.lists(
        st.tuples(
            st.sampled_from([200, 204, 302, 307, 402, 500]),
            BYTES | st.builds(lambda url: json.dumps({"url": url}).encode(), LOCATIONS),
            LOCATIONS,
        ),
        min_size=8,
        max_size=8,
    )
)
@examples(300)
def test_whatever_a_service_answers_leads_to_a_request_that_can_be_sent_or_to_an_end(
    answers: list[tuple[int, bytes, str]],
) -> None:
    entry = EntryPlan(link="shop-api", url="http://127.0.0.1:9001", pays=template_of(VISITS))
    request = PaymentRequest("pk3fa0000001", 1250, "EUR", TEST_CARDS[0], "shop")
    doubts = PaymentDoubts()
    exchange = ByTemplate(entry.pays, Try(request, "c" * 16, 2.0, entry, patience_s=2.0), doubts)
    step = exchange.start(0)
    for status, body, location in answers:
        if not isinstance(step, Send):
            break
        assert step.http.target.startswith("/")
        request_head(step.http.method, step.http.target, "shop", 0, step.http.headers)
        step = exchange.receive(HttpResponse(status, body, {"location": location}), step.at_ns)
    for problem in doubts.problems():
        problem.encode()
