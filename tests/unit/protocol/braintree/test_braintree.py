"""Braintree's API in virtual time: what it reads and refuses, keys, faults, and the book's law."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paychain.payments.codes import table
from paychain.payments.journal import Decision, DecisionKind
from paychain.payments.outcome import HopResult
from paychain.protocol.dialects.braintree.api import Braintree
from paychain.protocol.dialects.braintree.documents import (
    MAX_BYTES,
    MAX_DEPTH,
    Rows,
    Unreadable,
    read,
    write,
)
from paychain.protocol.dialects.braintree.tables import (
    errors,
    instruments,
    mapped,
    response_code,
    responses,
)
from paychain.protocol.vendor_cards import passes_luhn
from paychain.wire.http import HttpResponse, WireError
from tests.support.laws import examples
from tests.support.vendor_links import payment
from tests.support.vendor_virtual import VendorVirtual, on_vendor

XML = "application/xml"
HEADERS = {"authorization": "Basic cGF5Y2hhaW46eA==", "content-type": XML}
SALE = {"type": "sale", "amount": "10.00", "payment_method_nonce": "fake-valid-nonce"}


class Answered(msgspec.Struct):
    """A status with the answer's transaction, and the code of the first validation error."""

    status: int
    transaction: dict[str, Any]
    code: str = ""


class BraintreeLinks(VendorVirtual):
    """Asks as a server SDK does."""

    async def post(
        self, path: str, given: dict[str, Any] | bytes, method: str = "POST", **headers: str
    ) -> Answered:
        body = given if isinstance(given, bytes) else write("transaction", given)
        sent = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
        response = await self.ask(method, f"/merchants/m/transactions{path}", body, sent, 2.0)
        return answered(response)

    async def sale(self, number: int = 1, **more: Any) -> Answered:
        return await self.post("", {**SALE, "order_id": payment(number), **more})

    async def follow(self, name: str, what: str, **given: Any) -> Answered:
        method = "POST" if what in ("refund", "reverse", "submit_for_partial_settlement") else "PUT"
        return await self.post(f"/{name}/{what}", given, method)

    async def find(self, name: str) -> Answered:
        return await self.post(f"/{name}", b"", "GET")


def answered(response: HttpResponse) -> Answered:
    if "xml" not in response.headers.get("content-type", ""):
        return Answered(response.status, {})
    found = read(response.body, XML)
    refusal = found.get("api_error_response", {})
    transaction = found.get("transaction") or refusal.get("transaction") or {}
    code = Braintree.classify(response).code if refusal and not transaction else ""
    return Answered(response.status, transaction, code)


def on_braintree(
    scenario: Callable[[BraintreeLinks], Awaitable[None]], dialect: str = "braintree", **more: str
) -> BraintreeLinks:
    links: BraintreeLinks = on_vendor(BraintreeLinks, scenario, dialect, **more)
    return links


