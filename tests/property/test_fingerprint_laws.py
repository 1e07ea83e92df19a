"""A payment that is judged by another one that went alike gets the judgement of its own."""

from __future__ import annotations

import sqlite3
from collections import Counter
from unittest import mock

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from paychain.analysis.money.findings import money
from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import reconcile
from paychain.analysis.store import fingerprints
from paychain.analysis.store.fingerprints import Fingerprint, Fingerprints
from paychain.analysis.store.store import RecordedPayment, RunStore
from paychain.payments.journal import Movement, MovementKind, PaymentRecord
from paychain.payments.rules import RULES
from tests.support.laws import examples
from tests.support.recorded import CHAIN, Recorded, ns

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
    [
        "reversal_sent",
        "reversal_acknowledged",
        "reversal_abandoned",
        "follow_up_sent",
        "follow_up_acknowledged",
        "webhook_accepted",
        "queue",
    ]
)
STORIES = st.tuples(
    st.sampled_from(["approved", "declined", "unknown"]),
    st.sampled_from([1_000, 2_000]),
    st.lists(HOPS, max_size=3),
    st.lists(MOVEMENTS, max_size=4),
    st.lists(DECISIONS, max_size=2),
)


@examples(150)
@given(st.lists(STORIES, min_size=1, max_size=4), st.lists(st.integers(0, 3), max_size=12))
def test_judging_alike_payments_once_is_judging_each(
    kinds: list[
        tuple[str, int, list[tuple[str, str, str, int]], list[tuple[str, str, int, str]], list[str]]
    ],
    order: list[int],
) -> None:
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
                Movement(
                    link=link,
                    payment=name,
                    attempt=1,
                    kind=MovementKind(kind),
                    amount_minor=booked,
                    currency="EUR",
                    reference=f"{name}-0",
                    at_ns=at,
                    decided_by="issuer",
                    item=item,
                )
            )
        for decided in decisions:
            run.decide(name, decided, number, "processor-a")
    store, parties = run.store(), Parties.of(CHAIN)
    each = [one for story in store.stories() if (one := reconcile(story, parties)) is not None]
    found = {judged.rule: (judged.findings, judged.amount) for judged in money(store, CHAIN).rules}
    for name, rule in RULES.items():
        if rule.needs:
            continue
        findings = [finding for payment in each if (finding := rule(payment)) is not None]
        assert found[name] == (len(findings), sum(finding.amount_minor for finding in findings))


OWN = ("shop", "424242…4242")  # the customer's merchant and instrument
PARTIES = st.sampled_from([("", ""), OWN, OWN, ("x", "")])
BOOKED = st.tuples(st.sampled_from(LINKS), st.sampled_from([1_000, 1_000, 400]), PARTIES)
DECIDED = st.tuples(DECISIONS, st.sampled_from([0, 1_000, 1_000, 400]))


