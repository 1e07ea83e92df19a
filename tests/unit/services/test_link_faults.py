"""Faults in links: what each does to a payment, and which money rules a chain breaks by it."""

from __future__ import annotations

import asyncio
from math import exp
from typing import Any

import pytest

from paychain.declaration.problem import Problem
from paychain.engine.timeline import compile_timeline
from paychain.faults.affected import AffectedPayments
from paychain.faults.fault import Fault
from paychain.faults.kind import StateFaultKind
from paychain.faults.kinds import KINDS
from paychain.model.chain import Chain
from paychain.model.checks import check_experiment
from paychain.model.experiment import Experiment
from paychain.model.places import InLinkPlace
from paychain.payments.cards import TEST_CARDS
from paychain.payments.outcome import HopResult
from paychain.protocol.message import PaymentRequest
from paychain.protocol.reply import Reply
from paychain.services.context import Context
from paychain.services.in_link_faults import ActiveFault, InLinkFaults
from tests.support.chains import corner_shop
from tests.support.virtual_links import VirtualLinks, on_links

VISA, MASTERCARD = TEST_CARDS[0], TEST_CARDS[3]


def shop(**changes: Any) -> str:
    """One processor, and links that answer at once."""
    usual = {"timeout": "300ms", "processor_timeout": "200ms", "on_unknown": "reverse"}
    return corner_shop(answers_at_once=True, **{**usual, **changes})


CHAIN = shop()


def switch_on(
    links: VirtualLinks,
    kind: str,
    link: str = "processor",
    operation: str | None = "authorise",
    *,
    id: str = "f",
    **parameters: Any,
) -> None:
    active = ActiveFault(
        id=id,
        parameters=KINDS[kind].model_validate(parameters),
        spots=(InLinkPlace(link, operation=operation),),
    )
    links.host.faults.apply(active)


def under(
    kind: str,
    *,
    link: str = "processor",
    operation: str | None = "authorise",
    text: str = CHAIN,
    **parameters: Any,
) -> tuple[VirtualLinks, Reply]:
    """One payment under a fault, which is over when the payment has its answer."""

    async def work(links: VirtualLinks) -> Reply:
        switch_on(links, kind, link, operation, **parameters)
        reply = await links.pay()
        links.host.faults.heal("f")
        await links.drain()
        return reply

    return on_links(text, work)


def test_a_lost_answer_is_work_done_that_the_caller_must_reverse() -> None:
    links, reply = under("lost_answer")
    assert reply.result is HopResult.TECHNICAL
    assert links.book("issuer") == ["authorised 1000", "voided 1000"]
    assert links.broken() == {}


def test_a_late_answer_is_overtaken_by_its_reversal_and_charges_nobody() -> None:
    links, _ = under("late_answer", delay="400ms")
    assert links.book("issuer") == []
    assert "reversal_acknowledged" in links.decisions("gateway")
    assert links.broken() == {}


def test_a_slow_answer_is_undone_after_it_was_given() -> None:
    links, _ = under("slow_answer", delay="400ms")
    assert links.book("issuer") == ["authorised 1000", "voided 1000"]
    assert links.broken() == {}


def test_a_duplicate_answer_is_never_taken_for_the_next_payments() -> None:
    async def work(links: VirtualLinks) -> list[str]:
        switch_on(links, "duplicate_answer", copies=3)
        replies = [await links.pay(f"p{number}", 100 + number) for number in range(5)]
        return [f"{reply.result} {reply.answer.amount_minor}" for reply in replies if reply.answer]

    links, replies = on_links(CHAIN, work)
    assert replies == [f"approved {100 + number}" for number in range(5)]
    assert all(links.broken(f"p{number}") == {} for number in range(5))


@pytest.mark.parametrize(
    ("says", "message", "rule"),
    [
        ("approved", "approved", "no_approval_without_money"),
        ("declined", "declined", "no_orphaned_authorisation"),
        ("another_amount", "approved", "amounts_equal"),
        ("another_payment", "approved", "books_agree"),
    ],
)
def test_a_wrong_answer_breaks_the_rule_that_is_for_it(says: str, message: str, rule: str) -> None:
    text = CHAIN
    if says == "approved":  # the issuer declines, and the processor says it approved
        text = shop(issuer={"declines": {"share": "100%", "code": "51"}})
    links, reply = under("wrong_answer", text=text, says=says)
    assert reply.result == message
    assert set(links.broken()) == {rule}


