"""What follows an approval: several triggers and refunds, amounts beyond the hold, what stays held.

Every case is one a payment team reported, with the answer that is right for it, in virtual time.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from paychain.declaration.yaml_text import parse
from paychain.faults.kinds.lost_answer import LostAnswer
from paychain.model.chain import Chain
from paychain.model.checks import check_chain
from paychain.model.places import InLinkPlace
from paychain.payments.outcome import HopResult
from paychain.services.in_link_faults import ActiveFault
from tests.support.virtual_links import VirtualLinks, on_links, paid

LINKS = ("gateway", "processor", "issuer")
TWO_TRIGGERS = "captures: {on: [answer, webhook], after: 10ms"
WEBHOOKS = ", webhooks: {to: gateway, delay: {median: 20ms, p99: 20ms}}"


def chain(*, gateway: str = "", processor: str = "", issuer: str = "", authorise: str = "") -> str:
    """Three links, without delays but what is asked for."""
    quick = "answers_in: {median: 0s, p99: 0s}"
    return f"""\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    {quick}
    {gateway}
    calls: {{authorise: {{to: processor, timeout: 2s{authorise}}}}}
  processor:
    {{role: processor, {quick}{processor}, calls: {{authorise: {{to: issuer, timeout: 1s}}}}}}
  issuer: {{role: issuer, {quick}{issuer}}}
