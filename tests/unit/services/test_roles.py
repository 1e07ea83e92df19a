"""The life of a payment on the roles of a chain: what is booked where, and what rules say of it."""

from __future__ import annotations

import asyncio
from unittest.mock import MagicMock

import pytest

from paychain.faults.kinds.lost_answer import LostAnswer
from paychain.model.checks import check_chain
from paychain.model.places import InLinkPlace
from paychain.model.roles import ROLES
from paychain.payments.cards import TEST_CARDS
from paychain.payments.outcome import HopResult
from paychain.services.in_link_faults import ActiveFault
from paychain.services.roles.registry import BEHAVIOURS
from tests.support.virtual_links import VirtualLinks, on_links, paid

VISA, MASTERCARD = TEST_CARDS[0], TEST_CARDS[3]
LINKS = ("gateway", "processor", "scheme", "issuer")


def chain(
    *,
    gateway: str = "",
    issuer: str = "",
    scheme: str = "",
    authentication: str = "",
    authorise: str = "",
) -> str:
    """Four links, without delays but what is asked for."""
    quick = "answers_in: {median: 0s, p99: 0s}"
    authenticate = ""
    more = ""
    if authentication:
        authenticate = ", authenticate: {to: acs, timeout: 1s, fallback: [{exempt: {up_to: 30}}]}"
        more = f"\n  acs: {{role: authentication, {quick}, {authentication}}}"
    return f"""\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    {quick}
    {gateway}
    calls: {{authorise: {{to: processor, timeout: 2s{authorise}}}{authenticate}}}
  processor: {{role: processor, {quick}, calls: {{authorise: {{to: scheme, timeout: 1s}}}}}}
  scheme:
    role: scheme
    {quick}
    calls: {{authorise: {{to: issuer, timeout: 300ms, on_unknown: reverse{scheme}}}}}
  issuer: {{role: issuer, {quick}{issuer}}}{more}
"""


def test_a_capture_is_booked_by_every_link_and_releases_nothing() -> None:
    links, reply = paid(chain(gateway="captures: {after: 10ms}"))
    assert reply.result is HopResult.APPROVED
    for link in LINKS:
        assert links.book(link) == ["authorised 1000", "captured 1000 c1"]
    assert links.broken() == {}


def test_captures_in_parts_leave_the_rest_released_by_the_last() -> None:
    # 80 % of 10.00 in three parts: 2.66, 2.66 and 2.68; 2.00 are released
    links, _ = paid(chain(gateway="captures: {after: 10ms, of: 80%, parts: 3}"))
    for link in LINKS:
        assert links.book(link) == [
            "authorised 1000",
            "captured 266 c1",
            "captured 266 c2",
            "captured 268 c3",
            "voided 200",
        ]
    assert links.broken() == {}


def test_a_refund_follows_the_capture_on_every_link() -> None:
    gateway = "captures: {after: 10ms}\n    refunds: {share: 100%, after: 10ms, of: 50%}"
    links, _ = paid(chain(gateway=gateway))
    for link in LINKS:
        assert links.book(link) == ["authorised 1000", "captured 1000 c1", "refunded 500 r1"]
    assert links.broken() == {}


def test_a_cancelled_payment_is_voided_and_never_captured() -> None:
    gateway = "captures: {after: 10ms}\n    cancels: {share: 100%, after: 10ms}"
    links, _ = paid(chain(gateway=gateway))
    for link in LINKS:
        assert links.book(link) == ["authorised 1000", "voided 1000"]
    assert links.broken() == {}


def test_an_authorisation_that_nobody_captures_expires() -> None:
    async def work(links: VirtualLinks) -> None:
        await links.pay()
        await asyncio.sleep(0.1)

    links, _ = on_links(chain(issuer=", expires_after: 50ms"), work)
    assert links.book("issuer") == ["authorised 1000", "expired 1000"]
    assert links.broken() == {}


def test_a_capture_after_the_expiry_is_refused_and_the_money_is_not_conserved() -> None:
    links, _ = paid(chain(gateway="captures: {after: 200ms}", issuer=", expires_after: 50ms"))
    assert links.book("issuer") == ["authorised 1000", "expired 1000"]
    assert "follow_up_refused" in links.decisions("scheme")
    assert set(links.broken()) == {"completed", "money_conserved"}