def test_a_stale_answer_is_the_one_given_before() -> None:
    async def work(links: VirtualLinks) -> None:
        await links.pay("p1")
        switch_on(links, "stale_answer")
        await links.pay("p2")

    links, _ = on_links(CHAIN, work)
    assert links.book("issuer", "p2") == []
    assert set(links.broken("p2")) == {"no_approval_without_money"}
    assert links.broken("p1") == {}


def test_a_stale_answer_hides_a_request_however_often_it_arrives() -> None:
    async def work(links: VirtualLinks) -> None:
        await links.pay("p1")
        switch_on(links, "stale_answer")
        switch_on(links, "duplicate_request", id="g", after="10ms")
        await links.pay("p2")
        await links.drain()

    links, _ = on_links(CHAIN, work)
    assert links.book("issuer", "p1") == ["authorised 1000"]
    assert links.book("issuer", "p2") == []


def test_a_malformed_answer_leaves_the_outcome_unknown() -> None:
    links, reply = under("malformed")
    assert reply.result is HopResult.TECHNICAL
    assert links.book("issuer") == ["authorised 1000", "voided 1000"]
    assert links.broken() == {}


def test_what_is_stuck_is_pending_for_queries_too_and_worked_on_when_the_fault_is_over() -> None:
    text = shop(on_unknown="query")

    async def work(links: VirtualLinks) -> HopResult:
        switch_on(links, "stuck_pending")
        reply = await links.pay()
        assert links.book("issuer") == []
        links.host.faults.heal("f")
        await links.drain()
        return reply.result

    links, result = on_links(text, work)
    assert result is HopResult.UNKNOWN
    assert links.book("issuer") == ["authorised 1000"]  # the backlog, and nobody asks for it now
    assert set(links.broken()) == {"no_orphaned_authorisation", "unknowns_resolved"}


def test_what_is_stuck_is_pending_also_for_a_query_that_another_fault_slows_down() -> None:
    async def work(links: VirtualLinks) -> HopResult:
        switch_on(links, "stuck_pending")
        switch_on(links, "slow_answer", operation="query", id="g", delay="10ms")
        reply = await links.pay()
        links.host.faults.heal("f")
        await links.drain()
        return reply.result

    links, result = on_links(shop(on_unknown="query"), work)
    assert result is HopResult.UNKNOWN
    assert links.book("issuer") == ["authorised 1000"]


def test_what_is_gray_fails_while_its_health_check_is_well() -> None:
    async def work(links: VirtualLinks) -> tuple[HopResult, int]:
        switch_on(links, "gray", operation=None)
        reply = await links.pay()
        reader, writer = await asyncio.open_connection("127.0.0.1", links._ports["processor"])
        writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        status = int((await reader.readline()).split()[1])
        writer.close()
        links.host.faults.heal("f")
        await links.drain()
        return reply.result, status

    links, (result, status) = on_links(CHAIN, work)
    assert (result, status) == (HopResult.TECHNICAL, 200)
    assert links.broken() == {}


class _Link:
    """Notes what is done to it."""

    name = "issuer"

    def __init__(self) -> None:
        self.done: list[str] = []

    def crash(self) -> None:
        self.done.append("crash")

    def revive(self, *, forgets: bool) -> None:
        self.done.append("revive, forgetful" if forgets else "revive")

    def freeze(self) -> None:
        self.done.append("freeze")

    def thaw(self) -> None:
        self.done.append("thaw")

    def apply(self, fault: StateFaultKind, window: str) -> int:
        self.done.append(f"changed by {type(fault).__name__}")
        return 1

    def heal(self, fault: StateFaultKind, window: str) -> None:
        self.done.append(f"changed by {type(fault).__name__} no more")