"""


def mistake(text: str) -> Any:
    """The only problem of a chain."""
    (problem,) = check_chain(Chain.model_validate(parse(text).value))
    return problem


def test_return_page_and_webhook_with_one_key_capture_once() -> None:
    links, reply = paid(chain(gateway=f"{TWO_TRIGGERS}}}", processor=WEBHOOKS))
    assert reply.result is HopResult.APPROVED
    for link in LINKS:
        assert links.book(link) == ["authorised 1000", "captured 1000 c1"]
    assert links.broken() == {}


def test_return_page_and_webhook_with_two_keys_capture_twice_where_the_hold_allows_it() -> None:
    captures = "captures: {on: [answer, webhook], after: 100ms, of: 40%, parts: 2, key: new}"
    links, _ = paid(chain(gateway=captures, processor=WEBHOOKS))
    # At 100 ms, 120 ms and 200 ms; the last part releases the rest, so that its repeat is refused.
    for link in LINKS:
        assert links.book(link) == [
            "authorised 1000",
            "captured 200 c1",
            "captured 200 c1~webhook",
            "captured 200 c2",
            "voided 400",
        ]
    assert set(links.broken()) == {"repeats_without_effect"}


def test_a_second_capture_of_the_whole_is_refused_and_is_nobodys_error() -> None:
    links, reply = paid(chain(gateway=f"{TWO_TRIGGERS}, key: new}}", processor=WEBHOOKS))
    assert reply.result is HopResult.APPROVED
    for link in LINKS:
        assert links.book(link) == ["authorised 1000", "captured 1000 c1"]
    assert "follow_up_refused" in links.decisions("gateway")
    # The capture is done, so that the refusal is no error; only the full hold has prevented worse.
    assert links.broken() == {
        "repeats_without_effect": "gateway sent the capture p1-1 c1 under 2 keys"
    }


def refunding(gap: str = "") -> str:
    """A gateway that refunds 60 % twice."""
    refunds = f"{{share: 100%, after: 100ms, of: 60%, times: 2{gap}}}"
    return f"captures: {{after: 10ms}}\n    refunds: {refunds}"


@pytest.mark.parametrize("gap", ["", ", gap: 500ms"])
def test_books_that_check_refuse_the_second_of_two_refunds(gap: str) -> None:
    links, _ = paid(chain(gateway=refunding(gap)))
    for link in LINKS:
        # 600 of 1000 are back; another 600 would be more than what is left of the capture
        assert [line[:12] for line in links.book(link)[2:]] == ["refunded 600"]
    assert links.decisions("gateway").count("follow_up_refused") == 1
    assert links.broken() == {}


@pytest.mark.parametrize("gap", ["", ", gap: 500ms"])
def test_books_that_do_not_check_give_back_more_than_was_taken(gap: str) -> None:
    text = chain(gateway=refunding(gap), processor=", checks_refunds: false")
    links, _ = paid(text)
    for link in LINKS:
        assert sorted(links.book(link)[2:]) == ["refunded 600 r1", "refunded 600 r2"]
    (sentence,) = links.broken().values()
    assert set(links.broken()) == {"refunded_within_captured"}
    assert "refunded 12.00 EUR of 10.00 EUR captured" in sentence


def test_an_issuer_that_checks_reports_a_processor_that_does_not() -> None:
    text = chain(
        gateway=refunding(), processor=", checks_refunds: false", issuer=", checks_refunds: true"
    )
    links, _ = paid(text)
    assert len(links.book("issuer")[2:]) == 1
    # The processor has refunded what never reaches the cardholder.
    assert set(links.broken()) == {"refunded_within_captured", "money_conserved"}


@pytest.mark.parametrize(
    ("checks", "broken"),
    [
        # The repeat is refused: the merchant does not know of the refund that was made.
        ("true", {"money_conserved"}),
        # 120 % of the capture is given back.
        ("false", {"repeats_without_effect", "refunded_within_captured"}),
    ],
)
def test_a_refund_that_is_sent_again_without_a_key_is_never_silently_made_twice(
    checks: str, broken: set[str]
) -> None:
    processor = f", idempotency: none, checks_refunds: {checks}"
    refunds = "captures: {after: 10ms}\n    refunds: {share: 100%, after: 100ms, of: 60%}"

    async def work(links: VirtualLinks) -> None:
        lost = ActiveFault(
            id="f", parameters=LostAnswer(), spots=(InLinkPlace("processor", operation="refund"),)
        )
        links.host.faults.apply(lost)
        asyncio.get_running_loop().call_later(1, links.host.faults.heal, "f")
        await links.pay()
        await links.drain()

    links, _ = on_links(chain(gateway=refunds, processor=processor), work)
    assert set(links.broken()) == broken


def test_two_refunds_of_half_return_all_of_an_odd_amount() -> None:
    refunds = "refunds: {share: 100%, after: 100ms, of: 50%, times: 2, gap: 10ms}"
    links, _ = paid(chain(gateway=f"captures: {{of: 33.3%}}\n    {refunds}"))
    for link in LINKS:
        refunded = [line for line in links.book(link) if line.startswith("refunded")]
        assert refunded == ["refunded 167 r1", "refunded 166 r2"]
    assert links.broken() == {}


def test_a_gap_without_a_second_refund_is_a_mistake() -> None:
    refunds = "captures: {}\n    refunds: {share: 100%, gap: 1s}"
    problem = mistake(chain(gateway=refunds))
    assert problem.path == ("links", "gateway", "refunds", "gap")


TIP = "captures: {after: 10ms, of: 115%}"
OVER = ", overcapture: "


@pytest.mark.parametrize(
    ("processor", "issuer"),
    [(OVER + "15%", ""), ("", OVER + "15%"), (OVER + "20%", OVER + "15%")],
)
def test_a_tip_inside_the_declared_limit_is_captured_and_breaks_no_rule(
    processor: str, issuer: str
) -> None:
    links, _ = paid(chain(gateway=TIP, processor=processor, issuer=issuer))
    for link in LINKS:
        assert links.book(link) == ["authorised 1000", "captured 1150 c1"]
    assert links.broken() == {}


@pytest.mark.parametrize("limit", ["0%", "14.9%"])
def test_a_tip_beyond_the_declared_limit_is_refused_and_reported(limit: str) -> None:
    links, reply = paid(chain(gateway=TIP, processor=OVER + limit))
    assert reply.result is HopResult.APPROVED
    for link in LINKS:
        assert links.book(link) == ["authorised 1000"]
    assert set(links.broken()) == {"completed"}


def test_a_tip_that_only_the_processor_permits_is_not_collected_from_the_cardholder() -> None:
    text = chain(gateway=TIP, processor=OVER + "15%", issuer=OVER + "10%")
    links, _ = paid(text)
    assert set(links.broken()) == {"completed", "money_conserved"}


def test_a_tip_where_no_limit_is_declared_is_captured_beyond_the_hold() -> None:
    links, _ = paid(chain(gateway=TIP))
    assert set(links.broken()) == {"captured_within_authorised"}
    assert "captured 11.50 EUR of 10.00 EUR held" in links.broken()["captured_within_authorised"]


def test_parts_of_more_than_the_whole_add_up_to_it() -> None:
    captures = "captures: {after: 10ms, of: 115%, parts: 3}"
    links, _ = paid(chain(gateway=captures, processor=OVER + "15%"), amount=999)
    # 1148.85 cents, half up, in three parts
    taken = [line.split()[1] for line in links.book("issuer")[1:]]
    assert taken == ["383", "383", "383"]
    assert links.broken() == {}


def test_overcapture_permits_nothing_of_a_hold_that_is_over() -> None:
    captures = "captures: {after: 2s, of: 10%}"
    text = chain(gateway=captures, processor=OVER + "15%", issuer=", expires_after: 1s")
    links, _ = paid(text)
    assert links.book("issuer") == ["authorised 1000", "expired 1000"]
    assert set(links.broken()) == {"completed", "money_conserved"}


NOT_FINAL = "captures: {after: 10ms, of: 60%, final: false}"


def test_the_rest_of_a_capture_that_is_not_final_stays_held() -> None:
    links, _ = paid(chain(gateway=NOT_FINAL))
    assert links.book("issuer") == ["authorised 1000", "captured 600 c1"]
    assert links.broken() == {
        "no_orphaned_authorisation": "4.00 EUR still held after the last capture"
    }


def test_the_rest_of_a_capture_that_is_not_final_stays_held_until_it_expires() -> None:
    links, _ = paid(chain(gateway=NOT_FINAL, issuer=", expires_after: 3s"))
    assert links.book("issuer") == ["authorised 1000", "captured 600 c1", "expired 400"]
    assert links.broken() == {}


def test_a_rest_that_waits_for_another_part_is_no_orphan() -> None:
    captures = "captures: {after: 10ms, of: 60%, parts: 2, final: false}"

    async def work(links: VirtualLinks) -> None:
        lost = ActiveFault(
            id="f", parameters=LostAnswer(), spots=(InLinkPlace("processor", operation="capture"),)
        )
        await links.pay()
        links.host.faults.apply(lost)

    links, _ = on_links(chain(gateway=captures), work)
    assert "no_orphaned_authorisation" not in links.broken()


def refund_and_dispute(*, refund_after: str, dispute_after: str, checks: str = "true") -> str:
    refunds = f"{{share: 100%, after: {refund_after}}}"
    disputes = f"{{share: 100%, after: {dispute_after}}}"
    return chain(
        gateway=f"captures: {{after: 10ms}}\n    refunds: {refunds}",
        issuer=f", checks_refunds: {checks}, disputes: {disputes}",
    )


def test_a_dispute_alone_gives_the_money_back_once() -> None:
    issuer = ", disputes: {share: 100%, after: 1s}"
    links, _ = paid(chain(gateway="captures: {after: 10ms, of: 80%, parts: 2}", issuer=issuer))
    assert links.book("issuer")[-1] == "charged_back 800 d1"
    assert links.broken() == {}


def test_an_issuer_that_checks_charges_back_nothing_that_was_refunded() -> None:
    links, _ = paid(refund_and_dispute(refund_after="100ms", dispute_after="1s"))
    assert links.book("issuer")[2:] == ["refunded 1000 r1"]
    assert links.broken() == {}


def test_an_issuer_that_checks_refuses_a_refund_under_dispute() -> None:
    links, _ = paid(refund_and_dispute(refund_after="1s", dispute_after="100ms"))
    assert links.book("issuer")[2:] == ["charged_back 1000 d1"]
    # The processor had the refund booked before the issuer refused it.
    assert set(links.broken()) == {"money_conserved"}


@pytest.mark.parametrize(("refund_after", "dispute_after"), [("100ms", "1s"), ("1s", "100ms")])
def test_refunded_and_charged_back_is_found_whichever_came_first(
    refund_after: str, dispute_after: str
) -> None:
    links, _ = paid(
        refund_and_dispute(refund_after=refund_after, dispute_after=dispute_after, checks="false")
    )
    (sentence,) = links.broken().values()
    assert set(links.broken()) == {"refunded_within_captured"}
    assert "refunded 10.00 EUR and charged back 10.00 EUR of 10.00 EUR captured" in sentence


def test_what_was_captured_twice_may_be_charged_back_twice() -> None:
    captures = "captures: {on: [answer, webhook], after: 100ms, of: 40%, final: false, key: new}"
    issuer = ", expires_after: 3s, disputes: {share: 100%, after: 1s}"
    links, _ = paid(chain(gateway=captures, processor=WEBHOOKS, issuer=issuer))
    assert links.book("issuer")[3:] == ["charged_back 800 d1", "expired 200"]
    assert set(links.broken()) == {"repeats_without_effect"}


def test_disputes_where_nobody_captures_are_a_mistake() -> None:
    problem = mistake(chain(issuer=", disputes: {share: 1%}"))
    assert problem.path == ("links", "issuer", "disputes")


@pytest.mark.parametrize(
    ("declared", "key", "what"),
    [
        ("captures: {key: new}", "key", "one trigger"),
        (f"{TWO_TRIGGERS}}}", "on", "no link sends webhooks to gateway"),
    ],
)
def test_captures_that_cannot_be_meant_are_mistakes(declared: str, key: str, what: str) -> None:
    problem = mistake(chain(gateway=declared))
    assert problem.path == ("links", "gateway", "captures", key)
    assert what in problem.what