@pytest.mark.parametrize(
    "body",
    [
        b"<transaction><amount>1",
        b"<!DOCTYPE t [<!ENTITY a 'b'>]><t>&a;</t>",
        b"<!DOCTYPE t SYSTEM 'file:///etc/passwd'><t/>",
        b"<t>&unknown;</t>",
        b"<a>" * (MAX_DEPTH + 2) + b"</a>" * (MAX_DEPTH + 2),
        b"<t>" + b"<a/>" * 6000 + b"</t>",
        b"<t>" + b"a" * MAX_BYTES + b"</t>",
    ],
)
def test_a_document_that_is_not_safe_or_too_large_is_not_read(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read(body, XML)


@pytest.mark.parametrize(
    ("text", "value"),
    [("-12", -12), ("--1", "--1"), ("²", "²"), ("\u0661", "\u0661"), ("9" * 5000, "9" * 5000)],
)
def test_an_integer_that_is_none_stays_a_text(text: str, value: object) -> None:
    body = f'<search><page type="integer">{text}</page></search>'.encode()
    assert read(body, "application/xml")["search"] == {"page": value}


def test_documents_are_read_as_they_were_written() -> None:
    value = {"a_b": "x < y & 'z' \x00", "true": True, "seven": 7, "none": None, "in": {"d": "é"}}
    expected = {**value, "a_b": "x < y & 'z' "}
    assert read(write("t", value), XML) == {"t": expected}
    rows = b"<t><is type='array'><item>1</item><item>2</item></is><a>1</a><a>2</a></t>"
    assert read(rows, XML) == {"t": {"is": ["1", "2"], "a": ["1", "2"]}}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": ""}, "81502"),
        ({"amount": "1.001"}, "81503"),
        ({"amount": "NaN"}, "81503"),
        ({"amount": "-1.00"}, "81531"),
        ({"amount": "1" + "0" * 15}, "81528"),
        ({"type": "credit"}, "91523"),
        ({"type": ""}, "91524"),
        ({"order_id": "o" * 256}, "91501"),
        ({"payment_method_nonce": ""}, "91508"),
        ({"payment_method_nonce": "nobody's"}, "91565"),
        ({"payment_method_nonce": "fake-luhn-invalid-nonce"}, "81715"),
        ({"payment_method_nonce": "", "payment_method_token": "abc"}, "91518"),
        ({"payment_method_token": "tok_visa_4242"}, "91515"),
        ({"payment_method_nonce": "", "credit_card": {"number": "1234"}}, "81716"),
        ({"payment_method_nonce": "", "credit_card": {"cvv": "123"}}, "81714"),
        ({"payment_method_nonce": "", "credit_card": {"number": "4539578763621486"}}, "81717"),
    ],
)
def test_braintree_refuses_before_any_work(change: dict[str, Any], code: str) -> None:
    async def scenario(links: BraintreeLinks) -> None:
        refused = await links.sale(**change)
        assert (refused.status, refused.code) == (422, code)
        assert (await links.sale()).transaction["status"] == "authorized"

    links = on_braintree(scenario)
    assert links.booked() == [("authorised", 1000)]
    assert [hop.result for hop in links.hops()] == [HopResult.REJECTED, HopResult.APPROVED]


def test_strangers_other_merchants_and_other_paths_are_refused() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        body = write("transaction", SALE)
        stranger = await links.ask("POST", "/merchants/m/transactions", body, {})
        assert stranger.status == 401
        for path in ("/merchants/other/transactions", "/merchants/m/subscriptions", "/graphs"):
            assert (await links.ask("POST", path, body, HEADERS)).status == 404
        assert (await links.post("", b"<transaction>")).status == 400
        assert (await links.find("nothing")).status == 404

    assert on_braintree(scenario, "{braintree: {merchant_id: m}}").booked() == []


def test_json_is_read_as_the_node_sdk_sends_it() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        given = {**SALE, "order_id": payment(1), "options": {"submit_for_settlement": True}}
        body = msgspec.json.encode({"transaction": {**given, "api_request_key": "k"}})
        for _ in range(2):
            sale = await links.post("", body, content_type="application/json")
            assert (sale.status, sale.transaction["status"]) == (201, "submitted_for_settlement")

    links = on_braintree(scenario)
    assert links.booked() == [("authorised", 1000), ("captured", 1000)]
    assert {hop.payment for hop in links.hops()} == {payment(1)}


def test_the_merchant_account_is_no_merchant_of_the_chain_and_names_no_currency() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        sale = await links.sale(merchant_account_id="acme_usd")
        assert sale.transaction["merchant_account_id"] == "acme_usd"
        assert sale.transaction["currency_iso_code"] == "EUR"

    assert on_braintree(scenario).booked() == [("authorised", 1000)]


def test_an_error_after_the_work_and_its_key_again() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        links.inject("http_error", status=500, after_work=True)
        assert (await links.sale(api_request_key="k")).status == 500
        links.heal("http_error")
        again = await links.sale(api_request_key="k")
        assert (again.status, again.transaction["status"]) == (201, "authorized")
        links.inject("http_error", status=500, after_work=True)
        submitted = await links.follow(
            again.transaction["id"], "submit_for_settlement", api_request_key="s"
        )
        assert submitted.status == 500
        links.heal("http_error")
        submitted = await links.follow(
            again.transaction["id"], "submit_for_settlement", api_request_key="s"
        )
        assert submitted.transaction["status"] == "submitted_for_settlement"

    assert on_braintree(scenario).booked() == [("authorised", 1000), ("captured", 1000)]


