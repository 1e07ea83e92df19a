"""A payment as a request to an own service, and what an answer says about it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from paychain.payments.cards import TEST_CARDS
from paychain.payments.outcome import HopResult
from paychain.protocol.message import PaymentRequest
from paychain.protocol.pays.json_path import find, parse_path
from paychain.protocol.pays.outcomes import quoted, read
from paychain.protocol.pays.placeholders import MEANINGS
from paychain.protocol.pays.requests import Given, Unfilled, Values, written
from paychain.protocol.pays.template import PaysTemplate, RequestTemplate
from paychain.wire.http import HttpRequest, HttpResponse
from tests.support.paid_shop import ORDERS, template_of

PAYMENT = PaymentRequest(
    "pk3fa0000042", 1250, "EUR", TEST_CARDS[0], "Müller & Söhne", key="k-1", order="pk3fa0000041"
)
SPAN = "c000000000000001"


def sent(
    request: dict[str, Any], *answers: Given, payment: PaymentRequest = PAYMENT
) -> HttpRequest:
    template = PaysTemplate(link="shop-api")
    return written(RequestTemplate(**request), Values(template, payment, 2), SPAN, answers)


def answered(status: int, body: object = None, **headers: str) -> HttpResponse:
    data = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    return HttpResponse(status, data if body is not None else b"", headers)


def reading(pays: str, response: HttpResponse, **more: Any) -> tuple[HopResult | None, str, str]:
    template = template_of(pays, **more)
    found = read(template, response, Values(template, PAYMENT, 1))
    reply = found.reply
    return (reply.result if reply else None), (reply.code if reply else ""), found.problem


def test_every_placeholder_has_the_value_of_the_payment() -> None:
    names = [
        *("payment", "order", "amount", "amount_minor", "currency", "merchant", "key", "attempt"),
        *("card.number", "card.token", "card.expiry_month", "card.expiry_year", "card.cvc"),
        *("card.holder", "card.scheme"),
    ]
    assert set(names) == set(MEANINGS)
    content = {name: f"{{{name}}}" for name in names}
    http = sent({"path": "/", "kind": "json", "content": content})
    assert msgspec.json.decode(http.body) == {
        "payment": "pk3fa0000042",
        "order": "pk3fa0000041",
        "amount": "12.50",  # 1250 minor units of a currency with two decimals
        "amount_minor": 1250,
        "currency": "EUR",
        "card.number": "4242424242424242",
        "card.token": "tok_visa_4242",
        "card.expiry_month": "03",
        "card.expiry_year": "2030",
        "card.cvc": "737",
        "card.holder": "Test Customer",
        "card.scheme": "visa",
        "merchant": "Müller & Söhne",
        "key": "k-1",
        "attempt": 2,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{amount:number}", 12.5),
        ("{amount_minor:text}", "1250"),
        ("{card.expiry_month:number}", 3),
        ("{currency:lower}", "eur"),
        ("{card.scheme:upper}", "VISA"),
        ("order {payment}", "order pk3fa0000042"),
        ("{{payment}}", "{payment}"),
        ("{answer.items[0].id}", 7),
        ("{answer.items}", [{"id": 7}]),
        ("id-{answer.items[0].id}", "id-7"),
    ],
)
def test_a_placeholder_may_say_how_it_is_written(text: str, value: object) -> None:
    http = sent({"path": "/", "kind": "json", "content": text}, Given({"items": [{"id": 7}]}))
    assert msgspec.json.decode(http.body) == value


def test_an_amount_has_the_decimals_of_its_currency() -> None:
    for currency, text in (("JPY", "1250"), ("KWD", "1.250")):
        payment = msgspec.structs.replace(PAYMENT, currency=currency)
        http = sent({"path": "/", "kind": "json", "content": "{amount}"}, payment=payment)
        assert msgspec.json.decode(http.body) == text


def test_values_are_encoded_for_where_they_are_written() -> None:
    http = sent(
        {
            "path": "/pay/{merchant}?order={payment}",
            "headers": {"X-Merchant": "{merchant}"},
            "kind": "form",
            "content": {"card[number]": "{card.number}", "shop": "{merchant}"},
        }
    )
    assert http.target == "/pay/M%C3%BCller%20%26%20S%C3%B6hne?order=pk3fa0000042"
    assert (
        http.headers["x-merchant"] == "M%C3%BCller & S%C3%B6hne"
    )  # as ASCII: headers have no more
    assert http.body == b"card%5Bnumber%5D=4242424242424242&shop=M%C3%BCller+%26+S%C3%B6hne"
    assert http.headers["content-type"] == "application/x-www-form-urlencoded"


def test_text_with_other_braces_stays_as_it_is() -> None:
    body = 'mutation { pay(order: "{payment}") { id state } }'
    http = sent({"path": "/graphql", "kind": "body", "content": body})
    assert http.body == b'mutation { pay(order: "pk3fa0000042") { id state } }'


def test_every_request_names_its_payment_in_trace_and_baggage_and_has_a_key_only_on_request() -> (
    None
):
    plain = sent(
        {
            "path": "/pay",
            "headers": {"Content-Type": "text/xml"},
            "kind": "body",
            "content": "<pay/>",
        }
    )
    # The trace id is the id's bytes in hex, padded to 32 digits.
    assert plain.headers == {
        "content-type": "text/xml",
        "traceparent": f"00-{b'pk3fa0000042'.hex():0>32}-{SPAN}-01",
        "baggage": "payment=pk3fa0000042",
        "user-agent": "customer",
    }
    keyed = sent({"path": "/pay", "headers": {"Idempotency-Key": "{key}"}})
    assert keyed.headers["idempotency-key"] == "k-1"


def test_the_newest_answer_that_has_a_field_gives_it() -> None:
    answers = [Given({"cart": "c1", "id": 1}, "/carts/c1"), Given({"id": 2})]
    http = sent({"path": "/carts/{answer.cart}/{answer.id}"}, *answers)
    assert http.target == "/carts/c1/2"
    assert sent({"path": "{location}/pay"}, *answers).target == "/carts/c1/pay"
    with pytest.raises(Unfilled, match="token"):
        sent({"path": "/{answer.token}"}, *answers)


@pytest.mark.parametrize(
    ("response", "result", "code"),
    [
        (answered(200, {"state": "paid", "charged": 1250}), HopResult.APPROVED, "00"),
        (answered(201, {"state": "paid", "charged": "1250"}), HopResult.APPROVED, "00"),
        (answered(402, {"state": "refused", "reason": "51"}), HopResult.DECLINED, "51"),
        (answered(402, {"state": "refused", "reason": "91"}), HopResult.TECHNICAL, "91"),
        (answered(202, {"state": "open"}), None, ""),
        # A status that is declared, but not this body; errors that nobody declared.
        (answered(200, {"state": "refused"}), HopResult.MALFORMED, "200"),
        (answered(200, "<html>"), HopResult.MALFORMED, "200 not JSON"),
        (answered(402, {"state": "paid"}), HopResult.HTTP_ERROR, "402"),
        (answered(404, {"error": "no such order"}), HopResult.HTTP_ERROR, "404"),
        (answered(422), HopResult.HTTP_ERROR, "422"),
        (answered(500, {"state": "paid"}), HopResult.HTTP_ERROR, "500"),
    ],
)
def test_an_answer_says_what_is_declared_and_nothing_else_proves_anything(
    response: HttpResponse, result: HopResult | None, code: str
) -> None:
    assert reading(ORDERS, response) == (result, code, "")
    if result is HopResult.HTTP_ERROR:
        assert result.leaves_unknown


def test_an_error_that_is_declared_as_rejected_proves_that_nothing_was_done() -> None:
    pays = ORDERS + "rejected: {status: [400, 429]}\n"
    assert reading(pays, answered(429)) == (HopResult.REJECTED, "429", "")
    assert reading(pays, answered(422)) == (HopResult.HTTP_ERROR, "422", "")


def test_one_of_several_alternatives_is_enough() -> None:
    pays = """
