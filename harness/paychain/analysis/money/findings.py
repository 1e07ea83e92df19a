"""Every money rule over all payments of a run, and what each link's book adds up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from paychain.analysis.measures.measures import MoneyFinding, MoneyMeasure, MoneyRule, UnknownCall
from paychain.analysis.money.fingerprints import is_plain, stories_to_judge
from paychain.analysis.money.orders import Orders, orders_of_several, wrong_minor
from paychain.analysis.money.parties import Parties
from paychain.analysis.money.reconcile import funded, reconcile, stand_in_order
from paychain.analysis.store.store import RecordedPayment, RunStore
from paychain.model.chain import Chain
from paychain.payments.journal import HopRecord, Movement, MovementKind, PaymentRecord
from paychain.payments.rules import RULES, Finding, Reconciled, Stage
from paychain.payments.rules.completion import uncompleted_payments

EXAMPLES = 100  # findings of one rule that are listed
MAX_UNKNOWN = 10  # calls of unknown outcome that are listed for one rule
_REPORTS = frozenset({"notify", "dispute"})  # of what happened: no money depends on their answer
# Rules that an approved payment breaks when what should have followed it never did: nothing can be
# collected where no money is.
COMPLETION = frozenset({"authorisations_settled", "completed", "no_approval_without_money"})


@dataclass
class _RuleTally:
    """One rule's findings so far."""

    count: int = 0
    amount: int = 0
    listed: list[MoneyFinding] = field(default_factory=list)
    unknown: Counter[tuple[str, ...]] = field(default_factory=Counter)
    decided: set[str] = field(default_factory=set)  # of those that a drain left in progress

    def add(self, finding: Finding, unknown: Iterable[tuple[str, ...]]) -> None:
        """One more payment that broke the rule, with its calls of unknown outcome."""
        self.count += 1
        self.amount += finding.amount_minor
        self.unknown.update(unknown)
        if len(self.listed) < EXAMPLES:
            self.listed.append(
                MoneyFinding(
                    finding.payment, finding.amount_minor, finding.text, list(finding.references)
                )
            )


def most_frequent(
    counted: Counter[tuple[str, ...]], at_most: int
) -> list[tuple[tuple[str, ...], int]]:
    """The most frequent first. Among equals their text decides, not the order of a set."""
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:at_most]


def _unknown_calls(hops: Iterable[HopRecord]) -> set[tuple[str, ...]]:
    """The calls whose outcome their caller did not learn, as the fields of `UnknownCall`."""
    return {
        (hop.caller, hop.operation, hop.callee, hop.result.value, hop.code)
        for hop in hops
        if hop.result.leaves_unknown and hop.operation not in _REPORTS
    }


def _unknown_of(
    store: RunStore, judged: Reconciled, story: RecordedPayment
) -> set[tuple[str, ...]]:
    """Those of a payment, or of all payments of an order. `story`: the newest of them."""
    found = _unknown_calls(story.hops)
    for payment in judged.payments:
        if payment != story.payment:
            found |= _unknown_calls(store.story(payment).hops)
    return found


def money(
    store: RunStore,
    chain: Chain,
    *,
    is_final: bool = True,
    pending: Sequence[str] = (),
    collecting: Sequence[str] = (),
) -> MoneyMeasure:
    """Judge all rules about payments over every payment, one at a time; add each link's totals.

    `is_final`: the run was drained. Otherwise rules about the final state are not judged, nor are
    they for payments that were still `pending` after the drain. For those of them that were only
    `collecting`, rules are judged whose breach only money given back could undo.
    """
    undecided = frozenset(pending)
    stages = dict.fromkeys(pending, Stage.OPEN) | dict.fromkeys(collecting, Stage.COLLECTING)
    last_stage = Stage.FINAL if is_final else Stage.OPEN
    parties = Parties.of(chain)
    order = stand_in_order(
        store.movements(MovementKind.STOOD_IN), store.rows(PaymentRecord), parties
    )
    reservations = funded(store, parties)
    tallies: dict[str, _RuleTally] = {name: _RuleTally() for name in RULES}
    sound: set[str] = set()
    orders = Orders(orders_of_several(store, store.fingerprints().strangers))
    wrong = uncompleted = 0
    uncompleted_of_orders: set[str] = set()  # payments of orders with several
    for story, fingerprint in stories_to_judge(store, sound, orders, parties.own_closed):
        payment = reconcile(story, parties, order, reservations)
        stage = min(last_stage, stages.get(story.payment, last_stage))
        for judged, broken in orders.judge(payment, stage=stage):
            unknown = _unknown_of(store, judged, story) if broken else set()
            for name, finding in broken.items():
                tallies[name].add(finding, unknown)
                tallies[name].decided |= undecided & {part.payment for part in judged.parts}
                store.keep(finding.payment)
            wrong += wrong_minor(broken)
            if _is_uncompleted(judged, broken) and _is_measured(store, judged, story):
                if judged is payment:  # its order's only one: counted without keeping its name
                    uncompleted += 1
                else:  # of an order and of one of its payments, each may be found
                    uncompleted_of_orders |= uncompleted_payments(
                        judged, uncompleted_of_orders, _of_warm_up(store, judged)
                    )
            if not payment.is_known:
                store.keep(payment.payment)
            # A payment that was not judged by every rule says nothing about those with its records,
            # unless none of them is.
            elif (
                fingerprint
                and not broken
                and stage is last_stage
                and judged is payment
                and is_plain(story)
            ):
                sound.add(fingerprint)
    return MoneyMeasure(
        rules=[
            _rule(name, tallies[name], last_stage, undecided=len(undecided))
            for name, rule in RULES.items()
            if rule.needs in parties.has
        ],
        books=_books(store, chain),
        wrong=wrong,
        uncompleted=uncompleted + len(uncompleted_of_orders) if is_final else None,
        undecided=len(undecided),
        undecided_payments=sorted(undecided)[:EXAMPLES],
    )


