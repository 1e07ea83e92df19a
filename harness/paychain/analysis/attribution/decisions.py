"""What an own service decided, as its calls show: retries, failovers, reversals, webhooks taken.

A mock writes its decisions down. Of an own service they are concluded from the hops of one payment,
so that measures and money rules read the same records of both:

- another request that moves money to the link that it asked last, for the same operation, is a
  retry, unless it began before that one had failed and has another key;
- an authorisation over a route other than the first, after another link or instead of it, is a
  failover;
- a void or refund of an attempt is its reversal, acknowledged once it was answered and took effect;
- a webhook that it answered with 2xx is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from paychain.analysis.attribution.own_run import OwnRun
from paychain.analysis.attribution.reversals import is_reversed
from paychain.analysis.store.store import RunStore
from paychain.declaration.quantity import count
from paychain.model.operations import MONEY, REVERSED
from paychain.model.own_services import own_callers
from paychain.payments.journal import Decision, DecisionKind, Movement
from paychain.payments.outcome import HopResult

BATCH = 1_000  # decisions added to the store at once
NOTICED_NS = 50_000_000  # a client that gives up closes its connection about then, maybe later
# What the callee answers to a reversal when nothing of the attempt stands there any more.
_FINAL = frozenset({HopResult.APPROVED, HopResult.DECLINED, HopResult.REJECTED})


class OwnHop(NamedTuple):
    """A hop of an own service, or a webhook to it, as the decisions need it."""

    payment: str
    attempt: int
    parent: str
    caller: str
    operation: str
    callee: str
    route: int
    try_number: int
    started_ns: int
    ended_ns: int
    result: HopResult


def own_decisions(run: OwnRun) -> None:
    """What the hops of own services show of their decisions is recorded as a mock's are."""
    store, own = run.store, own_callers(run.chain)
    found: list[Decision] = []
    for payment, hops in groupby(_hops(store, own), attrgetter("payment")):
        found += of_payment(list(hops), own, partial(_movements, store, payment))
        if len(found) >= BATCH:
            store.ingest(found)
            found.clear()
    store.ingest(found)


def _hops(store: RunStore, own: Sequence[str]) -> Iterator[OwnHop]:
    marks = ", ".join("?" * len(own))
    for row in store.select(
        f"SELECT {', '.join(OwnHop._fields)} FROM hop WHERE payment != '' AND (caller IN ({marks}) "
        f"OR (operation = 'notify' AND callee IN ({marks}))) ORDER BY payment, started_ns",
        (*own, *own),
    ):
        yield OwnHop._make((*row[:-1], HopResult(row[-1])))


def _movements(store: RunStore, payment: str) -> list[Movement]:
    return store.story(payment).movements


def of_payment(
    hops: Sequence[OwnHop], own: Sequence[str], movements: Callable[[], Sequence[Movement]]
) -> Iterator[Decision]:
    """The decisions about one payment; its hops in the order in which they started.

    `movements`: what all books have of it. It is asked for those only when something was reversed.
    """
    last: dict[tuple[str, str, str], OwnHop] = {}  # by caller, parent and operation
    reversals: dict[tuple[str, str, int], list[OwnHop]] = {}
    unknown = {
        (hop.caller, hop.callee, hop.attempt)
        for hop in hops
        if hop.operation == "authorise" and hop.result.leaves_unknown
    }
    for hop in hops:
        if hop.operation == "notify":
            if hop.callee in own and hop.result is HopResult.APPROVED:
                yield _decision(
                    DecisionKind.WEBHOOK_ACCEPTED, hop.callee, hop.caller, hop, hop.ended_ns
                )
            continue
        attempt = (hop.caller, hop.callee, hop.attempt)
        is_void = hop.operation == "void"
        # A refund undoes what the service did not know of; otherwise the merchant wants it.
        if is_void or (hop.operation == "refund" and attempt in unknown):
            reversals.setdefault(attempt, []).append(hop)
        call = (hop.caller, hop.parent, hop.operation)
        before = last.get(call)
        last[call] = hop
        if before is not None and before.callee == hop.callee:
            # A query is sent again and again anyway.
            if (
                not before.result.worked
                and hop.operation in MONEY | REVERSED
                and _is_after(hop, before)
            ):
                kind = DecisionKind.RETRY
                yield _decision(kind, hop.caller, hop.callee, hop, hop.started_ns, before.result)
        # What follows an authorisation goes where that went.
        elif hop.route > 0 and hop.operation in REVERSED:
            why = before.result if before is not None else "not tried"
            kind = DecisionKind.FAILOVER
            yield _decision(kind, hop.caller, hop.callee, hop, hop.started_ns, why)
    booked = movements() if reversals else ()
    for sent in reversals.values():
        yield from _reversal(sent, booked)


def _is_after(hop: OwnHop, before: OwnHop) -> bool:
    """Whether a request was sent because of what became of the one before.

    Under its key it is a repeat. Without one, what began before the other had failed is a request
    of its own, such as a second refund.
    """
    return hop.try_number > 1 or hop.started_ns >= before.ended_ns - NOTICED_NS


def _reversal(sent: Sequence[OwnHop], booked: Sequence[Movement]) -> Iterator[Decision]:
    """The reversal of one attempt, in however many requests."""
    first, last = sent[0], sent[-1]
    done = next((hop for hop in sent if _took_effect(hop, booked)), None)
    reference = f"{first.payment}-{first.attempt}"
    end = DecisionKind.REVERSAL_ACKNOWLEDGED if done else DecisionKind.REVERSAL_ABANDONED
    for kind, hop, at_ns, detail in (
        (DecisionKind.REVERSAL_SENT, first, first.started_ns, reference),
        (
            end,
            done or last,
            (done or last).ended_ns,
            f"{reference} after {count(len(sent), 'try')}",
        ),
    ):
        yield _decision(kind, hop.caller, hop.callee, hop, at_ns, detail)


def _took_effect(hop: OwnHop, booked: Sequence[Movement]) -> bool:
    """Whether the service got a final answer, and it was true."""
    return hop.result in _FINAL and is_reversed(
        booked, link=hop.callee, attempt=hop.attempt, by_ns=hop.ended_ns
    )


def _decision(
    kind: DecisionKind, link: str, target: str, hop: OwnHop, at_ns: int, detail: Any = ""
) -> Decision:
    operation = "authorise" if kind is DecisionKind.WEBHOOK_ACCEPTED else hop.operation
    return Decision(
        link=link,
        kind=kind,
        at_ns=at_ns,
        payment=hop.payment,
        attempt=hop.attempt,
        operation=operation,
        target=target,
        detail=str(detail),
    )
