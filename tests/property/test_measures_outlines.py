"""A payment that is judged by another one that went alike gets the judgement of its own."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import CHAIN, Recorded, ns

from harness.analysis.reconcile import Parties, money, reconcile
from harness.payments.journal import Movement, MovementKind
from harness.payments.rules import RULES

LINKS = ("gateway", "processor-a", "issuer")
HOPS = st.tuples(
    st.sampled_from(["authorise", "query", "authenticate", "void"]),
    st.sampled_from(["processor-a", "issuer"]),
    st.sampled_from(["approved", "declined", "technical", "timeout", "refused"]),
    st.integers(-2, 2),  # when it started
)
MOVEMENTS = st.tuples(
    st.sampled_from(LINKS),
    st.sampled_from([kind.value for kind in MovementKind]),
    st.sampled_from([1_000, 1_000, 1_000, 400]),
    st.sampled_from(["", "c1"]),
)
DECISIONS = st.sampled_from(
    ["reversal_sent", "reversal_acknowledged", "reversal_abandoned", "follow_up_sent",
     "follow_up_acknowledged", "notified", "queue"]
)  # fmt: skip
STORIES = st.tuples(
    st.sampled_from(["approved", "declined", "unknown"]),
    st.sampled_from([1_000, 2_000]),
    st.lists(HOPS, max_size=3),
    st.lists(MOVEMENTS, max_size=4),
    st.lists(DECISIONS, max_size=2),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STORIES, min_size=1, max_size=4), st.lists(st.integers(0, 3), max_size=12))
def test_judging_alike_payments_once_is_judging_each(
    kinds: list[tuple[str, int, list[tuple[str, str, str, int]],
                      list[tuple[str, str, int, str]], list[str]]],
    order: list[int],
) -> None:  # fmt: skip
    run = Recorded()
    for number, place in enumerate([*range(len(kinds)), *order]):
        end, amount, hops, movements, decisions = kinds[place % len(kinds)]
        name = run.pay(number, end, amount=amount, route=None)
        at = ns(number)
        for operation, callee, result, offset in hops:
            caller = "gateway" if callee == "processor-a" else "processor-a"
            run.hop(name, caller, operation, callee, at + offset, at + offset + 1, result)
        for link, kind, booked, item in movements:
            run.records.append(
                Movement(link, name, 1, MovementKind(kind), booked, "EUR", f"{name}-0", at,
                         "issuer", item)
            )  # fmt: skip
        for decided in decisions:
            run.decide(name, decided, number, "processor-a")
    store, parties = run.store(), Parties.of(CHAIN)
    each = [one for story in store.stories() if (one := reconcile(story, parties)) is not None]
    found = {one.rule: (one.findings, one.amount) for one in money(store, CHAIN).rules}
    for name, (_, rule) in RULES.items():
        findings = [finding for one in each if (finding := rule(one)) is not None]
        assert found[name] == (len(findings), sum(one.amount_minor for one in findings))