def test_a_partial_approval_is_reported_booked_and_captured_in_part() -> None:
    text = chain(
        gateway="captures: {after: 10ms}\n    accepts_partial: true",
        issuer=", partial_approvals: {share: 100%, of: 60%}",
    )
    links, reply = paid(text)
    assert (reply.code, reply.answer.amount_minor) == ("10", 600)  # type: ignore[union-attr]  # it answered
    for link in LINKS:
        assert links.book(link) == ["authorised 600", "captured 600 c1"]
    assert links.broken() == {}


def test_who_does_not_accept_a_part_is_declined() -> None:
    links, reply = paid(chain(issuer=", partial_approvals: {share: 100%}"))
    assert (reply.result, reply.code) == (HopResult.DECLINED, "51")
    assert links.broken() == {}


@pytest.mark.parametrize(("card", "code"), [(VISA, "1A"), (MASTERCARD, "65")])
def test_a_soft_decline_is_answered_with_a_challenge_and_a_new_authorisation(
    card: object, code: str
) -> None:
    text = chain(
        authentication="challenge: {answers_in: {median: 10ms, p99: 10ms}}",
        issuer=", soft_declines: {share: 100%}",
    )
    links, reply = paid(text, card=card)  # type: ignore[arg-type]  # one of the cards
    assert reply.result is HopResult.APPROVED
    assert "reauthenticate" in links.decisions("gateway")
    assert links.book("issuer") == ["authorised 1000"]
    assert links.broken() == {}


def test_the_loop_of_soft_declines_is_bounded_while_authentication_is_out() -> None:
    # 20.00 is under the exemption of 30.00: authenticated never, declined softly each time
    text = chain(
        gateway="reauthentications: 2",
        authentication="outcomes: {unavailable: 100%}",
        issuer=", soft_declines: {share: 100%}",
    )
    links, reply = paid(text, amount=2_000)
    assert reply.code == "1A"
    assert links.decisions("gateway").count("reauthenticate") == 2
    assert links.decisions("gateway").count("exempt") == 3
    assert links.broken() == {}


def test_a_failed_authentication_is_never_authorised() -> None:
    links, reply = paid(chain(authentication="outcomes: {failed: 100%}"))
    assert (reply.result, reply.code) == (HopResult.DECLINED, "1A")
    assert links.book("issuer") == []
    assert links.broken() == {}


def test_an_unavailable_authentication_is_technical_and_above_the_exemption_fails_closed() -> None:
    text = chain(authentication="outcomes: {unavailable: 100%}")
    assert paid(text, amount=5_000)[1].result is HopResult.TECHNICAL
    assert paid(text, amount=2_000)[1].result is HopResult.APPROVED


def test_outcomes_come_in_their_shares() -> None:
    text = chain(
        authentication="challenge: {answers_in: {median: 0s, p99: 0s}, fails: 100%}, "
        "outcomes: {challenge: 20%, attempted: 10%, failed: 10%}"
    )

    async def work(links: VirtualLinks) -> list[str]:
        replies = [await links.pay(f"p{number}") for number in range(300)]
        return [str(reply.result) for reply in replies]

    _, results = on_links(text, work)
    # 20 % fail their challenge and 10 % fail at once: 90 of 300, give or take three deviations (24)
    assert 66 <= results.count("declined") <= 114
    assert results.count("approved") == 300 - results.count("declined")


STAND_IN = ", fallback: [{stand_in: {up_to: 50}}]"


async def _without_issuer(links: VirtualLinks) -> HopResult:
    """The issuer is gone for the payment, and back for what follows it."""
    issuer = next(service for service in links.host.services if service.name == "issuer")
    port = links._ports["issuer"]
    issuer._listener.kill()
    reply = await links.pay()
    await issuer.start("127.0.0.1", port)
    await links.drain()
    return reply.result


def test_the_scheme_stands_in_advises_the_issuer_and_later_captures_reach_it() -> None:
    links, result = on_links(
        chain(gateway="captures: {after: 10ms}", scheme=STAND_IN), _without_issuer
    )
    assert result is HopResult.APPROVED
    assert links.book("scheme") == ["stood_in 1000", "captured 1000 c1"]
    assert links.book("issuer") == ["advised 1000", "captured 1000 c1"]
    assert links.broken() == {}