def _is_uncompleted(judged: Reconciled, broken: Iterable[str]) -> bool:
    """Whether a payment was approved, and what should have followed never did."""
    return judged.shown_approved and not COMPLETION.isdisjoint(broken)


def _is_measured(store: RunStore, judged: Reconciled, story: RecordedPayment) -> bool:
    """Whether a payment or order was not of the warm-up. `story`: the newest of its payments."""
    customer = story.customer
    if customer is None:  # its record is missing: those of its order began in the same moment
        customers = (store.story(payment).customer for payment in judged.payments)
        customer = next((found for found in customers if found is not None), None)
    return customer is not None and not customer.warm_up


def _of_warm_up(store: RunStore, judged: Reconciled) -> set[str]:
    """The payments of an order that were made in the warm-up: a later one may be measured."""
    customers = {name: store.story(name).customer for name in judged.payments}
    return {name for name, record in customers.items() if record is not None and record.warm_up}


def _rule(name: str, tally: _RuleTally, last_stage: Stage, *, undecided: int) -> MoneyRule:
    """What is reported of one rule. `undecided`: payments that a drain left in progress.

    Those that broke it are decided; any other may still break it.
    """
    rule = RULES[name]
    is_judged = rule.is_judged_at(last_stage)
    leaves_open = is_judged and not rule.is_judged_at(Stage.OPEN)
    return MoneyRule(
        rule=name,
        title=rule.title,
        findings=tally.count,
        amount=tally.amount,
        payments=tally.listed,
        is_judged=is_judged,
        undecided=undecided - len(tally.decided) if leaves_open else 0,
        unknown=_listed(tally.unknown),
    )


def unknown_calls(stories: Iterable[RecordedPayment]) -> list[UnknownCall]:
    """Calls of these payments whose outcome their caller did not learn, the most frequent first."""
    counted: Counter[tuple[str, ...]] = Counter()
    for story in stories:
        counted.update(_unknown_calls(story.hops))
    return _listed(counted)


def _listed(counted: Counter[tuple[str, ...]]) -> list[UnknownCall]:
    return [
        UnknownCall(
            caller=caller,
            operation=operation,
            callee=callee,
            result=result,
            code=code,
            payments=payments,
        )
        for (caller, operation, callee, result, code), payments in most_frequent(
            counted, MAX_UNKNOWN
        )
    ]


def unjudged(store: RunStore, chain: Chain, why: str) -> MoneyMeasure:
    """What the books say as far as they are known, and no rule judged by them."""
    parties = Parties.of(chain)
    rules = [
        MoneyRule(rule=name, title=rule.title, findings=0, amount=0, payments=[], is_judged=False)
        for name, rule in RULES.items()
        if rule.needs in parties.has
    ]
    return MoneyMeasure(rules=rules, books=_books(store, chain), wrong=0, unjudged=why)


def _books(store: RunStore, chain: Chain) -> dict[str, dict[str, int]]:
    """What each link's book adds up to, by kind of movement."""
    books: dict[str, dict[str, int]] = {name: {} for name in chain.links}
    for total in store.totals(Movement):
        link, kind, _ = total.alike
        if link in books:
            books[link][kind] = books[link].get(kind, 0) + total.amount_minor
    return {link: mine for link, mine in books.items() if mine}
