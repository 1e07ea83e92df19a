"""Laws of the policies: what they must hold to whatever the targets do."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from paychain.model.fallbacks.step import Failover
from paychain.model.policy import Breaker, Budget, Bulkhead, Call
from paychain.payments.cards import Card
from paychain.payments.codes import lookup, table
from paychain.payments.journal import DecisionKind
from paychain.payments.outcome import HopResult
from paychain.services.policies.breaker import BreakerState, CircuitBreaker
from paychain.services.policies.bulkhead import Compartments
from paychain.services.policies.policy import CallEnd
from paychain.services.policies.retry import RetryBudget
from tests.support.laws import examples
from tests.support.policy_call import (
    APPROVES,
    DEAD,
    LOSES_ANSWER,
    MASTERCARD,
    REFUSES,
    VISA,
    Act,
    Bank,
    Gateway,
    declines,
    in_virtual_time,
)

quick = examples(80)
BUSINESS = sorted(code for code, each in table().items() if each.kind == "business")
seconds = st.integers(0, 40).map(lambda tenths: tenths / 10)
acts = st.sampled_from(
    [
        APPROVES,
        REFUSES,
        LOSES_ANSWER,
        DEAD,
        declines("51"),
        declines("91"),
        declines("41"),
        Act(answers_in=0.5),
        Act(answers_in=1.5),
        Act(result=HopResult.RESET),
        Act(commits=False, result=HopResult.RESET),
        Act(result=HopResult.HTTP_ERROR),
        Act(answers_in=0.7, result=HopResult.MALFORMED),
    ]
)
retries = st.fixed_dictionaries(
    {
        "attempts": st.integers(1, 4),
        "on": st.lists(
            st.sampled_from(
                ["refused", "reset", "timeout", "http_error", "malformed", "technical"]
            ),
            unique=True,
        ),
        "codes": st.sampled_from([[], ["51"], ["19", "91"]]),
    }
).filter(lambda retry: bool(retry["on"] or retry["codes"]))  # else nothing is retried: a mistake


# -- breaker ------------------------------------------------------------------------------------
breakers = st.builds(
    Breaker.model_construct,
    failure_rate=st.sampled_from([0.1, 0.5, 1.0]),
    consecutive=st.sampled_from([None, 1, 3]),
    slow_after=st.just(None),
    slow_rate=st.just(0.5),
    window=st.sampled_from([1.0, 10.0]),
    minimum_calls=st.integers(1, 5),
    open_for=st.sampled_from([1.0, 5.0]),
    probes=st.integers(1, 3),
)


@quick
@given(codes=st.lists(st.sampled_from([*BUSINESS, "00"]), min_size=1, max_size=40))
def test_a_breaker_never_opens_on_business_declines(codes: list[str]) -> None:
    breaker = {"consecutive": 1, "failure_rate": "1%", "minimum_calls": 1}
    gateway = Gateway({"to": "a", "breaker": breaker}, a=Bank([declines(code) for code in codes]))

    async def run() -> None:
        for number in range(len(codes)):
            await gateway.pay(f"p{number}")

    in_virtual_time(run)
    assert len(gateway.banks["a"].sent) == len(codes)
    assert not gateway.decided(DecisionKind.BREAKER_OPENED)


@examples(400)
@given(
    declared=breakers,
    steps=st.lists(
        st.one_of(
            st.just(("ask", 0, True)),
            st.tuples(st.just("end"), st.integers(0, 3), st.booleans()),
            st.tuples(st.just("wait"), st.sampled_from([60, 1]), st.just(True)),
            st.tuples(st.just("vanish"), st.integers(0, 3), st.just(True)),
        ),
        max_size=80,
    ),
)
def test_half_open_admits_at_most_its_probes_whatever_comes_back_late(
    declared: Breaker, steps: list[tuple[str, int, bool]]
) -> None:
    clock = [0.0]
    terms = [0]  # half-open periods
    breaker = CircuitBreaker(
        declared,
        lambda: clock[0],
        lambda state, _: terms.append(terms[-1] + 1) if state is BreakerState.HALF_OPEN else None,
    )
    out: list[tuple[int, int, BreakerState]] = []  # (ticket, period, state) of calls not back yet
    probes: Counter[int] = Counter()
    failed_since_closed = 0
    for what, number, flag in steps:
        before = breaker.state
        if what == "wait":
            clock[0] += number / 10
        elif what == "ask":
            ticket = breaker.admit()
            if ticket is not None:
                out.append((ticket, terms[-1], breaker.state))
                if breaker.state is BreakerState.HALF_OPEN:
                    probes[terms[-1]] += 1
        elif out:
            ticket, period, state = out.pop(number % len(out))
            is_probe = state is BreakerState.HALF_OPEN and period == terms[-1]
            if what == "end":
                failed_since_closed += flag
                breaker.record(ticket, failed=flag)
                if before is BreakerState.HALF_OPEN and not is_probe:
                    assert breaker.state is BreakerState.HALF_OPEN  # a late result decides nothing
            else:
                breaker.withdraw(ticket)
                if is_probe and before is BreakerState.HALF_OPEN:
                    probes[period] -= 1
        assert all(many <= declared.probes for many in probes.values())
        if failed_since_closed == 0:
            assert breaker.state is BreakerState.CLOSED


# -- retry --------------------------------------------------------------------------------------
@quick
@given(
    share=st.integers(0, 100),
    saved=st.integers(1, 5),
    spends=st.lists(st.booleans(), max_size=200),
)
def test_retries_never_exceed_their_share_of_the_calls(
    share: int, saved: int, spends: list[bool]
) -> None:
    budget = RetryBudget(Budget.model_construct(share=share / 100, burst=saved))
    calls = retried = 0
    for spend in spends:
        if spend:
            retried += budget.spend()
        else:
            budget.called()
            calls += 1
        assert retried * 100 <= share * calls
    in_a_row = 0
    while budget.spend():
        in_a_row += 1
    assert in_a_row <= saved  # a long calm saves up no storm


@quick
@given(
    share=st.sampled_from(["10%", "25%", "100%"]),
    retry=retries,
    behaviour=st.lists(acts, min_size=1, max_size=30),
    hedge=st.sampled_from([{}, {"hedge": {"after": "300ms", "to": "b"}}]),
)
def test_a_call_sends_no_more_than_its_retry_budget_allows(
    share: str, retry: dict[str, Any], behaviour: list[Act], hedge: dict[str, Any]
) -> None:
    declared = {"to": "a", "timeout": "1s", **hedge, "retry": {**retry, "budget": {"share": share}}}
    gateway = Gateway(declared, a=Bank(behaviour), b=Bank(behaviour[::-1]))

    async def run() -> None:
        for number in range(20):
            await gateway.pay(f"p{number}")
        await gateway.drain()

    in_virtual_time(run)
    assert (gateway.sends - 20) * 100 <= int(share[:-1]) * 20


@quick
@given(
    card=st.sampled_from([VISA, MASTERCARD]),
    codes=st.lists(
        st.sampled_from(["91", "96", "05", "51", "19", "41", "54"]), min_size=1, max_size=12
    ),
    executions=st.integers(1, 4),
    attempts=st.integers(1, 10),
)
def test_a_card_is_never_presented_more_often_than_its_scheme_allows(
    card: Card, codes: list[str], executions: int, attempts: int
) -> None:
    retry = {"attempts": attempts, "backoff": "1ms", "codes": ["91", "96", "05", "51", "19", "54"]}
    seen: list[str] = []

    class Noting(Bank):
        pass

    acts_of = [declines(code) for code in codes]
    gateway = Gateway(
        {"to": "a", "retry": retry, "fallback": [{"to": "b"}]},
        a=Noting(acts_of),
        b=Noting(acts_of[::-1]),
    )

    async def run() -> None:
        for attempt in range(executions):
            await gateway.pay(card=card, attempt=1 + 10 * attempt)

    in_virtual_time(run)
    presented = sorted(
        (at, name, number)
        for name, bank in gateway.banks.items()
        for number, (at, _) in enumerate(bank.sent)
    )
    for _, name, number in presented:
        # Before each presentation, by the rules of docs/domain.md §1.6 counted by hand:
        if card.scheme == "visa":
            categories = [(lookup(code, "visa") or table()["05"]).visa for code in seen]
            assert 1 not in categories  # never after a category 1 code
            assert (
                sum(category in (2, 3, 4) for category in categories) <= 15
            )  # 15 reattempts in 30 days
        else:
            assert len(seen) < 10  # 10 declines a day
        these = codes if name == "a" else codes[::-1]
        seen.append(these[min(number, len(these) - 1)])


# -- bulkhead -----------------------------------------------------------------------------------
@quick
@given(
    size=st.integers(1, 4),
    queue=st.integers(0, 4),
    wait=st.sampled_from([0.0, 0.3, 5.0]),
    visits=st.lists(st.tuples(seconds, seconds, st.none() | seconds), min_size=1, max_size=30),
)
def test_a_bulkhead_never_admits_more_than_its_size_and_forgets_no_place(
    size: int, queue: int, wait: float, visits: list[tuple[float, float, float | None]]
) -> None:
    declared = Bulkhead.model_construct(size=size, queue=queue, wait=wait, per="target")
    inside = most = 0

    async def visit(slots: Any, at: float, stays: float) -> None:
        nonlocal inside, most
        await asyncio.sleep(at)
        if slots.enter() or await slots.wait():
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(stays)
            finally:
                inside -= 1
                slots.leave()

    async def give_up(task: asyncio.Task[None], at: float) -> None:
        await asyncio.sleep(at)
        task.cancel()

    async def run() -> int:
        slots = Compartments(declared).compartment("visa")
        tasks = [asyncio.create_task(visit(slots, at, stays)) for at, stays, _ in visits]
        leaving = [
            asyncio.create_task(give_up(task, at))
            for task, (_, _, at) in zip(tasks, visits, strict=True)
            if at is not None
        ]
        await asyncio.gather(*tasks, *leaving, return_exceptions=True)
        for _ in range(size):  # every place is free again, and no more than that
            assert slots.enter()
        assert not slots.enter()
        return most

    assert in_virtual_time(run) <= size


# -- money --------------------------------------------------------------------------------------
def settled(gateway: Gateway, card: Card = VISA) -> CallEnd:
    async def run() -> CallEnd:
        end = await gateway.pay(card=card)
        await gateway.drain()
        return end

    return in_virtual_time(run)


policies = st.fixed_dictionaries(
    {"retry": retries, "fallback": st.sampled_from([[], [{"to": "c"}], [{"to": "c"}, {"to": "d"}]])}
)
hedges = st.sampled_from(
    [{"after": "300ms", "to": "b"}, {"after": "300ms"}, {"after": "10ms", "to": "b"}]
)


@examples(250)
@given(
    policy=policies,
    hedge=st.none() | hedges,
    banks=st.lists(st.lists(acts, min_size=1, max_size=4), min_size=4, max_size=4),
    voids=st.lists(st.sampled_from([DEAD, REFUSES, Act(never_answers=True)]), max_size=3),
)
def test_with_reversals_exactly_what_was_reported_to_the_caller_stands(
    policy: dict[str, Any], hedge: dict[str, Any] | None, banks: list[list[Act]], voids: list[Act]
) -> None:
    """No hedge, retry or failover leaves two authorisations, or one that nobody knows of."""
    gateway = Gateway(
        {"to": "a", "timeout": "1s", "on_unknown": "reverse", "hedge": hedge, **policy},
        **{
            name: Bank(some, void_acts=[*voids, APPROVES])
            for name, some in zip("abcd", banks, strict=True)
        },
    )
    end = settled(gateway)
    approvals = 1 if end.reply.result is HopResult.APPROVED else 0
    assert gateway.standing == approvals
    if approvals:
        assert end.request.reference in {
            each for bank in gateway.banks.values() for each in bank.standing
        }


def most_sends(call: Call) -> int:
    """The largest number of requests one execution sends; stored ones are sent later."""
    failovers = sum(isinstance(step, Failover) for step in call.fallback)
    routes = 1 + failovers + bool(call.prefer)
    resends = int(call.on_unknown == "resend")
    hedged = 0
    if call.hedge is not None:
        # A hedge at another link, or beside a retry under a new key, is an attempt of its own,
        # which may stay unknown and be resent.
        may_be_resent = call.hedge.to is not None or call.attempts > 1
        hedged = 1 + resends * may_be_resent
    return routes * (call.attempts + resends) + hedged


@examples(200)
@given(
    policy=policies,
    hedge=st.none() | hedges,
    on_unknown=st.sampled_from(["reverse", "query", "resend", "give_up"]),
    banks=st.lists(st.lists(acts, min_size=1, max_size=4), min_size=4, max_size=4),
)
@example(  # two declines, then a late answer: hedge and last try have different keys, both unknown
    policy={"retry": {"attempts": 3, "on": [], "codes": ["51"]}, "fallback": []},
    hedge={"after": "300ms"},
    on_unknown="resend",
    banks=[[Act("51"), Act("51"), Act(answers_in=1.5)], [APPROVES], [APPROVES], [APPROVES]],
)
def test_a_call_never_sends_more_than_it_declares(
    policy: dict[str, Any], hedge: dict[str, Any] | None, on_unknown: str, banks: list[list[Act]]
) -> None:
    gateway = Gateway(
        {"to": "a", "timeout": "1s", "on_unknown": on_unknown, "hedge": hedge, **policy},
        **{name: Bank(some) for name, some in zip("abcd", banks, strict=True)},
    )
    settled(gateway)
    assert gateway.sends <= most_sends(gateway.declared)


@quick
@given(
    down_s=st.integers(0, 50),
    act=st.sampled_from([REFUSES, DEAD, Act(commits=False, result=HopResult.HTTP_ERROR)]),
    breaker=st.sampled_from([None, {"consecutive": 1, "open_for": "3s", "probes": 1}]),
    payments=st.integers(1, 5),
)
def test_a_reversal_is_acknowledged_once_its_target_is_up_again(
    down_s: int, act: Act, breaker: dict[str, Any] | None, payments: int
) -> None:
    reversal = {"give_up_after": "60s", "breaker": breaker}
    bank = Bank([LOSES_ANSWER], void_acts=[act])
    gateway = Gateway(
        {"to": "a", "timeout": "1s", "on_unknown": "reverse", "reversal": reversal}, a=bank
    )

    async def run() -> None:
        asyncio.get_running_loop().call_later(down_s, bank.void_acts.clear)
        await asyncio.gather(*(gateway.pay(f"p{number}") for number in range(payments)))
        await gateway.drain()

    in_virtual_time(run)
    assert len(gateway.decided(DecisionKind.REVERSAL_ACKNOWLEDGED)) == payments
    assert not bank.standing


# -- stand-in and queue -------------------------------------------------------------------------
@quick
@given(
    limits=st.fixed_dictionaries(
        {
            "up_to": st.sampled_from(["5.00", "20.00"]),
            "per_card": st.none() | st.integers(1, 3),
            "most": st.none() | st.integers(1, 5),
        }
    ),
    payments=st.lists(
        st.tuples(st.integers(1, 3_000), st.sampled_from([VISA, MASTERCARD])), max_size=20
    ),
)
def test_stand_in_never_leaves_its_limits(
    limits: dict[str, Any], payments: list[tuple[int, Card]]
) -> None:
    gateway = Gateway({"to": "a", "fallback": [{"stand_in": limits}]}, a=Bank([REFUSES]))

    async def run() -> list[tuple[int, Card]]:
        return [
            (amount, card)
            for number, (amount, card) in enumerate(payments)
            if (await gateway.pay(f"p{number}", amount, card)).is_stood_in
        ]

    stood_in = in_virtual_time(run)
    assert all(amount <= float(limits["up_to"]) * 100 for amount, _ in stood_in)
    assert limits["most"] is None or len(stood_in) <= limits["most"]
    by_card = Counter(card.number for _, card in stood_in)
    assert limits["per_card"] is None or all(n <= limits["per_card"] for n in by_card.values())


@quick
@given(
    most=st.integers(1, 4),
    within_s=st.integers(1, 5),
    behaviour=st.lists(acts, min_size=1, max_size=12),
    arrivals=st.lists(seconds, min_size=1, max_size=8),
)
def test_a_store_is_bounded_delivers_in_time_and_records_everything(
    most: int, within_s: int, behaviour: list[Act], arrivals: list[float]
) -> None:
    queue = {"queue": {"most": most, "within": f"{within_s}s", "pause": "500ms"}}
    bank = Bank([*behaviour, declines("51")])
    declared = {"to": "a", "timeout": "1s", "on_unknown": "reverse", "fallback": [queue]}
    gateway = Gateway(declared, a=bank)
    accepted_s: dict[str, float] = {}

    async def pay(number: int, at: float) -> CallEnd:
        await asyncio.sleep(at)
        end = await gateway.pay(f"p{number}")
        if end.is_queued:
            accepted_s[end.request.reference] = asyncio.get_running_loop().time()
        waiting = sum(each.later is not None and not each.later.done() for each in ends)
        assert waiting <= most
        ends.append(end)
        return end

    ends: list[CallEnd] = []

    async def run() -> None:
        await asyncio.gather(*(pay(number, at) for number, at in enumerate(arrivals)))
        await gateway.drain()

    in_virtual_time(run)
    delivered = sum(
        each.later is not None and each.later.result().result is HopResult.APPROVED for each in ends
    )
    approved = sum(each.reply.result is HopResult.APPROVED for each in ends)
    assert gateway.standing == delivered + approved
    assert all(each.later is None or each.later.done() for each in ends)
    for at, request in bank.sent:
        if request.reference in accepted_s:
            assert at <= accepted_s[request.reference] + within_s


# -- deadline -----------------------------------------------------------------------------------
@quick
@given(
    left_s=st.integers(0, 50).map(lambda tenths: tenths / 10),
    policy=policies,
    banks=st.lists(st.lists(acts, min_size=1, max_size=4), min_size=4, max_size=4),
)
def test_no_call_waits_past_the_deadline(
    left_s: float, policy: dict[str, Any], banks: list[list[Act]]
) -> None:
    from paychain.services.policies import deadline

    gateway = Gateway(
        {"to": "a", "timeout": "1s", "propagate_deadline": True, **policy},
        **{name: Bank(some) for name, some in zip("abcd", banks, strict=True)},
    )

    async def run() -> None:
        deadline.work_until(gateway.context.now_ns() + int(left_s * 1e9))
        await gateway.pay()

    in_virtual_time(run)
    for bank in gateway.banks.values():
        for (at, _), deadlines_s in zip(bank.sent, bank.deadlines_s, strict=True):
            assert deadlines_s is not None
            assert at + deadlines_s <= left_s + 1e-6
