"""Faults in links: what each does to a payment, and which money rules a chain breaks by it."""

from __future__ import annotations

import asyncio
from math import exp
from typing import Any

import pytest

from harness.faults.timeline import compile_timeline
from harness.model.chain import Chain
from harness.model.checks import check_experiment
from harness.model.experiment import Experiment
from harness.model.fault import LINK_KINDS, Fault, Struck
from harness.model.problem import Problem
from harness.payments.cards import TEST_CARDS
from harness.payments.outcome import HopResult
from harness.services.channel import Reply
from harness.services.fault import ActiveFault, InLinkFaults
from tests.world import World, in_world

VISA, MASTERCARD = TEST_CARDS[0], TEST_CARDS[3]
QUICK = "answers_in: {median: 0s, p99: 0s}"
CHAIN = f"""\
chain: shop
entry: gateway
links:
  gateway:
    role: gateway
    {QUICK}
    calls: {{authorise: {{to: processor, timeout: 300ms, on_unknown: reverse}}}}
  processor: {{role: processor, {QUICK}, calls: {{authorise: {{to: issuer, timeout: 200ms}}}}}}
  issuer: {{role: issuer, {QUICK}}}
"""


def switch_on(
    world: World, kind: str, link: str = "processor", operation: str | None = "authorise",
    **parameters: Any,
) -> None:  # fmt: skip
    active = ActiveFault(
        "f", LINK_KINDS[kind].model_validate(parameters), frozenset({link}), None, operation
    )
    world.host.faults.apply(active)


def under(
    kind: str, *, link: str = "processor", operation: str | None = "authorise",
    text: str = CHAIN, **parameters: Any,
) -> tuple[World, Reply]:  # fmt: skip
    """One payment under a fault, which is over when the payment has its answer."""

    async def work(world: World) -> Reply:
        switch_on(world, kind, link, operation, **parameters)
        reply = await world.pay()
        world.host.faults.heal("f")
        await world.drain()
        return reply

    return in_world(text, work)


def test_a_lost_answer_is_work_done_that_the_caller_must_reverse() -> None:
    world, reply = under("lost_answer")
    assert reply.result is HopResult.TECHNICAL
    assert world.book("issuer") == ["authorised 1000", "voided 1000"]
    assert world.broken() == {}


def test_a_late_answer_is_overtaken_by_its_reversal_and_charges_nobody() -> None:
    world, _ = under("late_answer", delay="400ms")
    assert world.book("issuer") == []
    assert "reversal_acknowledged" in world.decisions("gateway")
    assert world.broken() == {}


def test_a_slow_answer_is_undone_after_it_was_given() -> None:
    world, _ = under("slow_answer", delay="400ms")
    assert world.book("issuer") == ["authorised 1000", "voided 1000"]
    assert world.broken() == {}


def test_a_duplicate_answer_is_never_taken_for_the_next_payments() -> None:
    async def work(world: World) -> list[str]:
        switch_on(world, "duplicate_answer", copies=3)
        replies = [await world.pay(f"p{number}", 100 + number) for number in range(5)]
        return [f"{one.result} {one.answer.amount_minor}" for one in replies if one.answer]

    world, replies = in_world(CHAIN, work)
    assert replies == [f"approved {100 + number}" for number in range(5)]
    assert all(world.broken(f"p{number}") == {} for number in range(5))


@pytest.mark.parametrize(
    ("says", "told", "rule"),
    [
        ("approved", "approved", "no_approval_without_money"),
        ("declined", "declined", "no_orphaned_authorisation"),
        ("another_amount", "approved", "amounts_equal"),
        ("another_payment", "approved", "books_agree"),
    ],
)
def test_a_wrong_answer_breaks_the_rule_that_is_for_it(says: str, told: str, rule: str) -> None:
    text = CHAIN
    if says == "approved":  # the issuer declines, and the processor says it approved
        text = CHAIN.replace("role: issuer,", 'role: issuer, declines: {share: 100%, code: "51"},')
    world, reply = under("wrong_answer", text=text, says=says)
    assert reply.result == told
    assert set(world.broken()) == {rule}


def test_a_stale_answer_is_the_one_given_before() -> None:
    async def work(world: World) -> None:
        await world.pay("p1")
        switch_on(world, "stale_answer")
        await world.pay("p2")

    world, _ = in_world(CHAIN, work)
    assert world.book("issuer", "p2") == []
    assert set(world.broken("p2")) == {"no_approval_without_money"}
    assert world.broken("p1") == {}


