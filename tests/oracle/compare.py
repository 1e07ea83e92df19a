"""The verdict's findings beside the world's: they must name the same payments and amounts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from paychain.analysis.measures.measures import MoneyRule
from paychain.analysis.money.findings import money
from paychain.analysis.money.orders import Orders, orders_of
from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import reconcile, stand_in_order
from paychain.analysis.store.store import RunStore
from paychain.environment.simulated_run import SimulatedRun
from paychain.explore.checks import SimulatedRecords
from paychain.model.chain import Chain
from paychain.payments.journal import MovementKind, PaymentRecord
from tests.oracle.pairs import Outcome
from tests.oracle.rules_for import (
    ABOUT_CONDUCT,
    ANY_RULE,
    OF_ANY_AMOUNT,
    ONLY_BESIDE,
    RULES_FOR,
    WITHOUT_MONEY,
)
from tests.oracle.verdict import Wrongs, order_of, wrongs

IN_STORE = 20  # one pair of so many is judged in a store as well
Found = dict[str, dict[str, int]]  # by rule, then by order: the amount, minor units


@dataclass(frozen=True, kw_only=True, order=True)
class Difference:
    """One payment on which the verdict and the world do not agree."""

    what: str  # the kind of disagreement: the same for every payment that shows it
    payment: str
    detail: str

    def __str__(self) -> str:
        return f"{self.what}: {self.payment}, {self.detail}"


def findings(outcome: Outcome) -> Found:
    """What the money rules say of a played pair, judged as a search judges: in memory."""
    parties, kept = Parties.of(outcome.chain), SimulatedRecords(outcome.played.records)
    order = stand_in_order(kept.movements(MovementKind.STOOD_IN), kept.rows(PaymentRecord), parties)
    orders = Orders(orders_of(kept.rows(PaymentRecord), kept.strangers()))
    found: Found = {}
    for story in kept.stories():
        for _, broken in orders.judge(reconcile(story, parties, order)):
            for rule, finding in broken.items():
                _add(found, rule, finding.payment, finding.amount_minor)
    return found


def findings_of(chain: Chain, played: SimulatedRun) -> Found:
    """What the money rules say of what was recorded, judged as a run's records are."""
    return by_order(judged_in_store(chain, played))


def judged_in_store(chain: Chain, played: SimulatedRun) -> list[MoneyRule]:
    """The money rules over a store of what was recorded."""
    store = RunStore.create(Path(":memory:"))
    assert played.times is not None
    store.begin(played.times)
    store.ingest(played.records)
    judged = money(store, chain)
    store.close()
    return judged.rules


def by_order(rules: Iterable[MoneyRule]) -> Found:
    """The findings of rules by order, as the world's wrongs are."""
    found: Found = {}
    for rule in rules:
        for each in rule.payments:
            _add(found, rule.rule, each.payment, each.amount)
    return found


def _add(found: Found, rule: str, payment: str, amount_minor: int) -> None:
    named = found.setdefault(rule, {})
    named[order_of(payment)] = named.get(order_of(payment), 0) + amount_minor


def differences(outcome: Outcome) -> list[Difference]:
    """Where the verdict and the world disagree; nothing while the chain is not at rest."""
    return all_seen(outcome)[2]


def all_seen(outcome: Outcome) -> tuple[Wrongs, Found, list[Difference]]:
    """What is wrong in the world, what the rules find, and where the two disagree."""
    world, found = wrongs(outcome.world), findings(outcome)
    if outcome.played.problems:
        return world, found, []
    seen = compared(world, found)
    # A run's records are judged in a store, which takes as long as a third of a short run.
    if outcome.world.seed % IN_STORE == 0:
        seen += _compared_with_store(outcome, found)
    return world, found, seen


def _compared_with_store(outcome: Outcome, found: Found) -> list[Difference]:
    """Where the verdict of a store differs from the one in memory."""
    judged = judged_in_store(outcome.chain, outcome.played)
    in_store = by_order(judged)
    return [
        Difference(what="store and memory differ", payment=rule.rule, detail=rule.title)
        for rule in judged
        # Of many findings a report lists the first.
        if rule.findings == len(rule.payments)
        and in_store.get(rule.rule, {}) != found.get(rule.rule, {})
    ]


def compared(world: Wrongs, found: Found) -> list[Difference]:
    """Every disagreement, in both directions."""
    seen: list[Difference] = []
    for wrong, payments in world.items():
        names, has_amount = RULES_FOR[wrong]
        for payment, amount in payments.items():
            accepted = names if names != ANY_RULE else tuple(found.keys() - WITHOUT_MONEY)
            named = [
                name
                for name in accepted
                if payment in found.get(name, {}) and _may_answer(world, payment, wrong, name)
            ]
            if not named:
                others = sorted(name for name in found if payment in found[name])
                detail = f"{amount} in the world; rules that name it: {', '.join(others) or 'none'}"
                seen.append(Difference(what=f"missed: {wrong}", payment=payment, detail=detail))
            elif has_amount and named[0] == names[0] and found[names[0]][payment] != amount:
                detail = f"{amount} in the world, {found[names[0]][payment]} by {names[0]}"
                seen.append(Difference(what=f"amount: {wrong}", payment=payment, detail=detail))
    for rule in found.keys() - ABOUT_CONDUCT:
        for payment, amount in found[rule].items():
            confirmed = [wrong for wrong, payments in world.items() if payment in payments]
            # What a rule names must be wrong by a question that the rule may be the answer to.
            asked = [
                wrong
                for wrong, (names, _) in RULES_FOR.items()
                if names == ANY_RULE or (rule in names and _may_answer(world, payment, wrong, rule))
            ]
            if not any(wrong in confirmed for wrong in asked):
                wrong_too = ", ".join(confirmed) or "nothing"
                detail = f"{amount} by the rule; wrong in the world: {wrong_too}"
                seen.append(Difference(what=f"invented: {rule}", payment=payment, detail=detail))
    return sorted(seen)


def _may_answer(world: Wrongs, payment: str, wrong: str, rule: str) -> bool:
    """Whether a rule may name a payment for a wrong: `ONLY_BESIDE` may ask for another one."""
    beside = ONLY_BESIDE.get((wrong, rule))
    if beside is None:
        return True
    least = 0 if (wrong, rule) in OF_ANY_AMOUNT else world[wrong].get(payment, 0)
    return any(world[other].get(payment, -1) >= least for other in beside)
