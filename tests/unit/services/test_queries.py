"""A caller that asks what became of an unknown outcome: how long it asks, and what it finds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from paychain.faults.kinds.http_error import HttpError
from paychain.faults.kinds.late_answer import LateAnswer
from paychain.faults.kinds.lost_answer import LostAnswer
from paychain.model.places import InLinkPlace
from paychain.model.policy import Query
from paychain.payments.journal import Decision, DecisionKind, HopRecord, Movement, PaymentRecord
from paychain.payments.outcome import Outcome
from paychain.services.in_link_faults import ActiveFault
from tests.support.chains import corner_shop, shop
from tests.support.virtual_links import VirtualLinks, on_links

DEADLINE_S = 0.5  # an instant payment's 40 s, 1:80
LATE_S = 0.8  # when the issuer has decided


def asked(
    on_unknown: str,
    *,
    errors: Sequence[Mapping[str, object]] = (),
    retry: Mapping[str, object] | None = None,
    **query: object,
) -> VirtualLinks:
    """A payment whose issuer decides after the gateway and the customer have stopped to wait.

    `errors`: with which the processor answers at once.
    """
    text = corner_shop(
        answers_at_once=True,
        deadline=f"{DEADLINE_S}s",
        timeout="400ms",
        on_unknown=on_unknown,
        authorise={
            **({"query": query} if query else {}),
            **({"retry": retry} if retry is not None else {}),
        },
        processor_timeout="2s",
    )

    async def work(links: VirtualLinks) -> None:
        late = ActiveFault(
            id="f",
            parameters=LateAnswer(delay=f"{int(LATE_S * 1000)}ms"),
            spots=(InLinkPlace("issuer", operation="authorise"),),
        )
        links.host.faults.apply(late)
        spots = (InLinkPlace("processor", operation="authorise"),)
        for number, declared in enumerate(errors):
            error = HttpError.model_validate(declared)
            links.host.faults.apply(ActiveFault(id=f"e{number}", parameters=error, spots=spots))
        await links.pay(timeout_s=DEADLINE_S)
        await links.drain()

    links, _ = on_links(text, work)
    return links


def paid_late(text: str, begins_after: Mapping[str, str], *, deadline_s: float) -> VirtualLinks:
    """A payment whose requests to some links begin late."""

    async def work(links: VirtualLinks) -> None:
        for link, delay in begins_after.items():
            late = ActiveFault(
                id=link,
                parameters=LateAnswer(delay=delay),
                spots=(InLinkPlace(link, operation="authorise"),),
            )
            links.host.faults.apply(late)
        await links.pay(timeout_s=deadline_s)
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


def test_a_connection_that_breaks_makes_no_query_come_sooner() -> None:
    later = {"first_after": "100ms", "within": "250ms", "pause": "60ms"}
    for query, asked_at_ms in (
        (later, [500, 560, 620]),  # as if it had had its whole time
        ({"attempts": 2, "pause": "60ms"}, [0, 60]),  # no wait is declared: at once
    ):
        links = asked("query", errors=[{"status": 503}], **query)
        assert queries_at_ms(links) == asked_at_ms


def test_the_wait_begins_with_the_request_that_was_sent_and_not_with_one_that_was_refused() -> None:
    limited, broken = {"status": 429, "requests": [1]}, {"status": 503, "requests": [2]}
    links = asked(
        "query",
        errors=(limited, broken),
        retry={"backoff": "200ms", "jitter": "none", "on": ["rejected"]},
        first_after="100ms",
        attempts=1,
    )
    assert queries_at_ms(links) == [700]  # sent at 200 ms, with 400 ms for its answer


def test_the_wait_begins_when_the_request_is_sent_and_not_while_it_waits_for_a_place() -> None:
    """Another payment has the only place at the processor until its time for an answer is over."""
    text = corner_shop(
        answers_at_once=True,
        deadline=f"{DEADLINE_S}s",
        timeout="400ms",
        on_unknown="query",
        authorise={
            "query": {"first_after": "100ms", "attempts": 1},
            "bulkhead": {"size": 1, "per": "target", "queue": 1, "wait": "1s"},
        },
        processor_timeout="2s",
    )

    async def work(links: VirtualLinks) -> None:
        late = LateAnswer(delay=f"{int(LATE_S * 1000)}ms")
        broken = HttpError.model_validate({"status": 503})
        before = asyncio.ensure_future(links.pay("p0", timeout_s=DEADLINE_S))
        for name, fault, link in (("late", late, "issuer"), ("broken", broken, "processor")):
            spots = (InLinkPlace(link, operation="authorise"),)
            links.host.faults.apply(ActiveFault(id=name, parameters=fault, spots=spots))
            await asyncio.sleep(0.1)
        await links.pay(timeout_s=2.0)
        await before
        await links.drain()

    links, _ = on_links(text, work)
    (sent,) = (
        hop.started_ns
        for hop in links.of(HopRecord)
        if (hop.caller, hop.operation) == ("gateway", "authorise")
    )
    (asked_ns,) = (made.at_ns for made in links.of(Decision) if made.kind is DecisionKind.QUERY)
    assert asked_ns - sent >= 500_000_000


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
        # Nobody waits for what comes next.
        ({}, {"within": "900ms"}, [400, 600, 800, 1000, 1200]),
    ],
)
def test_not_found_is_doubted_for_one_more_timeout_where_another_link_is_next(
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

    # The request never begins while anybody asks for it.
    links = paid_late(text, {"processor-a": "9s"}, deadline_s=1.0)
    assert queries_at_ms(links) == asked_at_ms
    outcome = Outcome.APPROVED if call else Outcome.UNKNOWN
    assert links.of(PaymentRecord)[0].outcome is outcome


@pytest.mark.parametrize(
    "fallback",
    [
        [{"decline": "91"}],
        [{"queue": {"pause": "1s", "within": "60s"}}],
        [{"stand_in": {"up_to": 1_000}}],
    ],
    ids=lambda steps: next(iter(steps[0])),
)
def test_a_step_that_asks_no_other_link_does_not_end_the_doubt(
    fallback: list[dict[str, Any]],
) -> None:
    text = shop(
        answers_at_once=True,
        processors=["processor-a"],
        deadline="3s",
        timeout="400ms",
        on_unknown="query",
        authorise={"fallback": fallback, "query": {"pause": "200ms", "within": "2s"}},
    )
    links = paid_late(text, {"processor-a": "1300ms"}, deadline_s=3.0)
    # The request begins when its time has been over twice, and is found all the same.
    assert queries_at_ms(links)[-1] > 1300
    assert links.of(PaymentRecord)[0].outcome is Outcome.APPROVED
    assert links.book("issuer") == ["authorised 1000"]
    assert links.broken() == {}


def test_the_last_link_is_doubted_as_an_only_one_is() -> None:
    text = shop(
        answers_at_once=True,
        processors=["processor-a", "processor-b"],
        deadline="5s",
        timeout="400ms",
        on_unknown="query",
        authorise={
            "fallback": [{"to": "processor-b"}, {"decline": "91"}],
            "query": {"pause": "200ms", "within": "2s"},
        },
    )
    links = paid_late(text, {"processor-a": "9s", "processor-b": "1300ms"}, deadline_s=5.0)
    # Believed at 800 ms; the other link takes until 2.1 s.
    assert [at_ms for at_ms in queries_at_ms(links) if at_ms < 1200] == [400, 600, 800]
    assert queries_at_ms(links)[-1] > 2100
    assert links.of(PaymentRecord)[0].outcome is Outcome.APPROVED


def test_what_follows_a_resent_request_is_about_the_answered_execution() -> None:
    text = corner_shop(
        answers_at_once=True,
        on_unknown="resend",
        gateway={"captures": {"after": "100ms"}},
        processor={"idempotency": "none"},
    )

    async def work(links: VirtualLinks) -> None:
        lost = ActiveFault(
            id="f",
            parameters=LostAnswer(first=1),
            spots=(InLinkPlace("processor", operation="authorise"),),
        )
        links.host.faults.apply(lost)
        await links.pay()
        await links.drain()

    links, _ = on_links(text, work)
    # The processor has no keys: it executes the repeat anew, under a name that its answer gives.
    captured = {move.link: move.reference for move in links.of(Movement) if move.item == "c1"}
    assert captured == dict.fromkeys(("gateway", "processor", "issuer"), "p1-1~processor.2")
    assert list(links.broken()) == ["no_double_charge"]