def test_a_malformed_answer_leaves_the_outcome_unknown() -> None:
    world, reply = under("malformed")
    assert reply.result is HopResult.TECHNICAL
    assert world.book("issuer") == ["authorised 1000", "voided 1000"]
    assert world.broken() == {}


def test_what_is_stuck_is_pending_for_queries_too_and_worked_on_when_the_fault_is_over() -> None:
    text = CHAIN.replace("on_unknown: reverse", "on_unknown: query")

    async def work(world: World) -> HopResult:
        switch_on(world, "stuck_pending")
        reply = await world.pay()
        assert world.book("issuer") == []
        world.host.faults.heal("f")
        await world.drain()
        return reply.result

    world, result = in_world(text, work)
    assert result is HopResult.UNKNOWN
    assert world.book("issuer") == ["authorised 1000"]  # the backlog, and nobody asks for it now
    assert set(world.broken()) == {"no_orphaned_authorisation", "unknowns_resolved"}


def test_what_is_gray_fails_while_its_health_check_is_well() -> None:
    async def work(world: World) -> tuple[HopResult, int]:
        switch_on(world, "gray", operation=None)
        reply = await world.pay()
        reader, writer = await asyncio.open_connection("127.0.0.1", world._ports["processor"])
        writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        status = int((await reader.readline()).split()[1])
        writer.close()
        world.host.faults.heal("f")
        await world.drain()
        return reply.result, status

    world, (result, status) = in_world(CHAIN, work)
    assert (result, status) == (HopResult.TECHNICAL, 200)
    assert world.broken() == {}


class _Link:
    """Notes what is done to it."""

    name = "issuer"

    def __init__(self) -> None:
        self.done: list[str] = []

    def crash(self) -> None:
        self.done.append("crash")

    def revive(self, *, forgets: bool) -> None:
        self.done.append("revive, forgetful" if forgets else "revive")


def test_a_link_comes_back_when_the_last_of_its_crashes_is_over() -> None:
    link, faults = _Link(), InLinkFaults(1)
    faults.watch_over(link)
    for name, forgets in (("first", True), ("second", False)):
        parameters = LINK_KINDS["crash"].model_validate({"forgets": forgets})
        faults.apply(ActiveFault(name, parameters, frozenset({"issuer"})))
    faults.heal("first")
    assert link.done == ["crash", "crash"]
    faults.heal("second")
    assert link.done == ["crash", "crash", "revive, forgetful"]


async def _crash_between(world: World, *, forgets: bool) -> list[HopResult]:
    """A payment, a crash in which another one fails, and a third when the link is back."""
    before = await world.pay("p1")
    switch_on(world, "crash", forgets=forgets)
    amid = await world.pay("p2")
    world.host.faults.heal("f")
    await world.drain()
    after = await world.pay("p3")
    return [before.result, amid.result, after.result]


def test_a_link_that_crashed_is_refused_and_comes_back_on_its_address() -> None:
    world, results = in_world(CHAIN, lambda world: _crash_between(world, forgets=False))
    assert results == [HopResult.APPROVED, HopResult.TECHNICAL, HopResult.APPROVED]
    assert world.host.faults.hits == {"f": 1}
    assert all(world.broken(payment) == {} for payment in ("p1", "p2", "p3"))


@pytest.mark.parametrize("forgets", [False, True])
def test_a_link_that_died_amid_an_authorisation_knows_from_its_book_what_to_reverse(
    forgets: bool,
) -> None:
    async def work(world: World) -> None:
        slow = LINK_KINDS["slow_answer"].model_validate({"delay": "150ms"})
        world.host.faults.apply(ActiveFault("s", slow, frozenset({"issuer"}), None, "authorise"))
        paying = asyncio.create_task(world.pay())
        await asyncio.sleep(0.06)
        switch_on(world, "crash", forgets=forgets)
        world.host.faults.heal("f")
        await paying
        await world.drain()

    world, _ = in_world(CHAIN, work)
    undone = [] if forgets else ["voided 1000"]
    assert world.book("issuer") == ["authorised 1000", *undone]
    assert set(world.broken()) == ({"no_orphaned_authorisation"} if forgets else set())


@pytest.mark.parametrize("forgets", [False, True])
def test_a_link_that_forgets_its_books_cannot_pass_a_capture_on(forgets: bool) -> None:
    text = CHAIN.replace("role: gateway\n", "role: gateway\n    captures: {after: 200ms}\n")

    async def work(world: World) -> None:
        await world.pay()
        switch_on(world, "crash", forgets=forgets)
        world.host.faults.heal("f")
        await world.drain()

    world, _ = in_world(text, work)
    captured = ["authorised 1000"] if forgets else ["authorised 1000", "captured 1000 c1"]
    assert world.book("issuer") == captured