def test_a_link_comes_back_when_the_last_of_its_crashes_is_over() -> None:
    link, faults = _Link(), InLinkFaults(1)
    faults.watch_over(link)
    for name, forgets in (("first", True), ("second", False)):
        parameters = KINDS["crash"].model_validate({"forgets": forgets})
        faults.apply(ActiveFault(id=name, parameters=parameters, spots=(InLinkPlace("issuer"),)))
    faults.heal("first")
    assert link.done == ["crash", "crash"]
    faults.heal("second")
    assert link.done == ["crash", "crash", "thaw", "revive, forgetful"]


def test_a_link_that_dies_while_it_is_frozen_begins_anew_when_both_are_over() -> None:
    link, faults = _Link(), InLinkFaults(1)
    faults.watch_over(link)
    for name in ("freeze", "crash"):
        parameters = KINDS[name].model_validate({})
        faults.apply(ActiveFault(id=name, parameters=parameters, spots=(InLinkPlace("issuer"),)))
    faults.heal("crash")
    assert link.done == ["freeze", "crash"]
    faults.heal("freeze")
    assert link.done == ["freeze", "crash", "thaw", "revive"]
    assert faults.hits == {"freeze": 1, "crash": 1}


@pytest.mark.parametrize("forgets", [False, True])
def test_what_changes_a_link_changes_it_again_when_it_has_forgotten_everything(
    forgets: bool,
) -> None:
    link, faults = _Link(), InLinkFaults(1)
    faults.watch_over(link)
    for name, more in (("lies", {}), ("reorg", {"depth": 1}), ("crash", {"forgets": forgets})):
        parameters = KINDS[name].model_validate(more)
        faults.apply(ActiveFault(id=name, parameters=parameters, spots=(InLinkPlace("issuer"),)))
    del link.done[:]
    faults.heal("crash")
    # A reorganisation is over as soon as it has begun.
    revived = ["revive, forgetful", "changed by Lies"] if forgets else ["revive"]
    assert link.done == ["thaw", *revived]
    assert faults.hits == {"lies": 1, "reorg": 1, "crash": 1}
    faults.heal("lies")
    assert link.done[-1] == "changed by Lies no more"


SLOW = {"processor": {"answers_in": {"median": "100ms", "p99": "100ms"}}}
PATIENT = shop(timeout="3s", processor_timeout="2s", deadline="5s", **SLOW)


async def _freeze_between(links: VirtualLinks) -> tuple[HopResult, float, float]:
    """A payment that the link works on when it freezes for a second; when it is answered."""
    paying = asyncio.ensure_future(links.pay("p1"))
    await asyncio.sleep(0.05)
    switch_on(links, "freeze")
    frozen_s = links.now_ns() / 1e9
    await asyncio.sleep(1)
    assert not paying.done()
    links.host.faults.heal("f")
    paid = await paying
    return paid.result, frozen_s, links.now_ns() / 1e9


def test_a_frozen_link_answers_when_it_goes_on() -> None:
    links, (result, frozen_s, answered_s) = on_links(PATIENT, _freeze_between)
    assert result == HopResult.APPROVED
    assert answered_s - frozen_s >= 1
    assert links.broken() == {}


async def _crash_between(links: VirtualLinks, *, forgets: bool) -> list[HopResult]:
    """A payment, a crash in which another one fails, and a third when the link is back."""
    before = await links.pay("p1")
    switch_on(links, "crash", forgets=forgets)
    amid = await links.pay("p2")
    links.host.faults.heal("f")
    await links.drain()
    after = await links.pay("p3")
    return [before.result, amid.result, after.result]


def test_a_link_that_crashed_is_refused_and_comes_back_on_its_address() -> None:
    links, results = on_links(CHAIN, lambda links: _crash_between(links, forgets=False))
    assert results == [HopResult.APPROVED, HopResult.TECHNICAL, HopResult.APPROVED]
    assert links.host.faults.hits == {"f": 1}
    assert all(links.broken(payment) == {} for payment in ("p1", "p2", "p3"))


