"""The numbers of the chain map: for each hop and link its payments, breaks and faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from paychain.analysis.measures.measures import Break, HopMeasure
from paychain.model.operations import CUSTOMER
from paychain.payments.journal import ASIDE
from paychain.report.result import ChainFacts

MAX_DROPS = 3  # lines of breaks under one link


class InjectedFault(Protocol):
    """A fault that took effect."""

    @property
    def id(self) -> str:
        """Its name in the experiment."""

    @property
    def links(self) -> Sequence[str]:
        """The links it acted on."""


class PhaseCount(Protocol):
    """The number of payments in a phase."""

    @property
    def kind(self) -> str:
        """`all` is the whole run."""

    @property
    def offered(self) -> int:
        """Payments."""


class Traffic(Protocol):
    """What a chain map is drawn from: the result of a run, or live traffic."""

    @property
    def chain(self) -> ChainFacts:
        """The links and the calls between them."""

    @property
    def hops(self) -> Sequence[HopMeasure]:
        """What each hop carried."""

    @property
    def breaks(self) -> Sequence[Break]:
        """Where payments broke."""

    @property
    def faults(self) -> Sequence[InjectedFault]:
        """What was injected."""

    @property
    def phases(self) -> Sequence[PhaseCount]:
        """Phases; one of them is the whole run."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The traffic from one link to another, over all operations."""

    payments: int = 0
    sent: int = 0  # calls that went out
    short_circuited: int = 0  # calls that a policy did not let out
    failed: int = 0  # of the calls that went out
    operations: str
    is_fallback: bool


@dataclass(frozen=True)
class Drop:
    """Payments that broke on their way into a link."""

    words: str
    share: float  # of all payments
    is_total: bool  # the link has only one caller, so this is all that broke


def flows(traffic: Traffic) -> dict[tuple[str, str], Flow]:
    """Every possible hop once, by caller and callee."""
    found = {
        (CUSTOMER, entry): Flow(operations="", is_fallback=False) for entry in traffic.chain.entries
    }
    for edge in traffic.chain.edges:
        key = edge.caller, edge.callee
        known = found.get(key)
        # Only a hop that no call has as its primary route is drawn as a fallback.
        found[key] = Flow(
            operations=f"{known.operations}, {edge.operation}" if known else edge.operation,
            is_fallback=edge.route > 0 and (known is None or known.is_fallback),
        )
    for hop in traffic.hops:
        key = hop.caller, hop.callee
        # Reversals and queries are not on a payment's way through the chain.
        if hop.operation in ASIDE or key not in found:
            continue
        flow = found[key]
        found[key] = replace(
            flow,
            payments=max(flow.payments, hop.payments),
            sent=flow.sent + hop.sent,
            short_circuited=flow.short_circuited + hop.short_circuited,
            failed=flow.failed + hop.failed_sent,
        )
    return found


def breaks_by_link(traffic: Traffic) -> dict[str, list[Drop]]:
    """What broke on the way into each link, by caller where the link has several."""
    total = _offered(traffic) or 1
    counts: dict[str, dict[str, int]] = {}
    for group in traffic.breaks:
        by_caller = counts.setdefault(group.callee or traffic.chain.entries[0], {})
        by_caller[group.caller] = by_caller.get(group.caller, 0) + group.payments
    drops = {}
    for callee, by_caller in counts.items():
        callers = {edge.caller for edge in traffic.chain.edges if edge.callee == callee}
        if len(callers) < 2:
            payments = sum(by_caller.values())
            share = payments / total
            drops[callee] = [Drop(f"✕ {payments:,} ({share:.1%})", share, is_total=True)]
            continue
        drops[callee] = [
            Drop(f"✕ {payments:,} ← {caller}", payments / total, is_total=False)
            for caller, payments in _largest(by_caller)
        ]
    return drops


def _largest(by_caller: dict[str, int]) -> list[tuple[str, int]]:
    """Callers by what broke, the largest first; the rest as one where there is no room."""
    ordered = sorted(by_caller.items(), key=lambda item: -item[1])
    if len(ordered) > MAX_DROPS:
        rest = ordered[MAX_DROPS - 1 :]
        total = sum(payments for _, payments in rest)
        ordered[MAX_DROPS - 1 :] = [(f"{len(rest)} others", total)]
    return ordered


def affected_links(traffic: Traffic) -> dict[str, list[str]]:
    """The names of the faults that were injected into each link, or into a hop to it."""
    found: dict[str, list[str]] = {}
    for fault in traffic.faults:
        for link in fault.links:
            found.setdefault(link, []).append(fault.id)
    return found


def reached(name: str, between: dict[tuple[str, str], Flow], traffic: Traffic) -> str:
    """`640 calls` or `200 of 640 failed` at a link, `1,240 payments` for the customer."""
    if name == CUSTOMER:
        return f"{_offered(traffic):,} payments"
    inward = [flow for (_, callee), flow in between.items() if callee == name]
    calls, failed = sum(flow.sent for flow in inward), sum(flow.failed for flow in inward)
    if failed:
        return f"{failed:,} of {calls:,} failed"
    return f"{calls:,} calls" if calls else "no calls"


def _offered(traffic: Traffic) -> int:
    return next((phase.offered for phase in traffic.phases if phase.kind == "all"), 0)