def test_an_error_in_place_of_the_work_and_its_key_again() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        links.inject("http_error", status=500)
        assert (await links.sale(api_request_key="k")).status == 500
        links.heal("http_error")
        done = await links.sale(api_request_key="k")
        assert (done.status, done.transaction["status"]) == (201, "authorized")
        again = await links.sale(api_request_key="k")
        assert again.transaction["id"] == done.transaction["id"]
        name = done.transaction["id"]
        links.inject("http_error", status=500)
        assert (await links.follow(name, "submit_for_settlement", api_request_key="s")).status == (
            500
        )
        links.heal("http_error")
        for _ in range(2):
            submitted = await links.follow(name, "submit_for_settlement", api_request_key="s")
            assert submitted.transaction["status"] == "submitted_for_settlement"

    links = on_braintree(scenario)
    assert links.booked() == [("authorised", 1000), ("captured", 1000)]
    assert {hop.attempt for hop in links.hops()} == {1}


def test_a_lost_answer_is_found_by_the_order_or_the_key() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.sale(api_request_key="k")
        links.heal("lost_answer")
        term = write("search", {"order_id": {"is": payment(1)}})
        path = "/merchants/m/transactions/advanced_search_ids"
        found = read((await links.ask("POST", path, term, HEADERS)).body, XML)
        [name] = found["search_results"]["ids"]
        assert (await links.find(name)).transaction["status"] == "authorized"
        assert (await links.sale(api_request_key="k")).transaction["id"] == name

    assert on_braintree(scenario).booked() == [("authorised", 1000)]


def test_only_the_wrong_answer_names_another_transaction() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        links.inject("wrong_answer", says="another_payment")
        wrong = (await links.sale(api_request_key="k")).transaction["id"]
        links.heal("wrong_answer")
        again = (await links.sale(api_request_key="k")).transaction
        assert (again["status"], again["id"] != wrong) == ("authorized", True)
        term = write("search", {"order_id": {"is": payment(1)}})
        path = "/merchants/m/transactions/advanced_search_ids"
        found = read((await links.ask("POST", path, term, HEADERS)).body, XML)
        assert found["search_results"]["ids"] == [again["id"]]

    assert on_braintree(scenario).booked() == [("authorised", 1000)]


def test_a_search_brings_pages_of_any_number_of_transactions() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        for number in range(60):
            await links.sale(number)
        term = write("search", {"status": Rows("item", ["authorized"])})
        path = "/merchants/m/transactions/advanced_search"
        ids = read((await links.ask("POST", f"{path}_ids", term, HEADERS)).body, XML)
        assert len(ids["search_results"]["ids"]) == 60
        page = await links.ask("POST", path, term, HEADERS)
        found = read(page.body, XML, is_own=True)["credit_card_transactions"]
        assert len(found["transaction"]) == found["page_size"] == 50

    assert {hop.result for hop in on_braintree(scenario).hops()} == {HopResult.APPROVED}


def test_what_the_processor_does_not_answer_is_a_gateway_timeout() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        links.inject("lost_answer", link="issuer")
        assert (await links.sale(api_request_key="k")).status == 504

    late = "authorise: {to: issuer, timeout: 500ms, on_unknown: give_up}"
    links: BraintreeLinks = on_vendor(
        lambda text: BraintreeLinks(text.replace("authorise: {to: issuer}", late)),
        scenario,
        "braintree",
    )
    assert [hop.result for hop in links.hops()] == [HopResult.HTTP_ERROR]


def test_a_part_is_approved_for_who_accepts_parts() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        part = await links.sale(
            accept_partial_authorization=True, options={"submit_for_settlement": True}
        )
        assert part.transaction["processor_response_code"] == "1004"
        assert part.transaction["amount"] == "5.00"
        assert part.transaction["status"] == "submitted_for_settlement"

    links = on_braintree(scenario, issuer="partial_approvals: {share: 100%, of: 50%}")
    assert links.booked() == [("authorised", 500), ("captured", 500)]


