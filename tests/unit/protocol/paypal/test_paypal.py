"""PayPal's API in virtual time: what it reads and refuses, keys, faults, and the book's law."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paychain.payments.codes import table
from paychain.payments.exchanges import ReceivedRequest
from paychain.payments.journal import Decision, DecisionKind
from paychain.payments.outcome import HopResult
from paychain.protocol.dialects.paypal.tables import (
    TECHNICAL,
    issues,
    response_code,
    responses,
)
from paychain.protocol.vendor_cards import passes_luhn
from paychain.wire.http import WireError
from tests.support.laws import examples
from tests.support.vendor_links import payment
from tests.support.vendor_virtual import VendorVirtual, on_vendor

CARD = {"number": "4111111111111111", "expiry": "2030-03"}
BEARER = {"authorization": "Bearer A21AA", "prefer": "return=representation"}


class Answered(msgspec.Struct):
    """A status with the JSON of the body."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def issue(self) -> str:
        return str(self.body["details"][0]["issue"])

    @property
    def paid(self) -> dict[str, Any]:
        """The payments of an order."""
        payments: dict[str, Any] = self.body["purchase_units"][0]["payments"]
        return payments


class PayPalLinks(VendorVirtual):
    """Asks as an SDK with a token does."""

    async def send(
        self, path: str, body: Any = None, key: str = "", method: str = "POST", **headers: str
    ) -> Answered:
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        )
        sent = {**BEARER, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if key:
            sent["paypal-request-id"] = key
        response = await self.ask(method, path, raw, sent, 2.0)
        decoded = msgspec.json.decode(response.body) if response.body else {}
        return Answered(response.status, decoded, response.headers)

    async def order(
        self, number: int = 1, key: str = "o", *, intent: str = "CAPTURE", **changes: Any
    ) -> Answered:
        unit = {
            "amount": {"currency_code": "EUR", "value": "10.00"},
            "custom_id": payment(number),
        }
        body = {
            "intent": intent,
            "purchase_units": [unit],
            "payment_source": {"card": CARD},
            **changes,
        }
        return await self.send("/v2/checkout/orders", body, key)

    async def get(self, path: str) -> Answered:
        return await self.send(path, method="GET")


def on_paypal(
    scenario: Callable[[PayPalLinks], Awaitable[None]], dialect: str = "paypal", **more: str
) -> PayPalLinks:
    links: PayPalLinks = on_vendor(PayPalLinks, scenario, dialect, **more)
    return links


def amount(value: str, currency: str = "EUR") -> dict[str, Any]:
    return {"amount": {"currency_code": currency, "value": value}}


@pytest.mark.parametrize(
    ("change", "status", "issue"),
    [
        ({"intent": ""}, 400, "MISSING_REQUIRED_PARAMETER"),
        ({"intent": "SAVE"}, 400, "INVALID_PARAMETER_VALUE"),
        ({"purchase_units": []}, 400, "MISSING_REQUIRED_PARAMETER"),
        ({"purchase_units": [amount("1.00")] * 2}, 422, "REFERENCE_ID_REQUIRED"),
        ({"purchase_units": [amount("1.001")]}, 422, "DECIMAL_PRECISION"),
        ({"purchase_units": [amount("ten")]}, 400, "INVALID_PARAMETER_SYNTAX"),
        ({"purchase_units": [amount("-1.00")]}, 422, "CANNOT_BE_ZERO_OR_NEGATIVE"),
        ({"purchase_units": [amount("1" + "0" * 15)]}, 422, "MAX_VALUE_EXCEEDED"),
        ({"purchase_units": [amount("1.00", "EURO")]}, 400, "INVALID_CURRENCY_CODE"),
        ({"payment_source": {"card": {}}}, 400, "MISSING_REQUIRED_PARAMETER"),
        ({"payment_source": {"card": {"number": "4539578763621486"}}}, 422, "CARD_NUMBER_INVALID"),
        ({"payment_source": {"token": {"id": "nobody's"}}}, 404, "INVALID_RESOURCE_ID"),
    ],
)
def test_paypal_refuses_before_any_work(change: dict[str, Any], status: int, issue: str) -> None:
    async def scenario(links: PayPalLinks) -> None:
        refused = await links.order(**change)
        assert (refused.status, refused.issue) == (status, issue)
        assert refused.headers["paypal-debug-id"] == refused.body["debug_id"]
        # The key is not used up: the corrected request is executed.
        assert (await links.order()).paid["captures"][0]["status"] == "COMPLETED"

    links = on_paypal(scenario)
    assert links.booked() == [("authorised", 1000), ("captured", 1000)]
    assert [hop.result for hop in links.hops()] == [HopResult.REJECTED, HopResult.APPROVED]


@pytest.mark.parametrize(
    ("intent", "kind"), [("CAPTURE", "captures"), ("AUTHORIZE", "authorizations")]
)
def test_a_payment_is_named_as_paypal_shows_it(intent: str, kind: str) -> None:
    ids: list[str] = []

    async def scenario(links: PayPalLinks) -> None:
        ids.append((await links.order(intent=intent)).paid[kind][0]["id"])

    links = on_paypal(scenario)
    received = [each for each in links.journal if isinstance(each, ReceivedRequest)]
    assert [each.named for each in received if each.payment] == ids


def test_a_token_comes_first() -> None:
    async def scenario(links: PayPalLinks) -> None:
        path = "/v1/oauth2/token"
        body = b"grant_type=client_credentials"
        stranger = await links.ask("POST", path, body, {})
        assert (stranger.status, b"invalid_client" in stranger.body) == (401, True)
        token = await links.ask("POST", path, body, {"authorization": "Basic YTpi"})
        assert msgspec.json.decode(token.body)["token_type"] == "Bearer"
        without = await links.ask("GET", "/v2/checkout/orders/X", b"", {})
        assert (without.status, b"invalid_token" in without.body) == (401, True)
        assert (await links.get("/v2/checkout/orders/X")).issue == "INVALID_RESOURCE_ID"
        assert (await links.send("/v2/invoices", {})).status == 404
        broken = await links.send("/v2/checkout/orders", b"{")
        assert (broken.status, broken.issue) == (400, "MALFORMED_REQUEST_JSON")

    assert on_paypal(scenario).booked() == []


def test_a_minimal_answer_has_id_status_and_links() -> None:
    async def scenario(links: PayPalLinks) -> None:
        unit = {**amount("1.00"), "custom_id": payment(1)}
        body = {"intent": "CAPTURE", "purchase_units": [unit]}
        made = await links.send("/v2/checkout/orders", body, prefer="return=minimal")
        assert set(made.body) == {"id", "status", "links"}

    on_paypal(scenario)


def test_a_wallet_is_approved_as_soon_as_anybody_looks() -> None:
    async def scenario(links: PayPalLinks) -> None:
        made = await links.order(payment_source={"paypal": {}})
        assert (made.status, made.body["status"]) == (201, "PAYER_ACTION_REQUIRED")
        at = f"/v2/checkout/orders/{made.body['id']}"
        assert (await links.get(at)).body["status"] == "APPROVED"
        other = await links.send(f"{at}/authorize", {}, "p")
        assert other.issue == "ACTION_DOES_NOT_MATCH_INTENT"
        paid = await links.send(f"{at}/capture", {}, "p")
        assert (paid.status, paid.body["status"]) == (201, "COMPLETED")
        assert (await links.send(f"{at}/capture", {}, "p")).status == 200
        assert (await links.send(f"{at}/capture", {}, "q")).issue == "ORDER_ALREADY_CAPTURED"

    links = on_paypal(scenario)
    assert links.booked() == [("authorised", 1000), ("captured", 1000)]
    assert {hop.payment for hop in links.hops()} == {payment(1)}


def test_payers_may_never_approve() -> None:
    async def scenario(links: PayPalLinks) -> None:
        made = await links.order(payment_source={"paypal": {}})
        at = f"/v2/checkout/orders/{made.body['id']}"
        assert (await links.send(f"{at}/capture", {}, "p")).issue == "ORDER_NOT_APPROVED"
        confirmed = await links.send(
            f"{at}/confirm-payment-source", {"payment_source": {"card": CARD}}, "c"
        )
        assert confirmed.body["status"] == "APPROVED"
        assert (await links.send(f"{at}/capture", {}, "q")).body["status"] == "COMPLETED"

    assert on_paypal(scenario, "{paypal: {approval: never}}").booked() == [
        ("authorised", 1000),
        ("captured", 1000),
    ]


def test_a_payer_approves_on_the_page_and_comes_back_to_the_shop() -> None:
    async def scenario(links: PayPalLinks) -> None:
        context = {"return_url": "https://a.b/done?o=1", "cancel_url": "https://a.b/cart"}
        source = {"paypal": {"experience_context": context}}
        made = await links.order(payment_source=source)
        at = f"/v2/checkout/orders/{made.body['id']}"
        assert (await links.get(at)).body["status"] == "PAYER_ACTION_REQUIRED"
        assert (await links.send(f"{at}/capture", {}, "p")).issue == "ORDER_NOT_APPROVED"
        (href,) = [each["href"] for each in made.body["links"] if each["rel"] == "payer-action"]
        page = "/" + href.partition("://")[2].partition("/")[2]
        left = await links.ask("GET", f"{page}&result=canceled", b"", {}, 2.0)
        assert left.headers["location"].startswith("https://a.b/cart?token=")
        back = await links.ask("GET", f"{page}&card=tok_visa_4242", b"", {}, 2.0)
        assert (back.status, "&token=" in back.headers["location"]) == (303, True)
        assert (await links.get(at)).body["status"] == "APPROVED"
        assert (await links.send(f"{at}/capture", {}, "q")).body["status"] == "COMPLETED"
        unknown = await links.ask("GET", "/checkoutnow?token=x", b"", {}, 2.0)
        assert unknown.status == 404

    links = on_paypal(scenario, "{paypal: {approval: on_page}}")
    assert links.booked() == [("authorised", 1000), ("captured", 1000)]


def test_a_wallet_that_is_declined_may_be_asked_again_as_another_attempt() -> None:
    async def scenario(links: PayPalLinks) -> None:
        made = await links.order(payment_source={"paypal": {}})
        at = f"/v2/checkout/orders/{made.body['id']}"
        for key in ("p", "p", "q"):
            declined = await links.send(f"{at}/capture", {}, key)
            assert (declined.status, declined.issue) == (422, "INSTRUMENT_DECLINED")
            assert "payer-action" in {link["rel"] for link in declined.body["links"]}
        assert (await links.get(at)).body["status"] == "APPROVED"

    links = on_paypal(scenario, issuer="declines: {share: 100%, code: '51'}")
    assert links.booked() == []
    paying = [hop for hop in links.hops() if hop.operation == "authorise"]
    assert [(hop.attempt, hop.result) for hop in paying] == [
        (1, HopResult.DECLINED),
        (1, HopResult.DECLINED),
        (2, HopResult.DECLINED),
    ]


def test_a_card_that_is_declined_is_a_payment_that_is_declined() -> None:
    async def scenario(links: PayPalLinks) -> None:
        declined = await links.order()
        [capture] = declined.paid["captures"]
        assert (declined.status, declined.body["status"]) == (201, "COMPLETED")
        assert capture["status"] == "DECLINED"
        assert capture["processor_response"]["response_code"] == "5120"
        refund = await links.send(f"/v2/payments/captures/{capture['id']}/refund", {}, "r")
        assert refund.issue == "REFUND_NOT_ALLOWED"

    links = on_paypal(scenario, issuer="declines: {share: 100%, code: '51'}")
    hops = [hop.result for hop in links.hops()]
    assert hops == [HopResult.DECLINED, HopResult.REJECTED]
    events = [msgspec.json.decode(http.body)["event_type"] for http in links.webhooks]
    assert events == ["PAYMENT.CAPTURE.DECLINED"]


def test_each_step_of_an_authorisation_is_reported() -> None:
    async def scenario(links: PayPalLinks) -> None:
        held = (await links.order(intent="AUTHORIZE")).paid["authorizations"][0]["id"]
        at = f"/v2/payments/authorizations/{held}"
        part = await links.send(f"{at}/capture", amount("4.00"), "c")
        await links.settle()
        back = await links.send(f"/v2/payments/captures/{part.body['id']}/refund", {}, "r")
        assert (back.status, back.body["status"]) == (201, "COMPLETED")
        await links.settle()
        assert (await links.send(f"{at}/reauthorize", {}, "x")).status == 422
        assert (await links.send(f"{at}/void", key="v")).status == 200
        # PayPal's description of VOIDED: no more can be captured, whatever was captured before.
        assert (await links.get(at)).body["status"] == "VOIDED"
        for action, issue in (("capture", "AUTHORIZATION_VOIDED"), ("void", "PREVIOUSLY_VOIDED")):
            assert (await links.send(f"{at}/{action}", {}, action)).issue == issue

    links = on_paypal(scenario)
    events = [msgspec.json.decode(http.body)["event_type"] for http in links.webhooks]
    assert sorted(events) == [
        "PAYMENT.AUTHORIZATION.CREATED",
        "PAYMENT.AUTHORIZATION.VOIDED",
        "PAYMENT.CAPTURE.COMPLETED",
        "PAYMENT.CAPTURE.REFUNDED",
    ]
    assert links.booked() == [
        ("authorised", 1000),
        ("captured", 400),
        ("refunded", 400),
        ("voided", 600),
    ]


@pytest.mark.parametrize(
    ("wanted", "status", "name"),
    [
        ("DUPLICATE_INVOICE_ID", 422, "UNPROCESSABLE_ENTITY"),
        ("INTERNAL_SERVER_ERROR", 500, "INTERNAL_SERVER_ERROR"),
        ("PERMISSION_DENIED", 403, "NOT_AUTHORIZED"),
        ("SOMETHING_NEW", 422, "UNPROCESSABLE_ENTITY"),
    ],
)
def test_a_test_may_ask_for_an_error(wanted: str, status: int, name: str) -> None:
    async def scenario(links: PayPalLinks) -> None:
        header = msgspec.json.encode({"mock_application_codes": wanted}).decode()
        body = {"intent": "CAPTURE", "purchase_units": [amount("1.00")]}
        failed = await links.send("/v2/checkout/orders", body, "k", paypal_mock_response=header)
        assert (failed.status, failed.body["name"]) == (status, name)
        if status == 422:
            assert failed.issue == wanted
        assert (await links.send("/v2/checkout/orders", body, "k")).status == 201
        bad = await links.send("/v2/checkout/orders", body, "k", paypal_mock_response="x")
        assert bad.status == 400

    assert on_paypal(scenario).booked() == []


def test_an_error_after_the_work_and_in_its_place() -> None:
    async def scenario(links: PayPalLinks) -> None:
        for number, after_work in ((1, True), (2, False)):
            links.inject("http_error", status=500, after_work=after_work)
            assert (await links.order(number, f"k{number}")).status == 500
            links.heal("http_error")
            for _ in range(2):
                done = await links.order(number, f"k{number}")
                assert done.paid["captures"][0]["status"] == "COMPLETED"
            name = done.paid["captures"][0]["id"]
            at = f"/v2/payments/captures/{name}/refund"
            links.inject("http_error", status=500, after_work=after_work)
            assert (await links.send(at, amount("3.00"), f"r{number}")).status == 500
            links.heal("http_error")
            for _ in range(2):
                back = await links.send(at, amount("3.00"), f"r{number}")
                assert back.body["status"] == "COMPLETED"

    links = on_paypal(scenario)
    once = [("authorised", 1000), ("captured", 1000), ("refunded", 300)]
    assert links.booked() == once * 2


def test_a_lost_answer_is_brought_by_the_same_key() -> None:
    async def scenario(links: PayPalLinks) -> None:
        links.inject("lost_answer")
        with pytest.raises(WireError):
            await links.order(key="k")
        links.heal("lost_answer")
        again = await links.order(key="k")
        assert (again.status, again.paid["captures"][0]["status"]) == (200, "COMPLETED")

    assert on_paypal(scenario).booked() == [("authorised", 1000), ("captured", 1000)]


def test_only_the_wrong_answer_names_another_payment() -> None:
    async def scenario(links: PayPalLinks) -> None:
        links.inject("wrong_answer", says="another_payment")
        wrong = await links.order(key="k")
        links.heal("wrong_answer")
        again = await links.order(key="k")
        assert again.body["id"] == wrong.body["id"]
        assert again.paid["captures"][0]["status"] == "COMPLETED"
        assert again.paid["captures"][0]["id"] != wrong.paid["captures"][0]["id"]

    assert on_paypal(scenario).booked() == [("authorised", 1000), ("captured", 1000)]


def stuck_until(status: str, **chain: str) -> PayPalLinks:
    """The links after a capture that was pending while the fault lasted, and then had this end."""

    async def scenario(links: PayPalLinks) -> None:
        links.inject("stuck_pending")
        pending = await links.order(key="k")
        assert pending.paid["captures"][0]["status"] == "PENDING"
        links.heal("stuck_pending")
        await links.settle()
        at = f"/v2/payments/captures/{pending.paid['captures'][0]['id']}"
        assert (await links.get(at)).body["status"] == status

    return on_paypal(scenario, **chain)


def test_what_is_stuck_is_pending() -> None:
    links = stuck_until("COMPLETED")
    assert next(hop.result for hop in links.hops()) is HopResult.UNKNOWN


def test_what_is_stuck_and_then_declined_is_pending_no_more() -> None:
    links = stuck_until("DECLINED", issuer="declines: {share: 100%, code: '51'}")
    assert links.booked() == []


def test_the_network_behind_does_not_answer() -> None:
    async def scenario(links: PayPalLinks) -> None:
        links.inject("lost_answer", link="issuer")
        assert (await links.order(key="k")).status == 500

    late = "authorise: {to: issuer, timeout: 500ms, on_unknown: give_up}"
    links: PayPalLinks = on_vendor(
        lambda text: PayPalLinks(text.replace("authorise: {to: issuer}", late)), scenario, "paypal"
    )
    assert [hop.result for hop in links.hops()] == [HopResult.HTTP_ERROR]


def test_a_link_without_keys_makes_each_repeat_anew() -> None:
    async def scenario(links: PayPalLinks) -> None:
        names = {(await links.order(key="k")).body["id"] for _ in range(2)}
        assert len(names) == 2

    links = on_paypal(scenario, psp="idempotency: none")
    assert sorted(links.booked()) == [("authorised", 1000)] * 2 + [("captured", 1000)] * 2


def test_what_nobody_captures_expires() -> None:
    async def scenario(links: PayPalLinks) -> None:
        held = (await links.order(intent="AUTHORIZE")).paid["authorizations"][0]["id"]
        await asyncio.sleep(10.0)
        late = await links.send(f"/v2/payments/authorizations/{held}/capture", {}, "c")
        assert late.issue == "AUTHORIZATION_EXPIRED"

    links = on_paypal(scenario, psp="expires_after: 5s")
    assert links.booked("psp") == [("authorised", 1000), ("expired", 1000)]


def test_what_is_taken_no_notice_of_is_reported_once() -> None:
    async def scenario(links: PayPalLinks) -> None:
        for number in (1, 2):
            await links.order(number, f"k{number}", application_context={"brand_name": "x"})

    found = [
        record.detail
        for record in on_paypal(scenario).journal
        if isinstance(record, Decision) and record.kind is DecisionKind.PARAMETER_IGNORED
    ]
    assert found == ["application_context.brand_name"]


def test_a_garbled_answer_is_broken_json() -> None:
    async def scenario(links: PayPalLinks) -> None:
        links.inject("malformed")
        with pytest.raises(msgspec.DecodeError):
            await links.order()

    assert [hop.result for hop in on_paypal(scenario).hops()] == [HopResult.MALFORMED]


def test_the_tables_are_whole() -> None:
    assert set(responses().codes) <= set(table())
    assert {line.declined_as for line in responses().triggers.values()} <= set(table())
    assert all(400 <= line.status < 500 for line in issues().values())
    assert all(passes_luhn(number) for number in responses().numbers)
    for code, line in table().items():
        if line.kind != "approval":
            assert (response_code(code, "visa") in TECHNICAL) == (line.kind == "technical")


def test_every_response_is_one_of_the_sdks() -> None:
    models = pytest.importorskip("paypalserversdk.models.processor_response_code")
    known = set(vars(models.ProcessorResponseCode).values())
    used = {line.response for line in responses().codes.values()}
    assert used | {line.response for line in responses().triggers.values()} <= known
    assert known >= TECHNICAL


_amounts = st.one_of(st.just(""), st.integers(1, 700).map(lambda minor: f"{minor / 100:.2f}"))
_steps = st.lists(
    st.tuples(
        st.sampled_from(["capture", "final", "refund", "void"]),
        _amounts,
        st.sampled_from(["", "k1", "k2"]),
        st.sampled_from([0.0, 0.003, 0.02]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=9,
)


# The release of the rest must not overtake the capture on its way to the issuer.
@example([("capture", "0.01", "", 0.0, 0), ("void", "", "", 0.0, 0)], "AUTHORIZE", "")
@examples(60)
@given(
    _steps,
    st.sampled_from(["CAPTURE", "AUTHORIZE"]),
    st.sampled_from(["", "error", "instead", "lost"]),
)
def test_whatever_is_asked_the_book_keeps_its_law(
    steps: list[tuple[str, str, str, float, int]], intent: str, fault: str
) -> None:
    faults: dict[str, tuple[str, dict[str, Any]]] = {
        "error": ("http_error", {"status": 500, "after_work": True}),
        "instead": ("http_error", {"status": 500}),
        "lost": ("lost_answer", {}),
    }

    async def scenario(links: PayPalLinks) -> None:
        order = await links.order(intent=intent)
        held = [each["id"] for each in order.paid.get("authorizations", [])]
        captures = [each["id"] for each in order.paid.get("captures", [])]
        if fault:
            kind, more = faults[fault]
            links.inject(kind, share="30%", **more)

        async def ask(what: str, value: str, key: str, which: int) -> None:
            names = captures if what == "refund" else held
            if not names:
                return
            kind = "captures" if what == "refund" else "authorizations"
            action = "capture" if what == "final" else what
            body: dict[str, Any] = {**amount(value)} if value else {}
            if what == "final":
                body["final_capture"] = True
            path = f"/v2/payments/{kind}/{names[which % len(names)]}/{action}"
            try:
                done = await links.send(path, body, key)
            except WireError:
                return
            assert done.status in (200, 201, 204, 422, 500)
            if (
                action == "capture"
                and done.status in (200, 201)
                and done.body["id"] not in captures
            ):
                captures.append(done.body["id"])

        asked = []
        for what, value, key, pause, which in steps:
            asked.append(asyncio.ensure_future(ask(what, value, key, which)))
            await asyncio.sleep(pause)
        await asyncio.gather(*asked)
        if fault:
            links.heal(faults[fault][0])
        shown = await links.get(f"/v2/checkout/orders/{order.body['id']}")
        assert shown.body["status"] == "COMPLETED"

    on_paypal(scenario).assert_books_keep_the_law()


def test_a_charge_back_is_a_dispute_by_webhook() -> None:
    captured: list[str] = []

    async def scenario(links: PayPalLinks) -> None:
        captured.append((await links.order()).paid["captures"][0]["id"])
        await asyncio.sleep(3.0)

    links = on_paypal(scenario, issuer="disputes: {share: 100%, after: 1s}")
    event = msgspec.json.decode(links.webhooks[-1].body)
    dispute = event["resource"]
    assert event["event_type"] == "CUSTOMER.DISPUTE.CREATED"
    assert event["resource_type"] == "dispute"
    assert dispute["dispute_amount"] == {"currency_code": "EUR", "value": "10.00"}
    (disputed,) = dispute["disputed_transactions"]
    assert (disputed["seller_transaction_id"], disputed["custom"]) == (captured[0], payment(1))
    assert dispute["dispute_life_cycle_stage"] == "CHARGEBACK"


def links_in(shown: Any) -> set[str]:
    """Where all links of an answer lead, without their paths."""
    if isinstance(shown, list):
        return set().union(*(links_in(each) for each in shown))
    if not isinstance(shown, dict):
        return set()
    own = {shown["href"].partition("/v")[0]} if "href" in shown else set()
    return own.union(*(links_in(each) for each in shown.values()))


def test_each_service_is_led_back_to_where_it_has_asked() -> None:
    async def scenario(links: PayPalLinks) -> None:
        links.inject("slow_answer", delay="300ms")
        # The second asks while the first waits for its answer. Neither name has a port.
        first, second = await asyncio.gather(
            links.send("/v2/checkout/orders", order_of(1), "a", host="paypal"),
            links.send("/v2/checkout/orders", order_of(2), "b", host="psp.shop.svc"),
        )
        assert first.status == second.status == 201, first.body
        assert links_in(first.body) == {"http://paypal"}
        assert links_in(second.body) == {"http://psp.shop.svc"}
        links.heal("slow_answer")
        at = f"/v2/checkout/orders/{first.body['id']}"
        seen = await links.send(at, method="GET", host="psp.shop.svc")
        assert links_in(seen.body) == {"http://psp.shop.svc"}
        real = await links.send(at, method="GET", host="api-m.sandbox.paypal.com")
        assert links_in(real.body) == {"https://api-m.sandbox.paypal.com"}

    links = on_paypal(scenario)
    # A webhook leads to where the service that made the order reaches the link.
    told = [msgspec.json.decode(http.body)["resource"] for http in links.webhooks]
    assert {each["custom_id"]: links_in(each) for each in told} == {
        payment(1): {"http://paypal"},
        payment(2): {"http://psp.shop.svc"},
    }


def order_of(number: int) -> dict[str, Any]:
    """An order that a card pays at once."""
    unit = {**amount("10.00"), "custom_id": payment(number)}
    source = {"card": CARD}
    return {"intent": "CAPTURE", "purchase_units": [unit], "payment_source": source}