def test_only_the_payments_of_a_scheme_a_range_or_a_merchant_are_struck() -> None:
    async def work(world: World) -> list[str]:
        switch_on(world, "decline", code="91", only={"schemes": ["mastercard"]})
        first = await world.pay("p1", card=MASTERCARD)
        return [str(first.result), str((await world.pay("p2", card=VISA)).result)]

    _, results = in_world(CHAIN, work)
    assert results == ["technical", "approved"]
    of_range = Struck.model_validate({"ranges": ["4000-4242"]})
    assert of_range.strikes(VISA.number, "visa", "shop")
    assert not of_range.strikes(MASTERCARD.number, "mastercard", "shop")
    assert not Struck.model_validate({"merchants": ["kiosk"]}).strikes("4", "visa", "shop")


def fault(**shape: Any) -> Fault:
    target = {"link": "processor"}
    return Fault.model_validate({"at": "10s", "for": "10s", "target": target, **shape})


DECLINE = {"decline": {"share": "80%"}}


def test_a_ramp_grows_to_the_whole_share() -> None:
    windows = fault(ramp={"steps": 4, "fault": DECLINE}).windows()
    assert [(start, end) for start, end, _ in windows] == [
        (10, 12.5), (12.5, 15), (15, 17.5), (17.5, 20),
    ]  # fmt: skip
    # a quarter, a half, three quarters and all of 80 %
    shares = [one.parameters.share for _, _, one in windows]
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
    timed = [{"at": "0s", "for": "4s", **one} for one in faults]
    load = {"arrivals": "1/s", "before": "1s", "after": "1s"}
    return Experiment.model_validate({"experiment": "x", "load": load, "faults": timed})


def test_a_shape_is_switched_step_by_step_and_a_heal_comes_before_the_next_step() -> None:
    chain = Chain.model_validate(
        {
            "chain": "shop", "entry": "gateway",
            "links": {
                "gateway": {"role": "gateway", "calls": {"authorise": {"to": "issuer"}}},
                "issuer": {"role": "issuer"},
            },
        }
    )  # fmt: skip
    shaped = {"target": {"link": "issuer"}, "ramp": {"steps": 2, "fault": DECLINE}}
    switches = compile_timeline(chain, experiment(shaped))
    assert [(one.at_s, one.action, one.fault.parameters.share) for one in switches] == [
        (0, "apply", 0.4), (2, "heal", 0.4), (2, "apply", 0.8), (4, "heal", 0.8),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (
            {"target": {"call": "gateway.authorise"}, "crash": {}},
            "crash strikes a whole link, not one of its callers",
        ),
        (
            {"target": {"link": "edge"}, "stuck_pending": {}},
            "edge only forwards bytes: it cannot stuck pending",
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
def test_a_fault_that_its_target_cannot_have_is_refused(one: dict[str, Any], told: str) -> None:
    links = {
        "edge": {"role": "edge", "forwards_to": "gateway"},
        "gateway": {"role": "gateway", "calls": {"authorise": {"to": "issuer"}}},
        "issuer": {"role": "issuer"},
    }
    chain = Chain.model_validate({"chain": "shop", "entry": "edge", "links": links})
    (problem,) = check_experiment(experiment(one), chain)
    assert problem.what == told


@pytest.mark.parametrize("target", [{"link": "issuer"}, {"provider": "bank"}])
@pytest.mark.parametrize("shape", ["", "flapping"])
def test_a_process_that_is_killed_keeps_no_books(target: dict[str, str], shape: str) -> None:
    chain = Chain.model_validate(
        {
            "chain": "shop", "entry": "gateway", "providers": {"bank": {"kind": "bank"}},
            "links": {
                "gateway": {"role": "gateway", "calls": {"authorise": {"to": "issuer"}}},
                "issuer": {"role": "issuer", "provider": "bank", "isolate": True},
            },
        }
    )  # fmt: skip

    def problems(**crash: Any) -> list[Problem]:
        kind: dict[str, Any] = {"crash": crash}
        shaped = {shape: {"period": "1s", "fault": kind}} if shape else kind
        return check_experiment(experiment({"target": target} | shaped), chain)

    (problem,) = problems()
    assert problem.path == ("faults", 0, *([shape, "fault"] if shape else []), "crash")
    assert problem.what.startswith("issuer is isolated: ")
    assert problem.mend == "write forgets: true"
    assert problems(forgets=True) == []