def test_the_gateway_stands_in_and_the_advice_passes_every_link() -> None:
    links, result = on_links(chain(authorise=STAND_IN), _without_issuer)
    assert result is HopResult.APPROVED
    assert links.book("gateway") == ["stood_in 1000"]
    for link in LINKS[1:]:
        assert links.book(link) == ["advised 1000"]
    assert links.broken() == {}


def test_the_gateway_stores_and_forwards() -> None:
    store = ", fallback: [{queue: {within: 5s, pause: 50ms}}]"
    links, result = on_links(
        chain(gateway="captures: {after: 10ms}", authorise=store), _without_issuer
    )
    assert result is HopResult.APPROVED
    assert links.book("gateway") == ["stored 1000", "captured 1000 c1"]
    assert links.book("issuer") == ["authorised 1000", "captured 1000 c1"]
    assert links.broken() == {}


def test_what_was_stored_and_is_declined_later_is_released_at_the_gateway() -> None:
    store = ", fallback: [{queue: {within: 5s, pause: 50ms}}]"
    text = chain(authorise=store, issuer=', declines: {share: 100%, code: "51"}')
    links, result = on_links(text, _without_issuer)
    assert result is HopResult.APPROVED  # accepted, and lost: the risk of storing
    assert links.book("gateway") == ["stored 1000", "voided 1000"]
    assert links.book("issuer") == []


def test_what_was_stored_and_is_approved_in_part_later_is_sold_for_that_part() -> None:
    store = ", fallback: [{queue: {within: 5s, pause: 50ms}}]"
    text = chain(
        gateway="captures: {after: 10ms}\n    accepts_partial: true",
        authorise=store,
        issuer=", partial_approvals: {share: 100%, of: 30%}",
    )
    links, result = on_links(text, _without_issuer)
    assert result is HopResult.APPROVED
    assert links.book("gateway") == ["stored 1000", "reduced 700", "captured 300 c1"]
    for link in LINKS[1:]:
        assert links.book(link) == ["authorised 300", "captured 300 c1"]
    # The customer was shown all of it before: the risk of storing.
    assert set(links.broken()) == {"customer_saw_the_amount"}


def test_what_is_tried_again_after_a_reversal_has_a_reference_the_reversal_cannot_undo() -> None:
    again = ", retry: {attempts: 2, backoff: 300ms, jitter: none, on: [technical]}"
    text = chain(authorise=again).replace("timeout: 1s}}", "timeout: 200ms, on_unknown: reverse}}")

    async def work(links: VirtualLinks) -> HopResult:
        fault = ActiveFault(
            id="f", parameters=LostAnswer(), spots=(InLinkPlace("scheme", operation="authorise"),)
        )
        links.host.faults.apply(fault)
        asyncio.get_running_loop().call_later(0.35, links.host.faults.heal, "f")
        reply = await links.pay()
        await links.drain()
        return reply.result

    links, result = on_links(text, work)
    assert result is HopResult.APPROVED
    assert links.book("issuer") == ["authorised 1000", "voided 1000", "authorised 1000"]
    assert links.broken() == {}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "role: scheme",
            "role: scheme\n    captures: {after: 1s}",
            "the role scheme has no 'captures'",
        ),
        (
            "role: scheme",
            "role: scheme\n    outcomes: {failed: 1%}",
            "the role scheme has no 'outcomes'",
        ),
        ("role: gateway", "role: gateway\n    refunds: {share: 1%}", "there are no captures"),
    ],
)
def test_a_setting_of_another_role_is_a_mistake(old: str, new: str, message: str) -> None:
    import yaml

    from paychain.model.chain import Chain

    text = chain().replace(old, new)
    (problem,) = check_chain(Chain.model_validate(yaml.load(text, Loader=yaml.BaseLoader)))
    assert problem.what.startswith(message)


@pytest.mark.parametrize("name", ROLES)
def test_a_role_answers_the_calls_that_a_chain_may_declare_to_it(name: str) -> None:
    kind = BEHAVIOURS[name]
    role = MagicMock(spec=kind, asked_as=lambda operation: [operation])
    role.configure_mock(_tokens=None, _receiver=MagicMock(), webhooks=MagicMock(), link=MagicMock())
    answered: set[str] = set()
    # A bank of payers has calls and serves their payments; one of payees has none.
    for calls in (dict.fromkeys(ROLES[name].asks), {}):
        role.link.calls = calls
        answered.update(kind.operations(role))
    declarable = {each for facts in ROLES.values() for each in facts.serves}
    assert answered & declarable == set(ROLES[name].serves)