@pytest.mark.parametrize("forgets", [False, True])
def test_a_link_that_died_amid_an_authorisation_knows_from_its_book_what_to_reverse(
    forgets: bool,
) -> None:
    async def work(links: VirtualLinks) -> None:
        switch_on(links, "slow_answer", "issuer", id="s", delay="150ms")
        paying = asyncio.create_task(links.pay())
        await asyncio.sleep(0.06)
        switch_on(links, "crash", forgets=forgets)
        links.host.faults.heal("f")
        await paying
        await links.drain()

    links, _ = on_links(CHAIN, work)
    undone = [] if forgets else ["voided 1000"]
    assert links.book("issuer") == ["authorised 1000", *undone]
    assert set(links.broken()) == ({"no_orphaned_authorisation"} if forgets else set())


@pytest.mark.parametrize("forgets", [False, True])
def test_a_link_that_forgets_its_books_cannot_pass_a_capture_on(forgets: bool) -> None:
    text = shop(gateway={"captures": {"after": "200ms"}})

    async def work(links: VirtualLinks) -> None:
        await links.pay()
        switch_on(links, "crash", forgets=forgets)
        links.host.faults.heal("f")
        await links.drain()

    links, _ = on_links(text, work)
    captured = ["authorised 1000"] if forgets else ["authorised 1000", "captured 1000 c1"]
    assert links.book("issuer") == captured


def test_only_the_payments_of_a_scheme_a_range_or_a_merchant_are_affected() -> None:
    async def work(links: VirtualLinks) -> list[str]:
        switch_on(links, "decline", code="91", only={"schemes": ["mastercard"]})
        first = await links.pay("p1", card=MASTERCARD)
        return [str(first.result), str((await links.pay("p2", card=VISA)).result)]

    _, results = on_links(CHAIN, work)
    assert results == ["technical", "approved"]
    of_range = AffectedPayments.model_validate({"ranges": ["4000-4242"]})
    assert of_range.includes(VISA.number, "visa", "shop")
    assert not of_range.includes(MASTERCARD.number, "mastercard", "shop")
    assert not AffectedPayments.model_validate({"merchants": ["kiosk"]}).includes(
        "4", "visa", "shop"
    )


def fault(**shape: Any) -> Fault:
    target = {"link": "processor"}
    return Fault.model_validate({"at": "10s", "for": "10s", "target": target, **shape})


DECLINE = {"decline": {"share": "80%"}}


def test_a_ramp_grows_to_the_whole_share() -> None:
    windows = fault(ramp={"steps": 4, "fault": DECLINE}).windows()
    assert [(start, end) for start, end, _ in windows] == [
        (10, 12.5),
        (12.5, 15),
        (15, 17.5),
        (17.5, 20),
    ]
    # a quarter, a half, three quarters and all of 80 %
    shares = [each.parameters.share for _, _, each in windows]
    assert shares == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_a_relapse_is_healthy_in_between() -> None:
    windows = fault(relapse={"on": "3s", "healthy": "2s", "fault": DECLINE}).windows()
    assert [(start, end) for start, end, _ in windows] == [(10, 13), (15, 20)]


def test_a_cache_expiry_reaches_one_minus_e_to_the_minus_one_after_one_lifetime() -> None:
    windows = fault(cache_expiry={"ttl": "5s", "steps": 10, "fault": DECLINE}).windows()
    # the fifth step is 4 s to 5 s: its middle is 4.5 s after the start
    assert windows[4][2].parameters.share == pytest.approx(0.8 * (1 - exp(-4.5 / 5)))
    assert windows[9][2].parameters.share == pytest.approx(0.8 * (1 - exp(-9.5 / 5)))


def experiment(*faults: dict[str, Any]) -> Experiment:
    timed = [{"at": "0s", "for": "4s", **each} for each in faults]
    load = {"arrivals": "1/s", "before": "1s", "after": "1s"}
    return Experiment.model_validate({"experiment": "x", "load": load, "faults": timed})