request: {path: "/pay/{payment}"}
approved: [{status: 201}, {where: {payment.state: [paid, completed]}}]
declined:
  - {status: 402}
  - {status: 503, where: {error: psp_unavailable}, technical: true}
  - {contains: "Sorry"}
"""
    for response, result in (
        (answered(201), HopResult.APPROVED),
        (answered(200, {"payment": {"state": "completed"}}), HopResult.APPROVED),
        (answered(200, {"payment": {"state": "open"}}), HopResult.MALFORMED),
        (answered(402), HopResult.DECLINED),
        (answered(503, {"error": "psp_unavailable"}), HopResult.TECHNICAL),
        (answered(503), HopResult.HTTP_ERROR),
        (answered(200, "<h1>Sorry, no</h1>"), HopResult.DECLINED),
    ):
        assert reading(pays, response)[0] is result


@pytest.mark.parametrize(
    ("wanted", "found", "agrees"),
    [
        ("true", True, True),
        ("true", False, False),
        ("'00'", "00", True),
        ("0", 0, True),
        ("0", "0", True),
        ("[1, 2]", 2, True),
        ("null", None, True),
        ("null", "x", False),
        ('"{payment}"', "pk3fa0000042", True),
        ('"{payment}"', "p0000001", False),
        ("paid", {"paid": 1}, False),
    ],
)
def test_values_are_compared_as_they_are_written(wanted: str, found: Any, agrees: bool) -> None:
    pays = (
        f'request: {{path: "/{{payment}}"}}\ndeclined: {{status: 402}}\n'
        f"approved: {{where: {{$.a.b: {wanted}}}}}"
    )
    result, _, _ = reading(pays, answered(200, {"a": {"b": found}}))
    assert (result is HopResult.APPROVED) == agrees


@pytest.mark.parametrize(
    ("charged", "unit", "minor"),
    [
        (1250, "minor", 1250),
        ("12.50", "decimal", 1250),
        (12.5, "decimal", 1250),
        (1000, "minor", 1000),  # less than was asked for: the customer sees 10.00
    ],
)
def test_the_amount_is_read_in_its_unit(charged: object, unit: str, minor: int) -> None:
    pays = ORDERS.replace("amount: charged", f"amount: {{field: charged, unit: {unit}}}")
    template = template_of(pays)
    found = read(
        template, answered(200, {"state": "paid", "charged": charged}), Values(template, PAYMENT, 1)
    )
    assert found.reply is not None
    assert found.reply.answer is not None
    assert (found.reply.answer.amount_minor, found.problem) == (minor, "")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"state": "paid"}, "approved answers have no amount at 'charged'"),
        ({"state": "paid", "charged": "lots"}, "the amount at 'charged' cannot be read"),
        ({"state": "paid", "charged": 12.5}, "not a whole number of minor units"),
        ({"state": "paid", "charged": -3}, "is not above 0"),
        ({"state": "paid", "charged": "NaN"}, "'NaN' is not a whole number of minor units"),
        ({"state": "paid", "charged": "1_000"}, "'1_000' is not a whole number"),
        ({"state": "paid", "charged": "١٢"}, "is not a whole number"),
        ({"state": "paid", "charged": "1e999999999"}, "is not a whole number"),  # takes hours
        ({"state": "paid", "charged": 2**63}, "too large; the largest is 9223372036854775807"),
        ('{"state": "paid", "charged": 1250, "charged": 1}', "have 'charged' more than once"),
        ('{"state": "new", "state": "paid", "charged": 1}', "have 'state' more than once"),
    ],
)
def test_an_amount_that_is_missing_or_wrong_is_reported(body: object, problem: str) -> None:
    result, _, found = reading(ORDERS, answered(200, body))
    assert result is HopResult.APPROVED
    assert problem in found


def test_a_chain_says_what_the_codes_of_its_shop_mean() -> None:
    response = answered(402, {"state": "refused", "reason": "T1"})
    assert reading(ORDERS, response)[0] is HopResult.DECLINED
    codes = {"T1": {"class": "technical"}}
    assert reading(ORDERS, response, codes=codes)[0] is HopResult.TECHNICAL


def test_a_name_that_different_objects_have_is_no_repetition() -> None:
    body = '{"state": "paid", "charged": 1250, "card": {"state": "ok", "charged": 0}}'
    assert reading(ORDERS, answered(200, body)) == (HopResult.APPROVED, "00", "")


def test_a_code_is_one_line_that_every_report_can_hold() -> None:
    reason = "no\u0000 \u001b[31mfunds\n\u202e" + "x" * 100
    _, code, _ = reading(ORDERS, answered(402, {"state": "refused", "reason": reason}))
    assert code == ("no [31mfunds " + "x" * 100)[:60]


def test_no_card_number_gets_into_a_code_or_a_message() -> None:
    reason = "card 4242 4242 4242 4242 refused"
    _, code, _ = reading(ORDERS, answered(402, {"state": "refused", "reason": reason}))
    assert code == "card … refused"
    assert "4242" not in quoted(answered(200, {"card": "4242424242424242"}))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.a.b", 1),
        ("a.b", 1),
        ("list[1].id", 9),
        ("['odd.name']", 2),
        ("a.c", None),
        ("list[7]", None),
        ("a[0]", None),
    ],
)
def test_a_path_leads_to_a_value(path: str, value: object) -> None:
    answer = {"a": {"b": 1}, "list": [0, {"id": 9}], "odd.name": 2}
    assert find(answer, parse_path(path)) == value


@pytest.mark.parametrize("path", ["", "a..b", "a b", "a[x]", "*"])
def test_a_path_that_is_none_is_a_mistake(path: str) -> None:
    with pytest.raises(ValueError, match=r"; write"):
        parse_path(path)
