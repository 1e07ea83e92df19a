"""One run over nodes in numbers: what its arrangement of them brought, cost and risked."""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from paychain.analysis.measures.histogram import Histogram
from paychain.analysis.measures.measures import millis
from paychain.analysis.nodes.breaking import breaking_zones, in_front, nodes_of, shared_parts
from paychain.analysis.nodes.found import CallsDuringOutage, found
from paychain.analysis.store.store import RunStore
from paychain.model.chain import Chain
from paychain.model.experiment import Experiment, Times
from paychain.model.ledger_checks import block_interval_s
from paychain.payments.journal import HopRecord, MovementKind, PaymentRecord
from paychain.payments.outcome import Outcome


class Arrangement(msgspec.Struct, frozen=True, kw_only=True):
    """A run with its arrangement of nodes. Shares are of 1, amounts in minor units.

    `success`: payouts that ended within the customer's deadline. `final_in_time`: those that were
    final on the ledger by then. `at_risk`: what was reported as paid out and is not on the ledger
    in the end. `requests`: of all links, for each payout.
    """

    run: str
    chain: str
    operators: int
    zones: dict[str, int]  # nodes of each
    ask: int
    agree: int
    re_pick: int
    liars: int
    assumed: list[str]  # assumptions about nodes, not measured, in words
    front: list[tuple[str, str]]  # single links in front of all nodes, and who runs or carries each
    breaking: list[list[str]]  # smallest sets of zones without which nothing works
    breaking_operators: int  # how many of them are off, wherever they are
    shared: list[str]  # other links that nothing works without
    payments: int
    success: float
    final_in_time: float
    at_risk: int
    at_risk_payments: int
    currency: str
    requests: float
    p50_ms: float | None
    p99_ms: float | None
    found: list[CallsDuringOutage]


def arrangement(
    run: str, chain: Chain, experiment: Experiment, times: Times, store: RunStore
) -> Arrangement:
    """The numbers of one finished run of a chain with nodes."""
    nodes = nodes_of(chain)
    paid = [payment for payment in store.rows(PaymentRecord) if not payment.warm_up]
    final_ns, spent = _final(chain, store)
    latencies = Histogram()
    in_time = lost = lost_minor = 0
    for payment in paid:
        by_ns = payment.intended_ns + round(chain.deadline * 1e9)
        in_time += payment.payment in final_ns and final_ns[payment.payment] <= by_ns
        if payment.outcome is Outcome.APPROVED:
            latencies.add(payment.ended_ns - payment.intended_ns)
        is_reported = payment.outcome is Outcome.APPROVED or payment.payment in spent
        if is_reported and payment.payment not in final_ns:
            lost += 1
            lost_minor += payment.amount_minor
    warm = {payment.payment for payment in store.rows(PaymentRecord) if payment.warm_up}
    requests = sum(hop.payment not in warm for hop in store.rows(HopRecord))
    p50_ms, p99_ms = millis(latencies, 0.5, 0.99)
    count = max(1, len(paid))
    return Arrangement(
        run=run,
        chain=chain.chain,
        operators=nodes.count,
        zones=dict(Counter(chain.links[name].depends_on[0] for name in nodes.names)),
        ask=nodes.ask,
        agree=nodes.agree,
        re_pick=nodes.re_pick,
        liars=sum(chain.links[name].lies for name in nodes.names),
        assumed=_assumed(chain),
        front=in_front(chain),
        breaking=[list(zones) for zones in breaking_zones(chain)],
        breaking_operators=nodes.count - nodes.agree + 1,
        shared=shared_parts(chain),
        payments=len(paid),
        success=sum(not payment.technical for payment in paid) / count,
        final_in_time=in_time / count,
        at_risk=lost_minor,
        at_risk_payments=lost,
        currency=chain.currency,
        requests=requests / count,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        found=found(chain, experiment, times, store),
    )


def _final(chain: Chain, store: RunStore) -> tuple[dict[str, int], set[str]]:
    """When the transfer of each payment that stands in the end became final, and what was spent.

    Final by the ledger's blocks as they are meant to come: a halt makes it later.
    """
    final = chain.links[chain.network].final.finality
    after_ns = round((final.after_blocks * block_interval_s(chain) + final.until_s) * 1e9)
    standing: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for movement in store.movements(MovementKind.TRANSFERRED):
        standing[movement.payment][movement.reference] = movement.at_ns
    for movement in store.movements(MovementKind.UNDONE):
        at_ns = standing[movement.payment].get(movement.reference)
        if at_ns is not None and at_ns < movement.at_ns:
            del standing[movement.payment][movement.reference]
    final_ns = {
        payment: min(found.values()) + after_ns for payment, found in standing.items() if found
    }
    return final_ns, {movement.payment for movement in store.movements(MovementKind.SPENT)}


def _assumed(chain: Chain) -> list[str]:
    """What a run puts in about its nodes, in words."""
    nodes = nodes_of(chain)
    words = [
        f"nodes at {name} are online {100 * zone.churn.on:g} % of the time, for "
        f"{zone.churn.lasts:g} s on average"
        for name, zone in nodes.zones.items()
        if zone.churn is not None
    ]
    words += [
        f"nodes at {name} answer in {1000 * zone.answers_in.median:g} ms (p99 "
        f"{1000 * zone.answers_in.p99:g} ms)"
        for name, zone in nodes.zones.items()
        if zone.answers_in is not None
    ]
    if nodes.liars:
        words.append(f"{100 * nodes.liars:g} % of the nodes lie, all in the same way")
    return words