def test_a_shape_is_switched_step_by_step_and_a_heal_comes_before_the_next_step() -> None:
    chain = Chain.model_validate(
        {
            "chain": "shop",
            "entry": "gateway",
            "links": {
                "gateway": {"role": "gateway", "calls": {"authorise": {"to": "issuer"}}},
                "issuer": {"role": "issuer"},
            },
        }
    )
    shaped = {"target": {"link": "issuer"}, "ramp": {"steps": 2, "fault": DECLINE}}
    switches = compile_timeline(chain, experiment(shaped))
    assert [(switch.at_s, switch.action, switch.fault.parameters.share) for switch in switches] == [
        (0, "apply", 0.4),
        (2, "heal", 0.4),
        (2, "apply", 0.8),
        (4, "heal", 0.8),
    ]


@pytest.mark.parametrize(
    ("wrong", "mistake"),
    [
        (
            {"target": {"call": "gateway.authorise"}, "crash": {}},
            "crash applies to a whole link, not to one of its callers",
        ),
        (
            {"target": {"link": "edge"}, "stuck_pending": {}},
            "edge only forwards bytes: it cannot have stuck_pending",
        ),
        (
            {"target": {"link": "edge"}, "ramp": {"fault": {"crash": {}}}},
            "crash has no share that could grow",
        ),
        (
            {
                "target": {"link": "edge"},
                "ramp": {"fault": {"latency": {"delay": "1s"}}},
                "flapping": {"period": "1s", "fault": {"down": {}}},
            },
            "two shapes: flapping, ramp",
        ),
        (
            {"target": {"link": "gateway"}, "wrong_answer": {"code": "ZZ"}},
            "unknown response code 'ZZ'",
        ),
    ],
)
def test_a_fault_that_its_target_cannot_have_is_refused(
    wrong: dict[str, Any], mistake: str
) -> None:
    links = {
        "edge": {"role": "edge", "forwards_to": "gateway"},
        "gateway": {"role": "gateway", "calls": {"authorise": {"to": "issuer"}}},
        "issuer": {"role": "issuer"},
    }
    chain = Chain.model_validate({"chain": "shop", "entry": "edge", "links": links})
    (problem,) = check_experiment(experiment(wrong), chain)
    assert problem.what == mistake


@pytest.mark.parametrize("target", [{"link": "issuer"}, {"provider": "bank"}])
@pytest.mark.parametrize("shape", ["", "flapping"])
def test_a_process_that_is_killed_keeps_no_books(target: dict[str, str], shape: str) -> None:
    chain = Chain.model_validate(
        {
            "chain": "shop",
            "entry": "gateway",
            "providers": {"bank": {"kind": "bank"}},
            "links": {
                "gateway": {"role": "gateway", "calls": {"authorise": {"to": "issuer"}}},
                "issuer": {"role": "issuer", "provider": "bank", "isolate": True},
            },
        }
    )

    def problems(**crash: Any) -> list[Problem]:
        kind: dict[str, Any] = {"crash": crash}
        shaped = {shape: {"period": "1s", "fault": kind}} if shape else kind
        return check_experiment(experiment({"target": target} | shaped), chain)

    (problem,) = problems()
    assert problem.path == ("faults", 0, *([shape, "fault"] if shape else []), "crash")
    assert problem.what.startswith("issuer is isolated: ")
    assert problem.hint == "write forgets: true"
    assert problems(forgets=True) == []


def test_links_in_several_processes_draw_for_themselves() -> None:
    """No process counts the requests of another's links: both would draw the same otherwise."""
    spots = (InLinkPlace("a"), InLinkPlace("b"))
    apart = []
    for name in ("a", "b"):
        faults = InLinkFaults(1)
        link = _Link()
        link.name = name
        faults.watch_over(link)
        parameters = KINDS["http_error"].model_validate({"status": "503", "share": "50%"})
        faults.apply(ActiveFault(id="half", parameters=parameters, spots=spots))
        context = Context(link=name, seed=1, now_ns=lambda: 0, journal=[], span_prefix="")
        requests = (PaymentRequest(f"p{number}", 100, "EUR", VISA) for number in range(200))
        apart.append([bool(faults.affecting(context, "g", "authorise", each)) for each in requests])
    same = sum(mine == others for mine, others in zip(*apart, strict=True))
    assert 70 < same < 130
    assert all(70 < sum(hits) < 130 for hits in apart)