@examples(150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["approved", "declined"]),
            st.lists(HOPS, max_size=3),
            st.lists(BOOKED, max_size=3),
            st.lists(DECIDED, max_size=2),
            st.sampled_from(["once", "once", "once", "twice", "never"]),
        ),
        min_size=1,
        max_size=3,
    ),
    st.lists(
        st.tuples(
            st.integers(0, 2),
            # Payments that went like another, but for its first movement and decision.
            st.sampled_from(["", "", "other amount", "no amount", "other party", "no party"]),
        ),
        max_size=8,
    ),
    st.booleans(),
)
@example(
    [("approved", [], [("issuer", 1_000, OWN)], [("webhook_accepted", 1_000)], "once")],
    [(0, change) for change in ("", "other amount", "no amount", "other party", "no party")],
    True,
)
def test_payments_with_one_fingerprint_differ_in_nothing_that_it_should_say(
    kinds: list[
        tuple[
            str,
            list[tuple[str, str, str, int]],
            list[tuple[str, int, tuple[str, str]]],
            list[tuple[str, int]],
            str,
        ]
    ],
    order: list[tuple[int, str]],
    has_room: bool,
) -> None:
    run = Recorded()
    strangers: set[str] = set()
    repeated: set[str] = set()
    for number, (place, change) in enumerate([*((n, "") for n in range(len(kinds))), *order]):
        end, hops, booked, decided, recorded = kinds[place % len(kinds)]
        if booked and change:
            link, amount, parties = booked[0]
            amount = 400 if change == "other amount" else amount
            parties = {"other party": ("x", ""), "no party": ("", "")}.get(change, parties)
            booked = [(link, amount, parties), *booked[1:]]
        if decided and change:
            kind, amount = decided[0]
            amount = {"other amount": 400, "no amount": 0}.get(change, amount)
            decided = [(kind, amount), *decided[1:]]
        name, at = run.pay(number, end, route=None), ns(number)
        customer = next(record for record in run.records[::-1] if isinstance(record, PaymentRecord))
        # Records of customers come once. A worker that was lost may leave none; none twice is known
        # of, and would not be a shape.
        if recorded == "twice":
            run.records.append(customer)
            repeated.add(name)
        elif recorded == "never":
            run.records.remove(customer)
            strangers.add(name)
        for operation, callee, result, offset in hops:
            caller = "gateway" if callee == "processor-a" else "processor-a"
            run.hop(name, caller, operation, callee, at + offset, at + offset + 1, result)
        for link, amount, (merchant, instrument) in booked:
            run.records.append(
                Movement(
                    link=link,
                    payment=name,
                    attempt=1,
                    kind=MovementKind.AUTHORISED,
                    amount_minor=amount,
                    currency="EUR",
                    reference=f"{name}-0",
                    at_ns=at,
                    decided_by="issuer",
                    merchant=merchant,
                    instrument=instrument,
                )
            )
        for kind, amount in decided:
            run.decide(name, kind, number, "processor-a")
            run.records[-1] = msgspec.structs.replace(run.records[-1], amount_minor=amount)
    with mock.patch.object(fingerprints, "MAX_FINGERPRINTS", 100 if has_room else 1):
        store = run.store()
        known = store.fingerprints()
        in_parts = _in_parts(store)
    assert list(in_parts.payments()) == list(known.payments()) or not has_room
    assert sorted(in_parts.counts()) == sorted(known.counts()) or not has_room
    assert in_parts.strangers == known.strangers
    stories = {story.payment: story for story in store.stories()}
    assert known.strangers == sorted(strangers)
    found = list(known.payments())
    assert [name for name, _ in found] == sorted(stories.keys() - strangers)
    assert dict(known.counts()) == Counter(fingerprint for _, fingerprint in found)
    alike: dict[Fingerprint, object] = {}
    for name, fingerprint in found:
        story = stories[name]
        is_said = _is_said(story) and name not in repeated
        assert fingerprint.says_all == is_said or not has_room
        if fingerprint.says_all:
            assert is_said
            assert alike.setdefault(fingerprint, _outline(story)) == _outline(story)
    store.close()


def _in_parts(store: RunStore) -> Fingerprints:
    """The fingerprints as they are read of a long run: several parts at once."""
    whole = store._db.serialize()

    def another() -> sqlite3.Connection:
        copy = sqlite3.connect(":memory:")
        copy.deserialize(whole)
        return copy

    with (
        mock.patch.object(fingerprints, "PART", 1),
        mock.patch.object(fingerprints.os, "cpu_count", return_value=3),
    ):
        return Fingerprints(store._db, another)


def _is_said(story: RecordedPayment) -> bool:
    """Whether all amounts and parties are the customer's, or none."""
    paid = story.customer
    assert paid is not None
    own = (paid.merchant, paid.instrument)
    return all(
        move.amount_minor == paid.amount_minor
        and (move.merchant, move.instrument) in (own, ("", ""))
        for move in story.movements
    ) and all(decision.amount_minor in (0, paid.amount_minor) for decision in story.decisions)


def _outline(story: RecordedPayment) -> object:
    """A payment's records without ids, times and what equals the customer's own."""
    paid = story.customer
    assert paid is not None
    return (
        (paid.outcome, paid.technical, paid.code, paid.shown, paid.decided_by),
        [
            (hop.caller, hop.operation, hop.callee, hop.route, hop.attempt, hop.result, hop.code)
            for hop in story.hops
        ],
        [(move.link, move.kind, move.attempt, bool(move.merchant)) for move in story.movements],
        [(decision.kind, decision.target, decision.amount_minor) for decision in story.decisions],
    )