def test_a_soft_decline_asks_for_authentication() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        declined = await links.sale()
        assert (declined.status, declined.transaction["processor_response_code"]) == (422, "2099")
        passed = {"eci_flag": "05", "cavv": "x"}
        assert (await links.sale(three_d_secure_pass_thru=passed)).status == 201

    assert on_braintree(scenario, issuer="soft_declines: {share: 100%}").booked() == [
        ("authorised", 1000)
    ]


def test_amounts_bring_declines_about_only_where_that_is_declared() -> None:
    async def ordinary(links: BraintreeLinks) -> None:
        assert (await links.sale(amount="2001.00")).transaction["status"] == "authorized"

    async def simulated(links: BraintreeLinks) -> None:
        for amount, status in (
            ("1999.99", "authorized"),
            ("2001.50", "processor_declined"),
            ("3000.99", "failed"),
            ("3001.00", "authorized"),
            ("5001.00", "gateway_rejected"),
        ):
            assert (await links.sale(amount=amount)).transaction["status"] == status

    on_braintree(ordinary)
    on_braintree(simulated, "{braintree: {test_amounts: simulate}}")


def test_settlement_at_once_reports_each_settlement() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        parent = (await links.sale()).transaction["id"]
        for amount in ("4.00", "6.00"):
            await links.follow(parent, "submit_for_partial_settlement", amount=amount)
        assert (await links.find(parent)).transaction["status"] == "settled"

    links = on_braintree(scenario, "{braintree: {settlement: at_once}}")
    assert len(links.webhooks) == 2
    assert all(b"bt_signature=paychain%7C" in http.body for http in links.webhooks)


@pytest.mark.parametrize(
    ("setting", "merchant"), [("", "paychain"), (", merchant_id: shop", "shop")]
)
def test_a_webhook_names_the_merchant_where_the_request_did_not(
    setting: str, merchant: str
) -> None:
    order = {"amount": "10.00", "orderId": payment(1)}
    pays = {"paymentMethodId": "fake-valid-visa-nonce", "transaction": order}
    charge = "mutation ($input: I!) { chargePaymentMethod(input: $input) { transaction { id } } }"

    async def scenario(links: BraintreeLinks) -> None:
        headers = {"authorization": "Bearer test", "content-type": "application/json"}
        body = msgspec.json.encode({"query": charge, "variables": {"input": pays}})
        await links.ask("POST", "/graphql", body, headers)

    links = on_braintree(scenario, f"{{braintree: {{settlement: at_once{setting}}}}}")
    form = parse_qs(links.webhooks[-1].body.decode())
    notification = read(base64.b64decode(form["bt_payload"][0]), XML)["notification"]
    assert notification["source_merchant_id"] == merchant


def test_what_nobody_submits_expires() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        name = (await links.sale()).transaction["id"]
        await asyncio.sleep(10.0)
        assert (await links.find(name)).transaction["status"] == "authorization_expired"

    assert on_braintree(scenario, psp="expires_after: 5s").webhooks == []


@pytest.mark.parametrize("status", [422, 429, 500, 503, 504])
def test_an_injected_error_is_braintrees_own(status: int) -> None:
    async def scenario(links: BraintreeLinks) -> None:
        links.inject("http_error", status=status)
        assert (await links.sale()).status == status

    assert on_braintree(scenario).booked() == []


def test_a_garbled_answer_is_broken_xml() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        links.inject("malformed")
        response = await links.ask(
            "POST", "/merchants/m/transactions", write("transaction", SALE), HEADERS
        )
        with pytest.raises(Unreadable):
            read(response.body, XML)

    assert [hop.result for hop in on_braintree(scenario).hops()] == [HopResult.MALFORMED]


def test_what_is_taken_no_notice_of_is_reported_once() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        for number in (1, 2):
            await links.sale(number, tax_amount="1.00", options={"skip_avs": True})

    found = [
        record.detail
        for record in on_braintree(scenario).journal
        if isinstance(record, Decision) and record.kind is DecisionKind.PARAMETER_IGNORED
    ]
    assert sorted(found) == ["options.skip_avs", "tax_amount"]


