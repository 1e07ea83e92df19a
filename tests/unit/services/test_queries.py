"""A caller that asks what became of an unknown outcome: how long it asks, and what it finds."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from paychain.faults.kinds.late_answer import LateAnswer
from paychain.model.places import InLinkPlace
from paychain.model.policy import Query
from paychain.payments.journal import Decision, DecisionKind, PaymentRecord
from paychain.payments.outcome import Outcome
from paychain.services.in_link_faults import ActiveFault
from tests.support.chains import corner_shop, shop
from tests.support.virtual_links import VirtualLinks, on_links

DEADLINE_S = 0.5  # an instant payment's 40 s, 1:80
LATE_S = 0.8  # when the issuer has decided


def asked(on_unknown: str, **query: object) -> VirtualLinks:
    """A payment whose issuer decides after the gateway and the customer have stopped to wait."""
    text = corner_shop(
        answers_at_once=True,
        deadline=f"{DEADLINE_S}s",
        timeout="400ms",
        on_unknown=on_unknown,
        authorise={"query": query} if query else None,
        processor_timeout="2s",
    )

    async def work(links: VirtualLinks) -> None:
        late = ActiveFault(
            id="f",
            parameters=LateAnswer(delay=f"{int(LATE_S * 1000)}ms"),
            spots=(InLinkPlace("issuer", operation="authorise"),),
        )
        links.host.faults.apply(late)
        await links.pay(timeout_s=DEADLINE_S)
        await links.drain()

    links, _ = on_links(text, work)
    return links


def queries_at_ms(links: VirtualLinks) -> list[int]:
    return [
        round(made.at_ns / 1e7) * 10
        for made in links.of(Decision)
        if made.kind is DecisionKind.QUERY and made.link == "gateway"
    ]


@pytest.mark.parametrize(
    ("on_unknown", "query"),
    [
        ("reverse", {}),
        ("query", {"attempts": 20, "pause": "50ms"}),
        ("query", {"within": "1s", "pause": "50ms"}),
    ],
)
def test_who_reverses_or_asks_long_enough_leaves_no_orphan(
    on_unknown: str, query: dict[str, object]
) -> None:
    links = asked(on_unknown, **query)
    # The customer was shown no approval, or has left: what was approved after that is undone.
    assert links.of(PaymentRecord)[0].outcome is not Outcome.APPROVED
    assert links.book("issuer") == ["authorised 1000", "voided 1000"]
    assert links.broken() == {}


@pytest.mark.parametrize(
    ("on_unknown", "query"),
    [
        ("give_up", {}),
        ("query", {"attempts": 3, "pause": "50ms"}),
        ("query", {"within": "200ms", "pause": "50ms"}),
    ],
)
def test_who_gives_up_leaves_an_orphan(on_unknown: str, query: dict[str, object]) -> None:
    links = asked(on_unknown, **query)
    assert links.book("issuer") == ["authorised 1000"]
    assert "no_orphaned_authorisation" in links.broken()


def test_a_caller_asks_first_after_a_while_and_until_its_time_is_over() -> None:
    links = asked("query", first_after="100ms", within="250ms", pause="60ms")
    # unknown at 400 ms: asked from 500 ms on, and not after 650 ms
    assert queries_at_ms(links) == [500, 560, 620]
    links = asked("query", attempts=2, within="250ms", pause="60ms")
    assert queries_at_ms(links) == [400, 460]


@pytest.mark.parametrize(
    "query",
    [{"within": "1s", "pause": "0s"}, {"within": "1s", "first_after": "2s"}],
)
def test_queries_that_cannot_be_meant_are_mistakes(query: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Query.model_validate(query)


def test_the_longest_query_is_known_before_any_run() -> None:
    # three tries of 1 s with two pauses of 250 ms
    assert Query().longest_s(1.0) == pytest.approx(3.5)
    assert Query.model_validate({"within": "2s"}).longest_s(1.0) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("call", "query", "asked_at_ms"),
    [
        # Unknown at 400 ms, and the request has had its time again at 800 ms.
        ({"fallback": [{"to": "processor-b"}]}, {"within": "2s"}, [400, 600, 800]),
        ({"fallback": [{"to": "processor-b"}]}, {"attempts": 2}, [400, 600]),
        # Without a fallback nobody waits for what comes next.
        ({}, {"within": "900ms"}, [400, 600, 800, 1000, 1200]),
    ],
)
def test_not_found_is_doubted_for_one_more_timeout_where_a_fallback_waits(
    call: dict[str, Any], query: dict[str, Any], asked_at_ms: list[int]
) -> None:
    text = shop(
        answers_at_once=True,
        processors=["processor-a", "processor-b"] if call else ["processor-a"],
        deadline="1s",
        timeout="400ms",
        on_unknown="query",
        authorise={**call, "query": {"pause": "200ms", **query}},
    )

    async def work(links: VirtualLinks) -> None:
        # The request never begins while anybody asks for it.
        late = ActiveFault(
            id="f",
            parameters=LateAnswer(delay="9s"),
            spots=(InLinkPlace("processor-a", operation="authorise"),),
        )
        links.host.faults.apply(late)
        await links.pay(timeout_s=1.0)
        await links.drain()

    links, _ = on_links(text, work)
    assert queries_at_ms(links) == asked_at_ms
    outcome = Outcome.APPROVED if call else Outcome.UNKNOWN
    assert links.of(PaymentRecord)[0].outcome is outcome
