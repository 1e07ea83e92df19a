"""Third parties and a vault before a payment: what it goes on without, and what it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from paychain.faults.kind import LinkFaultKind
from paychain.faults.kinds.http_error import HttpError
from paychain.faults.kinds.slow_answer import SlowAnswer
from paychain.model.places import InLinkPlace
from paychain.payments.cards import TEST_CARDS
from paychain.payments.journal import Decision, HopRecord
from paychain.payments.outcome import HopResult
from paychain.protocol.message import Answer, PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.in_link_faults import ActiveFault
from paychain.services.roles.gateway import Gateway
from tests.support.virtual_links import VirtualLinks, on_links, paid

ROLES = {
    "captcha": "{role: service}",
    "login": "{role: service}",
    "flags": "{role: service}",
    "support": "{role: service}",
    "vault": "{role: vault}",
    "vault-direct": "{role: vault}",
    "fraud": "{role: fraud}",
    "sanctions": "{role: fraud, screens: sanctions}",
}
GOES_ON = "serve: [{to: captcha, timeout: 1s, fallback: [{skip: {up_to: 50.00}}]}]"
FLAGS = "serve: [{to: flags, timeout: 1s, fallback: [{last_known: 10s}, {default: safe}]}]"


def page(*calls: str, links: str = "") -> str:
    """A gateway that makes these calls before it authorises."""
    text = "; ".join(calls)
    named = [f"  {name}: {role}\n" for name, role in ROLES.items() if f"to: {name}" in text]
    lines = "".join(f"      {call}\n" for call in calls)
    return (
        "chain: page\nentry: gateway\nlinks:\n  gateway:\n    role: gateway\n    calls:\n"
        f"{lines}      authorise: {{to: psp, timeout: 3s}}\n{''.join(named)}{links}"
        "  psp: {role: processor, calls: {authorise: {to: issuer, timeout: 2s}}}\n"
        "  issuer: {role: issuer}\n"
    )


async def paid_while(
    links: VirtualLinks,
    failing: Sequence[str],
    *,
    amount: int = 1_000,
    payment: str = "p1",
    fault: LinkFaultKind | None = None,
) -> Reply:
    """A payment while these links fail."""
    for name in failing:
        parameters = fault or HttpError(status=500)
        links.host.faults.apply(
            ActiveFault(id=name, parameters=parameters, spots=(InLinkPlace(name),))
        )
    reply = await links.pay(payment, amount)
    for name in failing:
        links.host.faults.heal(name)
    await links.drain()
    return reply


def one(
    text: str, failing: Sequence[str], *, amount: int = 1_000
) -> tuple[VirtualLinks, HopResult]:
    links, reply = on_links(text, lambda links: paid_while(links, failing, amount=amount))
    return links, reply.result


def asked(links: VirtualLinks, payment: str = "p1") -> list[str]:
    hops = sorted(links.of(HopRecord, payment), key=lambda hop: hop.started_ns)
    return [f"{hop.operation} {hop.callee}" for hop in hops if hop.caller == "gateway"]


def test_every_call_of_an_operation_is_made_in_the_order_of_the_file() -> None:
    links, reply = paid(
        page(
            "screen: [{to: fraud}, {to: sanctions}]",
            "tokenise: {to: vault}",
            "serve: [{to: captcha}, {to: login}]",
        )
    )
    assert reply.result is HopResult.APPROVED
    assert asked(links) == [
        "serve-captcha captcha",
        "serve-login login",
        "tokenise vault",
        "screen-fraud fraud",
        "screen-sanctions sanctions",
        "authorise psp",
    ]


def test_a_single_call_needs_no_list() -> None:
    links, _ = paid(page("serve: {to: captcha}"))
    assert asked(links) == ["serve captcha", "authorise psp"]


def test_a_payment_goes_on_without_a_captcha_up_to_its_limit() -> None:
    links, result = one(page(GOES_ON), ["captcha"])
    assert result is HopResult.APPROVED
    assert links.decisions("gateway") == ["skip"]
    links, result = one(page(GOES_ON), ["captcha"], amount=5_001)
    assert result is HopResult.TECHNICAL
    assert "authorise psp" not in asked(links)


def test_without_a_fallback_a_third_party_ends_the_payment() -> None:
    links, result = one(page("serve: [{to: captcha}]"), ["captcha"])
    assert result is HopResult.TECHNICAL
    assert asked(links) == ["serve-captcha captcha"]


def test_a_third_party_that_declines_ends_the_payment_for_a_business_reason() -> None:
    text = page("serve: [{to: bot-check, fallback: [{skip: {}}]}]", links="")
    declines = '  bot-check: {role: service, declines: {share: 100%, code: "59"}}\n'
    links, reply = paid(text.replace("  psp:", f"{declines}  psp:"))
    assert (reply.result, reply.code) == (HopResult.DECLINED, "59")
    assert links.decisions("gateway") == []


def test_flags_are_the_last_known_ones_for_a_while_and_then_the_default() -> None:
    async def work(links: VirtualLinks) -> list[str]:
        await links.pay("p1")
        answered_ns = links.now_ns()
        await paid_while(links, ["flags"], payment="p2")
        await asyncio.sleep(10.5 - (links.now_ns() - answered_ns) / 1e9)
        await paid_while(links, ["flags"], payment="p3")
        return [kind for payment in ("p2", "p3") for kind in links.decisions("gateway", payment)]

    links, decided = on_links(page(FLAGS), work)
    assert decided == ["last_known", "suppressed", "default"]
    (suppressed,) = [each for each in links.of(Decision, "p3") if each.kind == "suppressed"]
    assert suppressed.detail.startswith("last_known: the last answer is 10.")


def test_a_link_that_has_just_started_knows_no_flags() -> None:
    links, result = one(page(FLAGS), ["flags"])
    assert result is HopResult.APPROVED
    assert links.decisions("gateway") == ["suppressed", "default"]
    suppressed = next(each for each in links.of(Decision) if each.kind == "suppressed")
    assert suppressed.detail == "last_known: no answer is known"


def test_an_answer_that_declined_is_not_the_last_known_one() -> None:
    declines = 'flags: {role: service, declines: {share: 100%, code: "05"}}'

    async def work(links: VirtualLinks) -> list[str]:
        await links.pay("p1")
        await paid_while(links, ["flags"], payment="p2")
        return links.decisions("gateway", "p2")

    _, decided = on_links(page(FLAGS).replace("flags: {role: service}", declines), work)
    assert decided == ["suppressed", "default"]


@pytest.mark.parametrize("is_aside", [True, False])
def test_nobody_waits_for_a_call_aside(is_aside: bool) -> None:
    aside = ", aside: true" if is_aside else ""
    text = page(f"serve: [{{to: support, timeout: 4s{aside}}}]")
    slow = SlowAnswer.model_validate({"delay": "2s"})

    async def work(links: VirtualLinks) -> float:
        started_ns = links.now_ns()
        links.host.faults.apply(
            ActiveFault(id="s", parameters=slow, spots=(InLinkPlace("support"),))
        )
        reply = await links.pay()
        assert reply.result is HopResult.APPROVED
        took_s = (links.now_ns() - started_ns) / 1e9
        await links.drain()
        return took_s

    links, took_s = on_links(text, work)
    assert (took_s < 1) == is_aside
    (hop,) = [hop for hop in links.of(HopRecord) if hop.callee == "support"]
    assert hop.result is HopResult.APPROVED


def test_a_call_aside_that_fails_is_in_the_journal_and_breaks_nothing() -> None:
    links, result = one(page("serve: [{to: support, aside: true}]"), ["support"])
    assert result is HopResult.APPROVED
    (left_out,) = [each for each in links.of(Decision) if each.kind == "left_out"]
    assert (left_out.operation, left_out.target) == ("serve-support", "support")
    assert links.broken() == {}


def test_card_data_takes_the_second_route_or_none() -> None:
    text = page("tokenise: {to: vault, fallback: [{to: vault-direct}]}")
    links, result = one(text, ["vault"])
    assert result is HopResult.APPROVED
    assert asked(links)[:2] == ["tokenise vault", "tokenise vault-direct"]
    assert links.broken() == {}
    links, result = one(text, ["vault", "vault-direct"])
    assert result is HopResult.TECHNICAL
    assert "authorise psp" not in asked(links)
    assert links.broken() == {}


@pytest.mark.parametrize(
    ("call", "failing", "lacks"),
    [
        ("tokenise: {to: vault, fallback: [{skip: {}}]}", "vault", "tokenisation"),
        (
            "screen: [{to: fraud}, {to: sanctions, fallback: [{skip: {up_to: 90.00}}]}]",
            "sanctions",
            "sanctions screening",
        ),
    ],
)
def test_a_call_that_must_fail_closed_and_does_not_breaks_its_rule(
    call: str, failing: str, lacks: str
) -> None:
    links, result = one(page(call), [failing])
    assert result is HopResult.APPROVED
    assert links.broken() == {
        "closed_calls_stay_closed": f"gateway → psp, attempt 1, without {lacks}"
    }
    links, _ = paid(page(call))
    assert links.broken() == {}


def test_a_gateway_that_forgets_the_vault_is_found_although_nobody_skipped_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The planted bug: after an error of the vault the gateway goes on."""
    monkeypatch.setattr(Gateway, "_refusal", lambda *_: None)
    links, result = one(page("tokenise: {to: vault}"), ["vault"])
    assert result is HopResult.APPROVED
    assert list(links.broken()) == ["closed_calls_stay_closed"]