def test_a_link_without_keys_makes_each_repeat_anew() -> None:
    async def scenario(links: BraintreeLinks) -> None:
        names = [(await links.sale(api_request_key="k")).transaction["id"] for _ in range(2)]
        assert len(set(names)) == 2
        for name in names:
            done = await links.follow(name, "submit_for_settlement", api_request_key="s")
            assert done.transaction["status"] == "submitted_for_settlement"

    links = on_braintree(scenario, psp="idempotency: none")
    assert sorted(links.booked()) == [("authorised", 1000)] * 2 + [("captured", 1000)] * 2


def test_the_tables_are_whole() -> None:
    assert set(mapped().values()) <= set(responses())
    assert set(mapped()) <= set(table())
    assert {line.declined_as for line in responses().values()} - {""} <= set(table())
    for code, line in table().items():
        if line.kind != "approval":
            assert (response_code(code, "visa") == "3000") == (line.kind == "technical")
    assert all(passes_luhn(number) for number in instruments().numbers)


def test_every_code_is_one_of_the_sdks() -> None:
    codes = pytest.importorskip("braintree").ErrorCodes
    known = {
        value
        for group in (codes.Transaction, codes.CreditCard, codes.Customer)
        for value in vars(group).values()
        if isinstance(value, str)
    }
    assert {line.code for line in errors().values()} <= known


_amounts = st.integers(1, 700).map(lambda minor: f"{minor / 100:.2f}")
_step = st.one_of(
    st.tuples(st.sampled_from(["submit_for_partial_settlement", "refund"]), _amounts),
    st.tuples(st.just("submit_for_settlement"), st.one_of(st.just(""), _amounts)),
    st.tuples(st.sampled_from(["void", "reverse", "settle"]), st.just("")),
)
_steps = st.lists(
    st.tuples(
        _step,
        st.sampled_from(["", "k1", "k2"]),
        st.sampled_from([0.0, 0.003, 0.02]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=9,
)


@examples(60)
@given(_steps, st.booleans(), st.sampled_from(["", "http_error", "lost_answer"]))
def test_whatever_is_asked_the_book_keeps_its_law(
    steps: list[tuple[tuple[str, str], str, float, int]], is_sale: bool, fault: str
) -> None:
    async def scenario(links: BraintreeLinks) -> None:
        sale = await links.sale(options={"submit_for_settlement": is_sale})
        names = [sale.transaction["id"]]
        if fault:
            more = {"status": 500, "after_work": True} if fault == "http_error" else {}
            links.inject(fault, share="30%", **more)

        async def ask(what: str, amount: str, key: str, which: int) -> None:
            given = {"amount": amount, "api_request_key": key}
            try:
                done = await links.follow(names[which % len(names)], what, **given)
            except WireError:
                return
            assert done.status in (200, 201, 422, 500)
            name = done.transaction.get("id")
            if name and name not in names:
                names.append(name)

        asked = []
        for (what, amount), key, pause, which in steps:
            asked.append(asyncio.ensure_future(ask(what, amount, key, which)))
            await asyncio.sleep(pause)
        await asyncio.gather(*asked)
        links.heal(fault)
        for name in names:
            found = await links.find(name)
            assert (found.status, found.transaction["id"]) == (200, name)

    on_braintree(scenario).assert_books_keep_the_law()


def test_a_charge_back_is_a_dispute_by_webhook() -> None:
    sold: list[str] = []

    async def scenario(links: BraintreeLinks) -> None:
        sale = await links.sale(options={"submit_for_settlement": True})
        sold.append(sale.transaction["id"])
        await asyncio.sleep(3.0)

    links = on_braintree(scenario, issuer="disputes: {share: 100%, after: 1s}")
    form = parse_qs(links.webhooks[-1].body.decode())
    notification = read(base64.b64decode(form["bt_payload"][0]), XML)["notification"]
    dispute = notification["subject"]["dispute"]
    assert (notification["kind"], dispute["kind"]) == ("dispute_opened", "chargeback")
    assert (dispute["transaction"]["id"], dispute["transaction"]["order_id"]) == (
        sold[0],
        payment(1),
    )
    assert (dispute["amount_disputed"], dispute["currency_iso_code"]) == ("10.00", "EUR")
    assert dispute["status_history"][0]["status"] == dispute["status"] == "open"
    assert dispute["reply_by_date"] > dispute["received_date"] == dispute["date_opened"]