def test_fraud_screening_may_be_skipped_where_sanctions_screening_may_not() -> None:
    text = page("screen: [{to: fraud, fallback: [{skip: {up_to: 90.00}}]}, {to: sanctions}]")
    links, result = one(text, ["fraud"])
    assert result is HopResult.APPROVED
    assert links.broken() == {}


def test_an_earlier_token_is_no_excuse_for_a_later_authorisation_without_one() -> None:
    """The same payment again: once through the vault, and once past it."""
    text = page("tokenise: {to: vault, fallback: [{skip: {}}]}").replace(
        "role: gateway\n", "role: gateway\n    idempotency: none\n"
    )

    async def work(links: VirtualLinks) -> dict[str, str]:
        await links.pay()
        before = links.broken()
        await paid_while(links, ["vault"])
        return before

    links, before = on_links(text, work)
    assert "closed_calls_stay_closed" not in before
    assert "closed_calls_stay_closed" in links.broken()


def test_a_vault_gives_each_card_a_token_of_its_own_and_keeps_it() -> None:
    async def work(links: VirtualLinks) -> list[str]:
        role = links.role("vault")
        tokens = []
        for card in (TEST_CARDS[0], TEST_CARDS[1], TEST_CARDS[0]):
            request = PaymentRequest("p", 100, "EUR", card)
            answer = await role.operations()["tokenise"](request, "")
            assert isinstance(answer, Answer)
            tokens.append(answer.reference)
        return tokens

    _, (first, other, again) = on_links(page("tokenise: {to: vault}"), work)
    assert first == again != other
    assert TEST_CARDS[0].number not in first
